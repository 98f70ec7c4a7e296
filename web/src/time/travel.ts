/** Going through time: the map follows what is wanted, one moment after the other, and plays the changes. */
import { computed, ref, watch } from 'vue'
import { t } from '@/i18n'
import { onLayers } from '@/layers/state'
import { showAsOf } from '@/map/city-map'
import { tellProblem } from '@/shell/notice'
import { backToNow, clock, kept } from './clock'
import { learnPast } from './learn'
import { spanOf, wordsOf, type Span } from './axis'
import { msOf, stopsOf, type At, type Stop } from './past'

/** How long a moment is looked at, at normal speed. */
const DWELL_MS = 1400

/** The end of the time axis; it moves when the past is learnt anew. */
export const today = ref(Date.now())

watch(kept, () => (today.value = Date.now()))

export const stops = computed<Stop[]>(() => stopsOf(kept.value, onLayers.value.map(({ id }) => id), today.value))

/** From the first change of what is shown to now; where changes are kept back, from its first state. */
export const span = computed<Span>(() => {
  const firsts = onLayers.value.flatMap(({ id }) => kept.value.histories.get(id)?.since ?? []).map(msOf)
  return spanOf(firsts.length > 0 ? Math.min(...firsts) : undefined, today.value)
})

export function momentWords(at: At): string {
  return at === null ? t('timeNow') : wordsOf(at, span.value)
}

let isGoing = false
let isStale = false

/** From now on the map shows the moment that is wanted. */
export function followClock(): void {
  watch(() => clock.wanted, () => void go())
  watch(
    () => clock.open,
    (open) => open && learnPast().catch(tellProblem),
  )
}

/** The past is known otherwise than before: the moment that is shown is drawn again, as far as it differs. */
export function goAgain(): void {
  isStale = true
  void go()
}

async function go(): Promise<void> {
  if (isGoing) return
  isGoing = true
  clock.busy = true
  while (clock.wanted !== clock.shown || isStale) {
    const at = clock.wanted
    isStale = false
    try {
      if (at !== null && kept.value.histories.size === 0) await learnPast()
      await showAsOf(at)
    } catch (error) {
      tellProblem(error)
      clock.playing = false
      if (clock.wanted === at) clock.wanted = clock.shown
    }
  }
  clock.busy = false
  isGoing = false
}

/** The next change after a moment, or the one before it; null is now. */
export function stopBesideOf(at: At, by: 1 | -1): At {
  const list = stops.value
  if (by < 0) {
    // The last change made the map what it is now.
    const before = list.filter((stop, n) => (at === null ? n < list.length - 1 : stop.at < at))
    return before.at(-1)?.at ?? at
  }
  if (at === null) return null
  const after = list.find((stop) => stop.at > at)
  return after && after !== list.at(-1) ? after.at : null
}

/** The same of the moment that is wanted. */
export function stopBeside(by: 1 | -1): At {
  return stopBesideOf(clock.wanted, by)
}

let round = 0

/** Plays the changes up to now, or ends that. */
export async function play(): Promise<void> {
  const mine = ++round
  clock.playing = !clock.playing
  if (!clock.playing) return
  if (clock.wanted === null) clock.wanted = stops.value[0]?.at ?? null
  while (clock.wanted !== null) {
    await Promise.all([arrived(), pause(DWELL_MS / clock.speed)])
    if (!clock.playing || mine !== round) return
    clock.wanted = stopBeside(1)
  }
  if (mine === round) backToNow()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function arrived(): Promise<void> {
  return new Promise((resolve) => {
    const stop = watch(
      () => clock.busy || clock.wanted !== clock.shown,
      (is) => {
        if (is) return
        resolve()
        queueMicrotask(() => stop())
      },
      { immediate: true },
    )
  })
}
