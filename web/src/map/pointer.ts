/** Clicks and hovering: who answers a click, and what the thing under the pointer is called. */
import type { MapGeoJSONFeature, MapMouseEvent } from 'maplibre-gl'
import { reactive } from 'vue'
import { openEvent } from '@/events/open'
import { eventById } from '@/events/state'
import { classesSaid, clusterOf, clustersAmong } from '@/identify/clusters'
import { lookAt } from '@/identify/state'
import { valueOf } from '@/identify/values'
import { count, say } from '@/i18n'
import { IMPORT, picked } from '@/imports/on-map'
import { FRAMES, layerById } from '@/layers/state'
import { open } from '@/shell/panes'
import { chosenStation } from '@/stations/state'
import { givePlace, tool } from '@/tools/state'
import { clock } from '@/time/clock'
import { cityMap, OVERLAY } from './city-map'
import { EVENTS } from './events-layer'
import { STATIONS } from './stations-layer'
import { momentUnder } from './swipe'

/** A small label beside the pointer. */
export const hover = reactive({ x: 0, y: 0, title: '', kind: '' })

/** Where the pointer is, for the coordinates in the status line. */
export const pointer = reactive({ on: false, lon: 0, lat: 0 })

const TOUCH_PX = 4
/** Classes named beside the pointer; a click names all that are told. */
const CLASSES_BESIDE = 3

export function setUpPointer(): void {
  const map = cityMap.value
  if (!map) return
  map.on('click', answerClick)
  let queued: MapMouseEvent | null = null
  map.on('mousemove', (event) => {
    Object.assign(pointer, { on: true, lon: event.lngLat.lng, lat: event.lngLat.lat })
    if (!queued) {
      requestAnimationFrame(() => {
        if (queued) nameUnder(queued)
        queued = null
      })
    }
    queued = event
  })
  map.on('mouseout', () => {
    hover.title = ''
    pointer.on = false
  })
  map.on('movestart', () => (hover.title = ''))
}

function answerClick({ lngLat, point }: MapMouseEvent): void {
  if (tool.value === 'pick') return givePlace(lngLat.lng, lngLat.lat)
  if (tool.value) return
  const touched = under(point.x, point.y)
  // The first map lies below; of what the second draws only what the page draws itself is the same in both.
  const own = touched.find((feature) => String(feature.source).startsWith(OVERLAY))
  if (own?.source === OVERLAY + EVENTS) return openEvent(Number(own.properties.id))
  if (own?.source === OVERLAY + STATIONS) {
    chosenStation.value = String(own.properties.code)
    return open('station')
  }
  if (own?.source === OVERLAY + IMPORT && own.properties.id) {
    picked.value = String(own.properties.id)
    return
  }
  const at = momentUnder(point.x, mapWidth())
  void lookAt(lngLat.lng, lngLat.lat, undefined, at === clock.shown ? clustersAmong(touched) : [], at)
}

function mapWidth(): number {
  return cityMap.value?.getContainer().clientWidth ?? 0
}

function nameUnder({ point }: MapMouseEvent): void {
  const map = cityMap.value
  if (!map) return
  const canvas = map.getCanvas()
  if (tool.value) {
    canvas.style.cursor = 'crosshair'
    hover.title = ''
    return
  }
  const isOther = momentUnder(point.x, mapWidth()) !== clock.shown
  const named = (isOther ? [] : under(point.x, point.y)).map(describe).find((label) => label !== null)
  canvas.style.cursor = named ? 'pointer' : ''
  Object.assign(hover, { x: point.x, y: point.y, title: named?.title ?? '', kind: named?.kind ?? '' })
}

function under(x: number, y: number): MapGeoJSONFeature[] {
  const map = cityMap.value
  if (!map?.isStyleLoaded()) return []
  return map.queryRenderedFeatures([[x - TOUCH_PX, y - TOUCH_PX], [x + TOUCH_PX, y + TOUCH_PX]])
}

function describe(feature: MapGeoJSONFeature): { title: string; kind: string } | null {
  const { properties } = feature
  if (feature.source === OVERLAY + EVENTS) {
    const event = eventById(Number(properties.id))
    return event ? { title: say(event.class.title), kind: event.case_number } : null
  }
  if (feature.source === OVERLAY + STATIONS) return { title: String(properties.name), kind: '' }
  const layer = layerById(feature.sourceLayer ?? '')
  if (!layer || FRAMES.includes(layer.id)) return null
  const cluster = clusterOf(feature)
  if (cluster) {
    return { title: `${say(layer.title)} ${count(cluster.rows)}`, kind: classesSaid(cluster, CLASSES_BESIDE) }
  }
  const coded = layer.fields.find((field) => field.codes && properties[field.name] !== undefined)
  const name = properties.name ?? properties.number ?? (coded ? valueOf(properties[coded.name], coded) : '')
  const title = String(name || '')
  return { title: title || say(layer.title), kind: title ? say(layer.title) : '' }
}
