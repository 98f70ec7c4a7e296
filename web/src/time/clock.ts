/** The moment the page shows, and what is known of the past. Null is now. */
import { reactive, shallowRef } from 'vue'
import { NOTHING_KEPT, standing, type At, type Kept, type Standing } from './past'

export const SPEEDS = [0.5, 1, 2, 4] as const

export const clock = reactive({
  /** The time bar is open. */
  open: false,
  /** What somebody wants to see; the map follows as fast as it can. */
  wanted: null as At,
  /** What is on the map. */
  shown: null as At,
  /** Tiles of the moment are on their way. */
  busy: false,
  playing: false,
  speed: 1 as (typeof SPEEDS)[number],
})

export const kept = shallowRef<Kept>(NOTHING_KEPT)

/** How a layer stands at the moment that is shown. */
export function standingNow(layer: string): Standing {
  return standing(kept.value, layer, clock.shown)
}

/** What a question says to be answered as of the moment that is shown. */
export function momentShown(): string | undefined {
  return clock.shown === null ? undefined : new Date(clock.shown).toISOString()
}

export function backToNow(): void {
  clock.playing = false
  clock.wanted = null
}
