/** The thing the user is looking at, drawn over everything else, and the place they clicked. */
import { cityMap } from './city-map'
import { defineOverlay, fillOverlay } from './overlays'

export function setUpHighlight(): void {
  defineOverlay('highlight', (scheme) => {
    const colour = scheme === 'light' ? '#ff6a00' : '#ffb020'
    return [
      {
        id: 'highlight-area',
        type: 'fill',
        filter: ['==', ['geometry-type'], 'Polygon'],
        paint: { 'fill-color': colour, 'fill-opacity': 0.16 },
      },
      {
        id: 'highlight-edge',
        type: 'line',
        filter: ['!=', ['geometry-type'], 'Point'],
        layout: { 'line-join': 'round', 'line-cap': 'round' },
        paint: { 'line-color': colour, 'line-width': ['interpolate', ['linear'], ['zoom'], 10, 2, 18, 4] },
      },
      {
        id: 'highlight-point',
        type: 'circle',
        filter: ['==', ['geometry-type'], 'Point'],
        paint: {
          'circle-radius': ['interpolate', ['linear'], ['zoom'], 10, 6, 18, 16],
          'circle-color': colour,
          'circle-opacity': 0.18,
          'circle-stroke-color': colour,
          'circle-stroke-width': 2.5,
        },
      },
    ]
  })
  defineOverlay('place', (scheme) => [
    {
      id: 'place-ring',
      type: 'circle',
      paint: {
        'circle-radius': 5,
        'circle-color': scheme === 'light' ? '#1559c7' : '#5b9dff',
        'circle-stroke-color': '#ffffff',
        'circle-stroke-width': 2.5,
      },
    },
  ])
}

export function highlight(geometry: GeoJSON.Geometry | null): void {
  fillOverlay('highlight', geometry ? [{ type: 'Feature', geometry, properties: {} }] : [])
}

export function markPlace(place: { lon: number; lat: number } | null): void {
  const geometry = place && { type: 'Point' as const, coordinates: [place.lon, place.lat] }
  fillOverlay('place', geometry ? [{ type: 'Feature', geometry, properties: {} }] : [])
}

/** How much of the map is covered by panels, so that what is flown to lands in the free part. */
export interface Padding {
  top: number
  right: number
  bottom: number
  left: number
}

let paddingNow: () => Padding = () => ({ top: 40, right: 40, bottom: 40, left: 40 })

export function setPadding(measure: () => Padding): void {
  paddingNow = measure
}

export function flyTo(lon: number, lat: number, zoom = 17.5): void {
  const map = cityMap.value
  if (!map) return
  // padding given here would stay with the map and be added to that of the next flight
  const { top, right, bottom, left } = paddingNow()
  const offset: [number, number] = [(left - right) / 2, (top - bottom) / 2]
  map.flyTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), zoom), offset, speed: 2.2 })
}

export function flyToBounds(bounds: [number, number, number, number], maxZoom = 18): void {
  const [west, south, east, north] = bounds
  const corners: [[number, number], [number, number]] = [[west, south], [east, north]]
  cityMap.value?.fitBounds(corners, { padding: paddingNow(), maxZoom, speed: 2.2 })
}

/** The box round a geometry, or null for an empty one. */
export function boundsOf(geometry: GeoJSON.Geometry): [number, number, number, number] | null {
  let box: [number, number, number, number] | null = null
  const visit = (part: unknown): void => {
    if (!Array.isArray(part)) return
    if (typeof part[0] !== 'number') return part.forEach(visit)
    const [lon, lat] = part as [number, number]
    box = box
      ? [Math.min(box[0], lon), Math.min(box[1], lat), Math.max(box[2], lon), Math.max(box[3], lat)]
      : [lon, lat, lon, lat]
  }
  if (geometry.type === 'GeometryCollection') geometry.geometries.forEach((g) => visit(coordinatesOf(g)))
  else visit(geometry.coordinates)
  return box
}

function coordinatesOf(geometry: GeoJSON.Geometry): unknown {
  return geometry.type === 'GeometryCollection' ? geometry.geometries.map(coordinatesOf) : geometry.coordinates
}

/** Flies to a geometry: a point is centred, anything larger is fitted. */
export function flyToGeometry(geometry: GeoJSON.Geometry): void {
  const box = boundsOf(geometry)
  if (!box) return
  if (box[2] - box[0] < 1e-7 && box[3] - box[1] < 1e-7) flyTo(box[0], box[1])
  else flyToBounds(box)
}
