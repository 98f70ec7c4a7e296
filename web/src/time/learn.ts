/** What the service keeps of the past, asked when somebody looks back. */
import * as api from '@/api'
import { clock, kept } from './clock'
import { keep } from './past'

/** Moments asked for; where there are more, the oldest can be gone to by their date. */
const MOST_MOMENTS = 5_000

export async function learnPast(): Promise<void> {
  if (!clock.open && clock.wanted === null && clock.shown === null) return
  kept.value = keep(await api.readTimeline({ limit: MOST_MOMENTS }))
}
