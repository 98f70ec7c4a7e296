/**
 * Two dates side by side, of a raster layer or of the whole map: a second map above the first, of which only what is
 * right of a divider shows. It draws all that the first draws, so that nothing but the date differs.
 */
import { Map as MapLibreMap, type StyleSpecification } from 'maplibre-gl'
import { reactive } from 'vue'
import { taken } from '@/layers/state'
import type { Layer } from '@/api'
import { scheme } from '@/shell/scheme'
import { clock } from '@/time/clock'
import type { At } from '@/time/past'
import { FONTS_OF_THIS_COMPUTER } from './city-map'
import { supplyImages } from './images'
import { datedUrl, layerOf, terrainOf } from './style'

/** `share` of the width is left of the divider. `layer`: of which pictures are compared, to those of `right`. */
export const swipe = reactive({
  layer: null as string | null,
  right: '',
  /** The whole map is compared, to how it was at the moment `at`. */
  isOfMap: false,
  at: null as At,
  share: 0.5,
})

const LEAST_SHARE = 0.04

/** Compares the layer's date that is shown with the newest; the newest itself with the one before it. */
export function startSwipe(layer: Layer): void {
  const [newest, before] = layer.rasters
  if (!newest || !before) return
  if ((taken[layer.id] ?? newest.taken) === newest.taken) taken[layer.id] = before.taken
  Object.assign(swipe, { layer: layer.id, right: newest.taken, isOfMap: false, share: 0.5 })
}

/** Compares the map as it is shown with how it was at another moment. */
export function startSwipeOfMap(at: At): void {
  Object.assign(swipe, { layer: null, isOfMap: true, at, share: 0.5 })
}

export function stopSwipe(): void {
  swipe.layer = null
  swipe.isOfMap = false
}

/** The moment that is shown at a place of the window: right of the divider another may be. */
export function momentUnder(x: number, width: number): At {
  return swipe.isOfMap && x > swipe.share * width ? swipe.at : clock.shown
}

export function moveDivider(share: number): void {
  swipe.share = Math.min(Math.max(share, LEAST_SHARE), 1 - LEAST_SHARE)
}

/** The style `shown` with the pictures of another date of one layer. */
export function ofAnotherDate(shown: StyleSpecification, layer: string, date: string): StyleSpecification {
  const names = new Set(
    shown.layers.flatMap((drawn) =>
      layerOf(drawn) === layer && 'source' in drawn ? [String(drawn.source), terrainOf(drawn) ?? ''] : [],
    ),
  )
  const sources = Object.entries(shown.sources).map(([name, source]) =>
    names.has(name) && 'url' in source && source.url ? [name, { ...source, url: datedUrl(source.url, date) }] : [name, source],
  )
  return { ...shown, sources: Object.fromEntries(sources) as StyleSpecification['sources'] }
}

/** The second map in `container`; it follows `first` and takes no part in what is done with the map. */
export function makeSecondMap(first: MapLibreMap, container: HTMLElement, style: StyleSpecification): MapLibreMap {
  const second = new MapLibreMap({
    container,
    style,
    interactive: false,
    attributionControl: false,
    localIdeographFontFamily: FONTS_OF_THIS_COMPUTER,
    maxPitch: 70,
    maxZoom: 21,
    fadeDuration: 0,
    ...cameraOf(first),
  })
  supplyImages(second, () => scheme.value)
  const follow = () => second.jumpTo(cameraOf(first))
  first.on('move', follow)
  second.once('remove', () => first.off('move', follow))
  return second
}

function cameraOf(map: MapLibreMap) {
  return { center: map.getCenter(), zoom: map.getZoom(), bearing: map.getBearing(), pitch: map.getPitch() }
}
