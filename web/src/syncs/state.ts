/** The syncs: imports that a timetable begins, and whether one of them needs a person. */
import { computed, shallowRef, watch } from 'vue'
import * as api from '@/api'
import type { ImportRun, Sync } from '@/api'
import { mayImport, run } from '@/imports/state'
import { tellProblem } from '@/shell/notice'

export const syncs = shallowRef<Sync[]>([])
/** Imports that wait for a reviewer. */
export const reviews = shallowRef<ImportRun[]>([])

/** Those that fail or that nobody carries out. */
export const ailing = computed(() => syncs.value.filter((one) => one.failures > 0 || one.is_late))
/** What somebody should look at: failing syncs, and imports that wait for this person. */
export const attention = computed(
  () =>
    ailing.value.length +
    reviews.value.filter((run) => run.review.may_approve).length +
    syncs.value.filter((one) => one.waiting && !reviews.value.some((run) => run.id === one.waiting)).length,
)

const EVERY_MS = 60_000
const SOON_MS = 2_000
let following = false
let timer: ReturnType<typeof setTimeout> | undefined

/** Asks once, and again in a while: sooner while one is being carried out. */
export async function loadSyncs(): Promise<void> {
  clearTimeout(timer)
  if (!mayImport.value) return
  try {
    ;[syncs.value, reviews.value] = await Promise.all([api.listSyncs(), api.listReviews()])
  } catch {
    // told elsewhere when the service is away; the list stays as it was
  }
  const busy = syncs.value.some((one) => one.is_asked_for || one.last?.state === 'running')
  timer = setTimeout(() => void loadSyncs(), busy ? SOON_MS : EVERY_MS)
}

export async function runSync(one: Sync, again = false): Promise<void> {
  await act(() => api.runSync(one.name, again))
}

export async function pauseSync(one: Sync): Promise<void> {
  await act(() => api.changeSync(one.name, { is_paused: !one.is_paused }))
}

export async function removeSync(one: Sync): Promise<void> {
  await act(() => api.removeSync(one.name))
}

async function act(doing: () => Promise<unknown>): Promise<void> {
  try {
    await doing()
  } catch (error) {
    tellProblem(error)
  }
  await loadSyncs()
}

/** An import that is submitted, sent back or published changes what waits. */
watch(
  () => run.value && `${run.value.state} ${run.value.review.steps.length}`,
  () => void loadSyncs(),
)

/** Begins with whoever may import, and ends with them. */
export function followSyncs(): void {
  if (following) return
  following = true
  watch(
    mayImport,
    (may) => {
      clearTimeout(timer)
      syncs.value = []
      reviews.value = []
      if (may) void loadSyncs()
    },
    { immediate: true },
  )
}
