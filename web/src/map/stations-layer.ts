/** Stations as badges that say their value in the colour of its level. */
import type { ExpressionSpecification, FilterSpecification } from 'maplibre-gl'
import { watch } from 'vue'
import { shownLayers } from '@/layers/state'
import { stations } from '@/stations/state'
import { badgeText, inkOn } from '@/stations/badge'
import { clock } from '@/time/clock'
import { cityMap, drawings, isDrawn } from './city-map'
import { defineOverlay, fillOverlay } from './overlays'

export const STATIONS = 'stations'

const SANS = ['Map Bold', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC']
const SERIF = ['Map Bold', 'Times New Roman', 'Songti SC', 'SimSun', 'Noto Serif CJK SC', 'serif']

/** From afar the stations that say how the air or the water is stand out; the others are dots. */
const HAS_INDEX: ExpressionSpecification = ['boolean', ['get', 'hasIndex'], false]
const NEAR_9: ExpressionSpecification = ['case', HAS_INDEX, 2.6, 1.4]
const NEAR_11: ExpressionSpecification = ['case', HAS_INDEX, 8, 3]
const NEAR_13: ExpressionSpecification = ['case', HAS_INDEX, 12, 10]

/** Drawn by the service for those who have no readings; the badges replace it. */
const PLAIN = ['station-dot', 'station-name']

export function setUpStationsLayer(): void {
  defineOverlay(STATIONS, (scheme) => [
    {
      id: 'stations-disc',
      type: 'circle',
      paint: {
        'circle-radius': ['interpolate', ['linear'], ['zoom'], 9, NEAR_9, 11.5, NEAR_11, 13, NEAR_13, 16, 17],
        'circle-color': ['get', 'color'],
        'circle-stroke-color': scheme === 'light' ? '#ffffff' : '#0e151d',
        'circle-stroke-width': ['interpolate', ['linear'], ['zoom'], 9, 0.8, 13, 2],
      },
      layout: { 'circle-sort-key': ['case', HAS_INDEX, 1, 0] },
    },
    {
      id: 'stations-value',
      type: 'symbol',
      minzoom: 11.2,
      filter: ['step', ['zoom'], HAS_INDEX, 12.8, true] as FilterSpecification,
      layout: {
        'text-field': ['get', 'value'],
        // without serifs the classes Ⅰ to Ⅲ are only bars
        'text-font': ['case', ['get', 'isClass'], ['literal', SERIF], ['literal', SANS]],
        'text-size': ['interpolate', ['linear'], ['zoom'], 11.2, 8.5, 13, 11, 16, 14],
        'text-allow-overlap': true,
        'text-ignore-placement': true,
      },
      paint: { 'text-color': ['get', 'ink'] },
    },
    {
      id: 'stations-name',
      type: 'symbol',
      minzoom: 13,
      layout: {
        'text-field': ['get', 'name'],
        'text-font': ['Map Medium', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC'],
        'text-size': ['interpolate', ['linear'], ['zoom'], 13, 10.5, 17, 13],
        'text-offset': [0, 1.75],
        'text-anchor': 'top',
        'text-max-width': 8,
        'text-optional': true,
      },
      paint: {
        'text-color': scheme === 'light' ? '#2b3a4a' : '#d3dce6',
        'text-halo-color': scheme === 'light' ? 'rgba(250,250,248,0.92)' : 'rgba(13,20,29,0.9)',
        'text-halo-width': 1.4,
      },
    },
  ])
  watch([stations, shownLayers, drawings, () => clock.shown], fill, { immediate: true, flush: 'post' })
}

function fill(): void {
  const map = cityMap.value
  if (!map || !isDrawn.value) return
  const shown = shownLayers.value.some((layer) => layer.id === 'station')
  // The newest readings say nothing of the past: there the stations are dots.
  const badges = shown && clock.shown === null ? stations.value : []
  for (const id of PLAIN) {
    const visibility = shown && badges.length === 0 ? 'visible' : 'none'
    if (map.getLayer(id)) map.setLayoutProperty(id, 'visibility', visibility)
  }
  fillOverlay(
    STATIONS,
    badges.map((station) => {
      const color = station.index?.color ?? '#7b8794'
      return {
        type: 'Feature',
        geometry: { type: 'Point', coordinates: [station.lon, station.lat] },
        properties: {
          code: station.code,
          name: station.name,
          value: badgeText(station),
          color,
          ink: inkOn(color),
          hasIndex: station.index !== null && station.index !== undefined,
          isClass: station.index?.kind === 'water_class',
        },
      }
    }),
  )
}
