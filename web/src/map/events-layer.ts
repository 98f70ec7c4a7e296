/** Cases on the map: a pin in the colour of its state, a pulse round what has just arrived. */
import type { ExpressionSpecification } from 'maplibre-gl'
import { watch } from 'vue'
import { events, fresh } from '@/events/state'
import { stateColours } from '@/events/states'
import { clock } from '@/time/clock'
import { cityMap, isDrawn, OVERLAY } from './city-map'
import { defineOverlay, fillOverlay } from './overlays'
import type { Scheme } from './style'

export const EVENTS = 'events'

const PULSE_MS = 1600

export function setUpEventsLayer(): void {
  defineOverlay(EVENTS, (scheme) => [
    {
      id: 'events-pulse',
      type: 'circle',
      filter: ['get', 'fresh'],
      paint: {
        'circle-radius': 10,
        'circle-color': colourOf(scheme),
        'circle-opacity': 0.25,
        'circle-stroke-color': colourOf(scheme),
        'circle-stroke-width': 1.5,
        'circle-stroke-opacity': 0.5,
      },
    },
    {
      id: 'events-pin',
      type: 'circle',
      paint: {
        'circle-radius': ['interpolate', ['linear'], ['zoom'], 10, 3.5, 14, 6.5, 18, 9],
        'circle-color': colourOf(scheme),
        'circle-stroke-color': scheme === 'light' ? '#ffffff' : '#0e151d',
        'circle-stroke-width': 2,
      },
    },
    {
      id: 'events-mark',
      type: 'symbol',
      minzoom: 13,
      layout: {
        'text-field': '!',
        'text-font': ['Map Bold', 'sans-serif'],
        'text-size': ['interpolate', ['linear'], ['zoom'], 13, 9, 18, 13],
        'text-allow-overlap': true,
        'text-ignore-placement': true,
      },
      paint: { 'text-color': scheme === 'light' ? '#ffffff' : '#0e151d' },
    },
  ])
  watch([events, () => fresh.size, () => clock.shown], fill, { immediate: true })
  watch(() => fresh.size > 0, (any) => any && requestAnimationFrame(pulse))
}

function fill(): void {
  fillOverlay(
    EVENTS,
    (clock.shown === null ? events.value : []).map((event) => ({
      type: 'Feature',
      geometry: { type: 'Point', coordinates: [event.lon, event.lat] },
      properties: { id: event.id, state: event.state, fresh: fresh.has(event.id) },
    })),
  )
}

function colourOf(scheme: Scheme): ExpressionSpecification {
  const pairs = stateColours(scheme).flat()
  return ['match', ['get', 'state'], ...pairs, '#888888'] as unknown as ExpressionSpecification
}

function pulse(now: number): void {
  const map = cityMap.value
  const layer = `${OVERLAY}events-pulse`
  if (!map || !isDrawn.value || !map.getLayer(layer) || fresh.size === 0) return
  const phase = (now % PULSE_MS) / PULSE_MS
  map.setPaintProperty(layer, 'circle-radius', 8 + 22 * phase)
  map.setPaintProperty(layer, 'circle-stroke-opacity', 0.7 * (1 - phase))
  map.setPaintProperty(layer, 'circle-opacity', 0.25 * (1 - phase))
  requestAnimationFrame(pulse)
}
