/** Two moments compared: what of the layers that are on differs between them, in numbers. */
import * as api from '@/api'
import type { Compared, Layer } from '@/api'
import { isRaster } from '@/layers/state'
import { startSwipeOfMap, swipe } from '@/map/swipe'
import { isPhone, open } from '@/shell/panes'
import { clock, kept } from './clock'
import { changeAt, type At } from './past'
import { stopBeside } from './travel'

/** As many layers as the service compares in one call. */
const AT_ONCE = 32

/** The earlier and the later of the two sides. */
export function sidesInOrder(): [At, At] {
  const { shown } = clock
  if (shown === null || (swipe.at !== null && swipe.at < shown)) return [swipe.at, shown]
  return [shown, swipe.at]
}

/** The map as it is shown beside that of now; that of now beside the one before its last change. */
export function beginComparing(): void {
  clock.playing = false
  if (clock.wanted === null) clock.wanted = stopBeside(-1)
  startSwipeOfMap(null)
  if (!isPhone.value) open('changes')
}

export interface Pictures {
  from: string | null
  to: string | null
}

/** Of a raster layer: the dates of its pictures on either side. */
export function picturesOf(layer: Layer, [from, to]: [At, At]): Pictures {
  const taken = (at: At) => (at === null ? layer.rasters[0]?.taken : changeAt(kept.value, layer.id, at)?.taken) ?? null
  return { from: taken(from), to: taken(to) }
}

/** What differs of the layers that keep their versions, by layer. */
export async function compareLayers(layers: readonly Layer[], [from, to]: [At, At]): Promise<Map<string, Compared>> {
  const compared = new Map<string, Compared>()
  if (from === null) return compared
  const ids = layers.filter((layer) => !isRaster(layer) && keepsVersions(layer)).map(({ id }) => id)
  const span = { from: new Date(from).toISOString(), to: to === null ? undefined : new Date(to).toISOString() }
  for (let n = 0; n < ids.length; n += AT_ONCE) {
    const some = ids.slice(n, n + AT_ONCE)
    for (const one of await api.compareLayers({ layers: some.join(','), ...span })) compared.set(one.layer, one)
  }
  return compared
}

export function keepsVersions(layer: Layer): boolean {
  return kept.value.histories.get(layer.id)?.history === 'versions'
}
