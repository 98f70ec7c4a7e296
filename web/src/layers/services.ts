/** Whether the services of other systems answer, and to whom their pictures are owed. */
import { computed, shallowRef, watch } from 'vue'
import * as api from '@/api'
import type { Service } from '@/api'
import { catalogue, isService, shownServices } from './state'

/** While one is on that does not answer, it is looked whether it is back. */
const EVERY_MS = 30_000
/** After squares that failed: not for each of them. */
const SOON_MS = 3_000

const services = shallowRef<ReadonlyMap<string, Service>>(new Map())
let timer: ReturnType<typeof setTimeout> | undefined

export function serviceOf(id: string): Service | undefined {
  return services.value.get(id)
}

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
  if (shownServices.value.some(({ id }) => serviceOf(id)?.is_up === false)) lookSoon(EVERY_MS)
}

watch(
  () => catalogue.value.layers.filter(isService).map(({ id, version }) => `${id}:${version}`).join(),
  (known) => known && lookSoon(0),
)
watch(
  () => shownServices.value.length,
  (many) => many > 0 && lookSoon(),
)
