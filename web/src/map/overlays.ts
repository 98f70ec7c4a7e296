/** What the page draws over the city: GeoJSON under layers whose colours follow light and dark. */
import type { GeoJSONSource, LayerSpecification } from 'maplibre-gl'
import { ref, watch } from 'vue'
import { scheme } from '@/shell/scheme'
import { cityMap, isDrawn, OVERLAY } from './city-map'
import type { Scheme } from './style'

/** A layer of the overlay; its source is filled in here. */
export type Drawing = LayerSpecification extends infer L
  ? L extends { source: unknown }
    ? Omit<L, 'source'> & { source?: never }
    : never
  : never

interface Overlay {
  data: GeoJSON.FeatureCollection
  draw: (scheme: Scheme) => Drawing[]
}

export const NOTHING: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] }

/** Counts what was filled in, for whoever draws the same. */
export const fillings = ref(0)

/** In drawing order. */
const overlays = new Map<string, Overlay>()

export function defineOverlay(name: string, draw: (scheme: Scheme) => Drawing[]): void {
  overlays.set(name, { data: NOTHING, draw })
  if (isDrawn.value) put(name)
}

export function fillOverlay(name: string, features: GeoJSON.Feature[]): void {
  const overlay = overlays.get(name)
  if (!overlay) return
  fillings.value++
  overlay.data = { type: 'FeatureCollection', features }
  const source = cityMap.value?.getSource<GeoJSONSource>(OVERLAY + name)
  if (source) source.setData(overlay.data)
}

watch(isDrawn, (drawn) => {
  if (drawn) for (const name of overlays.keys()) put(name)
})

watch(scheme, () => {
  const map = cityMap.value
  if (!map) return
  for (const overlay of overlays.values()) {
    for (const layer of overlay.draw(scheme.value)) {
      if (!map.getLayer(OVERLAY + layer.id)) continue
      for (const [property, value] of Object.entries(layer.paint ?? {})) {
        map.setPaintProperty(OVERLAY + layer.id, property as 'fill-color', value)
      }
    }
  }
})

function put(name: string): void {
  const map = cityMap.value
  const overlay = overlays.get(name)
  if (!map || !overlay) return
  const source = OVERLAY + name
  if (!map.getSource(source)) map.addSource(source, { type: 'geojson', data: overlay.data })
  for (const layer of overlay.draw(scheme.value)) {
    const id = OVERLAY + layer.id
    if (!map.getLayer(id)) map.addLayer({ ...layer, id, source } as LayerSpecification)
  }
}
