/** What the page asks for when it opens, and again after the service was lost. */
import { watch } from 'vue'
import { connection, listen } from '@/api'
import { recognise, session } from '@/account/state'
import { followVersions } from '@/layers/versions'
import { followSyncs } from '@/syncs/state'
import { loadCatalogue } from '@/layers/state'
import { drawStyle } from '@/map/city-map'
import { loadStations } from '@/stations/state'
import { clock } from '@/time/clock'
import { learnPast } from '@/time/learn'
import { tellProblem } from './notice'

const WAIT_MS = 8000

/** The stream tells what the one who is logged in may see. */
watch(
  () => session.account?.name,
  (name) => name && listen(),
)

let again: ReturnType<typeof setTimeout> | undefined

/** Account, layers, style; a service that cannot be reached is asked again by itself. */
export async function begin(): Promise<void> {
  clearTimeout(again)
  try {
    await recognise()
    await loadCatalogue()
    await learnPast()
    clock.shown = clock.wanted
    await Promise.all([drawStyle(), loadStations()])
    followVersions()
    followSyncs()
  } catch (error) {
    if (connection.lost) again = setTimeout(() => void begin(), WAIT_MS)
    else tellProblem(error)
  }
}
