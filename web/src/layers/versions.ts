/** Watches for layers published anew: what changed of their tiles is asked for again without reloading the page. */
import * as api from '@/api'
import { drawStyle, freshenTiles, renewTiles } from '@/map/city-map'
import { clock } from '@/time/clock'
import { learnPast } from '@/time/learn'
import { goAgain } from '@/time/travel'
import { changesBetween } from './changes'
import { catalogue } from './state'

/** In case nothing is heard of a change, as behind a proxy that holds streams back. */
const EVERY_MS = 60_000

let timer: ReturnType<typeof setInterval> | undefined
let looking: Promise<void> | null = null
let isLate = false

export function followVersions(): void {
  if (timer) return
  timer = setInterval(() => !document.hidden && look(), EVERY_MS)
  api.onChange('layer', look)
  api.onChange('open', look) // what was published before the stream stood
}

/** Looks once; again afterwards if something was told meanwhile. */
export function look(): void {
  if (looking) {
    isLate = true
    return
  }
  looking = compare()
    .catch(() => undefined)
    .finally(() => {
      looking = null
      if (isLate) {
        isLate = false
        look()
      }
    })
}

/** Learns at once what was published, withdrawn or registered. */
export async function learn(): Promise<void> {
  await looking
  await compare()
}

async function compare(): Promise<void> {
  const before = catalogue.value
  const layers = await api.listLayers()
  const { republished, others } = changesBetween(before.layers, layers)
  if (others.size > 0 || republished.length > 0) await learnPast()
  if (others.size > 0) {
    catalogue.value = { ...before, layers, themes: await api.listThemes() }
    await drawStyle()
    renewTiles((id) => others.has(id) || republished.some((layer) => layer.id === id))
  } else if (republished.length > 0) {
    catalogue.value = { ...before, layers }
    if (clock.shown === null) await freshenTiles(republished)
    else goAgain()
  }
}
