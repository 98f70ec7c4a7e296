/** What an import would put on the map, drawn over the city: sampled rows, findings, differences. */
import type { Corners } from '@/api'
import { ref, watch } from 'vue'
import { cityMap, OVERLAY } from '@/map/city-map'
import { defineOverlay, fillOverlay } from '@/map/overlays'
import type { Scheme } from '@/map/style'
import { pane } from '@/shell/panes'

export type Tone = 'sample' | 'other' | 'added' | 'changed' | 'removed' | 'before' | 'error' | 'warning' | 'info'

export const IMPORT = 'import'

/** Told apart by people who see red and green alike, too: by lightness as well as by hue. */
export const TONES: Record<Scheme, Record<Tone, string>> = {
  light: {
    sample: '#e8590c',
    other: '#8a94a0',
    added: '#0b8a4a',
    changed: '#c77700',
    removed: '#c3261b',
    before: '#7a8490',
    error: '#c3261b',
    warning: '#c77700',
    info: '#1559c7',
  },
  dark: {
    sample: '#ffa14f',
    other: '#8896a6',
    added: '#4fd08b',
    changed: '#ffc247',
    removed: '#ff7a6e',
    before: '#9aa7b5',
    error: '#ff7a6e',
    warning: '#ffc247',
    info: '#62a0ff',
  },
}

export interface Drawn {
  geometry: GeoJSON.Geometry
  tone: Tone
  /** What the pane calls it, to find it again after a click. */
  id?: string
}

/** The thing of the import that was clicked on the map. */
export const picked = ref<string | null>(null)

function colours(scheme: Scheme): (string | string[])[] {
  const pairs = Object.entries(TONES[scheme]).flatMap(([tone, colour]) => [tone, colour])
  return ['match', ['get', 'tone'], ...pairs, '#888888'] as (string | string[])[]
}

export function setUpImportLayer(): void {
  defineOverlay('import-city', (scheme) => [
    {
      id: 'import-city-edge',
      type: 'line',
      paint: { 'line-color': scheme === 'light' ? '#1559c7' : '#62a0ff', 'line-width': 1.2, 'line-dasharray': [4, 3] },
    },
  ])
  defineOverlay(IMPORT, (scheme) => {
    const colour = colours(scheme) as unknown as string
    return [
      {
        id: 'import-area',
        type: 'fill',
        filter: ['==', ['geometry-type'], 'Polygon'],
        paint: { 'fill-color': colour, 'fill-opacity': ['match', ['get', 'tone'], 'before', 0, 'other', 0.05, 0.22] },
      },
      {
        id: 'import-edge',
        type: 'line',
        filter: ['!=', ['geometry-type'], 'Point'],
        layout: { 'line-join': 'round', 'line-cap': 'round' },
        paint: {
          'line-color': colour,
          'line-width': ['interpolate', ['linear'], ['zoom'], 8, 1.2, 15, 2, 19, 3.4],
        },
      },
      {
        id: 'import-point',
        type: 'circle',
        filter: ['==', ['geometry-type'], 'Point'],
        paint: {
          'circle-radius': ['interpolate', ['linear'], ['zoom'], 8, 2.6, 15, 4.5, 19, 8],
          'circle-color': colour,
          'circle-stroke-color': scheme === 'light' ? '#ffffff' : '#0b1524',
          'circle-stroke-width': 1.2,
        },
      },
    ]
  })
  watch(pane, (now) => {
    if (now !== 'import' && now !== 'changes' && now !== 'services') drawNothing()
  })
}

export function draw(things: Drawn[], city: [number, number, number, number] | null = null): void {
  fillOverlay(
    IMPORT,
    things.map(({ geometry, tone, id }) => ({ type: 'Feature', geometry, properties: { tone, id: id ?? null } })),
  )
  fillOverlay('import-city', city ? [{ type: 'Feature', geometry: boxOf(city), properties: {} }] : [])
}

export function drawNothing(): void {
  draw([])
  void lay(null)
}

/** The outline of an area, which then lies round a picture and does not colour it. */
export function edgeOf(shape: GeoJSON.Geometry): GeoJSON.Geometry {
  return shape.type === 'Polygon' ? { type: 'MultiLineString', coordinates: shape.coordinates } : shape
}

const PICTURE = `${OVERLAY}import-picture`
let laid = 0

/**
 * The picture of a raster that is not published yet, under its edge. On a canvas: what the page may fetch is
 * held to the service, and a data address is not part of it.
 */
export async function lay(picture: { image: string; corners: Corners } | null): Promise<void> {
  const turn = ++laid
  const map = cityMap.value
  if (!map) return
  if (map.getLayer(PICTURE)) map.removeLayer(PICTURE)
  if (map.getSource(PICTURE)) map.removeSource(PICTURE)
  if (!picture) return
  const image = new Image()
  image.src = picture.image
  try {
    await image.decode()
  } catch {
    return
  }
  if (turn !== laid || !map.getStyle()) return
  const canvas = document.createElement('canvas')
  canvas.width = image.naturalWidth
  canvas.height = image.naturalHeight
  canvas.getContext('2d')?.drawImage(image, 0, 0)
  map.addSource(PICTURE, { type: 'canvas', canvas, coordinates: picture.corners, animate: false })
  const above = `${OVERLAY}import-area`
  map.addLayer(
    { id: PICTURE, type: 'raster', source: PICTURE, paint: { 'raster-opacity': 0.9, 'raster-fade-duration': 0 } },
    map.getLayer(above) ? above : undefined,
  )
}

function boxOf([west, south, east, north]: [number, number, number, number]): GeoJSON.LineString {
  const coordinates = [[west, south], [east, south], [east, north], [west, north], [west, south]]
  return { type: 'LineString', coordinates }
}
