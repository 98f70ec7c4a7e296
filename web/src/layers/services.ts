/** Whether the services of other systems answer, and to whom their pictures are owed. */
import { computed, ref, shallowRef, watch } from 'vue'
import * as api from '@/api'
import type { Service } from '@/api'
import { catalogue, isService, shownServices } from './state'

/** While one is on that does not answer, it is looked whether it is back. */
const EVERY_MS = 30_000
/** After squares that failed: not for each of them. */
const SOON_MS = 3_000

const services = shallowRef<ReadonlyMap<string, Service>>(new Map())
let again: ReturnType<typeof setTimeout> | undefined
let timer: ReturnType<typeof setTimeout> | undefined

export function serviceOf(id: string): Service | undefined {
  return services.value.get(id)
}

/** Those that are shown and do not answer; `attempts` counts up when their squares are to be asked for again. */
export const downServices = computed(() =>
  shownServices.value.filter(({ id }) => serviceOf(id)?.is_up === false).map(({ id }) => id),
)
export const attempts = ref(0)

/** What is owed to those whose layers are shown, each once. */
export const attributions = computed(() => [
  ...new Set(shownServices.value.flatMap(({ id }) => serviceOf(id)?.attribution || [])),
])

/** Looks how the services are, soon: squares of one came, or failed. */
export function lookSoon(after = SOON_MS): void {
  timer ??= setTimeout(() => {
    timer = undefined
    void look().catch(() => undefined)
  }, after)
}

async function look(): Promise<void> {
  const listed = await api.listServices()
  services.value = new Map(listed.map((service) => [service.id, service]))
  if (downServices.value.length === 0) return
  clearTimeout(again)
  again = setTimeout(() => {
    if (!document.hidden) attempts.value++
    lookSoon()
  }, EVERY_MS)
}

watch(
  () => catalogue.value.layers.filter(isService).map(({ id, version }) => `${id}:${version}`).join(),
  (known) => known && lookSoon(0),
)
watch(
  () => shownServices.value.length,
  (many) => many > 0 && lookSoon(),
)
