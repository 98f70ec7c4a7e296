/** What is at the place that was clicked, across every layer that is shown there. */
import { reactive, watch } from 'vue'
import * as api from '@/api'
import type { Feature, LayerFeatures, Located } from '@/api'
import { FRAMES, hasRows, isOfHeights, layerById, onLayers, shownLayers, taken } from '@/layers/state'
import { view } from '@/map/city-map'
import { highlight, markPlace } from '@/map/highlight'
import { open, pane } from '@/shell/panes'
import { wordsFor } from '@/shell/notice'
import type { Cluster } from './clusters'
import { nameOf } from './values'
import { clock, kept } from '@/time/clock'
import { standing, type At } from '@/time/past'

export const here = reactive({
  place: null as { lon: number; lat: number } | null,
  /** The moment whose things are listed; null: now. */
  at: null as At,
  located: null as Located | null,
  /** Height of the ground in metres, where a layer of heights is shown. */
  height_m: null as number | null,
  groups: [] as LayerFeatures[],
  /** What the marks under the finger stand for, where they stand for several rows. */
  clusters: [] as Cluster[],
  /** Layer and key of the feature that is highlighted. */
  chosen: null as { layer: string; id: string } | null,
  loading: false,
  problem: '',
})

const CLICK_RADIUS_PX = 8
/** Earth's circumference over 512-pixel tiles: metres per pixel at zoom 0 on the equator. */
const METRES_PER_PIXEL = 78_271.517

let asking: AbortController | null = null

/** Asks what is at a place; `wanted` names the feature to open, else the first is. */
export async function lookAt(
  lon: number,
  lat: number,
  wanted?: { layer: string; id: string },
  clusters: Cluster[] = [],
  at: At = clock.shown,
): Promise<void> {
  asking?.abort()
  asking = new AbortController()
  const { signal } = asking
  Object.assign(here, {
    place: { lon, lat },
    at,
    located: null,
    height_m: null,
    groups: [],
    clusters,
    chosen: null,
    loading: true,
    problem: '',
  })
  markPlace({ lon, lat })
  highlight(null)
  open('here')
  const datetime = at === null ? undefined : new Date(at).toISOString()
  const then = onLayers.value.filter((layer) => ['now', 'then'].includes(standing(kept.value, layer.id, at)))
  const layers = then.filter((layer) => hasRows(layer) && view.zoom >= layer.min_zoom - 0.5)
  try {
    const heights = then.find(isOfHeights)
    const [located, height_m, found] = await Promise.all([
      at === null ? api.locate(lon, lat, signal) : locateThen(lon, lat, at, signal),
      heights ? api.valueAt(heights.id, { lon, lat, datetime: datetime ?? taken[heights.id] }, signal) : null,
      layers.length > 0
        ? api.identify(
            {
              lon,
              lat,
              radius_m: radiusM(lat),
              layers: layers.map((layer) => layer.id).join(','),
              limit: 10,
              datetime,
            },
            signal,
          )
        : { layers: [] },
    ])
    here.located = located
    here.height_m = height_m
    here.groups = inTreeOrder(found.layers.map(withoutNeighbours).filter((group) => group.features.length > 0))
    const group = here.groups.find(({ layer }) => layer === wanted?.layer) ?? here.groups[0]
    const feature = group?.features.find(({ id }) => String(id) === wanted?.id) ?? group?.features[0]
    if (group && feature) choose(group.layer, feature)
  } catch (error) {
    if (!api.isAbort(error)) here.problem = wordsFor(error)
  } finally {
    if (!signal.aborted) here.loading = false
  }
}

/** The areas that the place lay in at the moment that is shown. The grid index knows those of now only. */
async function locateThen(lon: number, lat: number, at: number, signal: AbortSignal): Promise<Located> {
  const frames = FRAMES.filter((layer) => layerById(layer) && standing(kept.value, layer, at) === 'then')
  const datetime = new Date(at).toISOString()
  const ask = { lon, lat, radius_m: 0, layers: frames.join(','), limit: 1, datetime }
  const { layers } = frames.length > 0 ? await api.identify(ask, signal) : { layers: [] }
  const named = (layer: string) => {
    const feature = layers.find((one) => one.layer === layer)?.features[0]
    return feature ? { code: String(feature.id), name: nameOf(feature, layerById(layer)) } : null
  }
  const [grid, community, street, district] = [named('unit_grid'), named('community'), named('street'), named('district')]
  return { found: grid !== null, lon, lat, grid, community, street, district, nearest: null, version: 0 }
}

/** What lay at the place that is looked at, at another moment. */
watch(
  () => clock.shown,
  () => here.place && void lookAgain(here.place),
)

async function lookAgain({ lon, lat }: { lon: number; lat: number }): Promise<void> {
  if (pane.value === 'here') await lookAt(lon, lat, here.chosen ?? undefined)
  else forget()
}

export function choose(layer: string, feature: Feature): void {
  here.chosen = { layer, id: String(feature.id) }
  highlight(feature.geometry)
}

export function isChosen(layer: string, feature: Feature): boolean {
  return here.chosen?.layer === layer && here.chosen.id === String(feature.id)
}

export function forget(): void {
  asking?.abort()
  Object.assign(here, { place: null, located: null, height_m: null, groups: [], clusters: [], chosen: null, loading: false, problem: '' })
  markPlace(null)
  highlight(null)
}

/** An area holds the place or it does not; its neighbours within reach of a fingertip are not meant. */
function withoutNeighbours(group: LayerFeatures): LayerFeatures {
  if (layerById(group.layer)?.geometry_type !== 'MultiPolygon') return group
  return { ...group, features: group.features.filter((feature) => !feature.distance_m) }
}

/** Small things first: whoever clicks a lamp in a district means the lamp. */
function inTreeOrder(groups: LayerFeatures[]): LayerFeatures[] {
  const order = ['Point', 'MultiLineString', 'Geometry', 'MultiPolygon']
  const shown = shownLayers.value
  const rank = (group: LayerFeatures) => {
    const frame = FRAMES.indexOf(group.layer)
    if (frame >= 0) return 20_000 + frame
    const at = shown.findIndex((layer) => layer.id === group.layer)
    const type = order.indexOf(shown[at]?.geometry_type ?? 'Geometry')
    return (shown[at]?.theme === 'base' ? 10_000 : 0) + type * 1000 + at
  }
  return [...groups].sort((a, b) => rank(a) - rank(b))
}

function radiusM(lat: number): number {
  const perPixel = (METRES_PER_PIXEL * Math.cos((lat * Math.PI) / 180)) / 2 ** view.zoom
  return Number(Math.min(100, Math.max(1, perPixel * CLICK_RADIUS_PX)).toFixed(1))
}
