/** Cases as they stand and as they arrive. */
import { computed, reactive, ref, watch } from 'vue'
import * as api from '@/api'
import type { CityEvent, EventState } from '@/api'
import { isLoggedIn } from '@/account/state'
import { tellProblem } from '@/shell/notice'
import { OPEN_STATES } from './states'

export type Filter = 'open' | 'overdue' | 'all' | EventState

const PAGE = 100
const FRESH_MS = 12_000

const known = reactive(new Map<number, CityEvent>())
/** Ids that arrived while the page was watching, for a short while. */
export const fresh = reactive(new Set<number>())
export const filter = ref<Filter>('open')
export const stream = computed(() => (isLoggedIn.value ? api.streamState.value : 'off'))
export const more = ref<string | null>(null)
export const loading = ref(false)

/** Newest first. */
export const allEvents = computed(() =>
  [...known.values()].sort((a, b) => b.reported_at.localeCompare(a.reported_at) || b.id - a.id),
)

export const events = computed(() => allEvents.value.filter((event) => passes(event, filter.value)))

export function passes(event: CityEvent, chosen: Filter): boolean {
  if (chosen === 'all') return true
  if (chosen === 'open') return OPEN_STATES.includes(event.state)
  if (chosen === 'overdue') return event.overdue && OPEN_STATES.includes(event.state)
  return event.state === chosen
}

export function eventById(id: number): CityEvent | undefined {
  return known.get(id)
}

/** Keeps the newer of what is known and what came. */
export function take(event: CityEvent, arrivedLive = false): void {
  const before = known.get(event.id)
  if (before && before.revision > event.revision) return
  known.set(event.id, { ...before, ...event })
  if (!arrivedLive || before?.revision === event.revision) return
  fresh.add(event.id)
  setTimeout(() => fresh.delete(event.id), FRESH_MS)
}

export async function loadEvents(after?: string): Promise<void> {
  loading.value = true
  try {
    const page = await api.listEvents({ limit: PAGE, after })
    page.events.forEach((event) => take(event))
    more.value = page.next
  } catch (error) {
    tellProblem(error)
  } finally {
    loading.value = false
  }
}

/** Follows the account: cases are for people who logged in. */
export function followEvents(): void {
  api.onChange('open', () => {
    if (isLoggedIn.value) void loadEvents() // what happened before the stream stood
  })
  api.onChange('event', (event) => take(event as CityEvent, true))
  watch(isLoggedIn, forget)
}

function forget(): void {
  known.clear()
  fresh.clear()
  more.value = null
}
