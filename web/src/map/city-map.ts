/** The one map of the page: made once, redrawn when light and dark, the account or the layers change. */
import {
  Map as MapLibreMap,
  ScaleControl,
  setWorkerUrl,
  type LayerSpecification,
  type RasterTileSource,
  type StyleSpecification,
  type VectorTileSource,
} from 'maplibre-gl'
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url'
import 'maplibre-gl/dist/maplibre-gl.css'
import { reactive, ref, shallowRef, watch } from 'vue'
import * as api from '@/api'
import { session } from '@/account/state'
import { t } from '@/i18n'
import {
  layerById,
  legends,
  loadCatalogue,
  opacity,
  stands,
  taken,
  visible,
  type LegendEntry,
} from '@/layers/state'
import { attempts, downServices, lookSoon } from '@/layers/services'
import { tell, tellProblem } from '@/shell/notice'
import { scheme } from '@/shell/scheme'
import { clock, kept } from '@/time/clock'
import { learnPast } from '@/time/learn'
import { addressAt, standing, type At } from '@/time/past'
import { recolourImages, supplyImages } from './images'
import { arrange, datedUrl, groundOf, layerOf, opacitiesOf, terrainOf, visibilityOf, type Choice } from './style'

setWorkerUrl(workerUrl)

export const cityMap = shallowRef<MapLibreMap | null>(null)
/** True once the style of the city is drawn; overlays may then be added. */
export const isDrawn = ref(false)
/** Counts the times the style was set, for whoever changes what the style drew. */
export const drawings = ref(0)
export const view = reactive({ zoom: 0, lon: 0, lat: 0, bearing: 0, pitch: 0, moves: 0 })
export const threeD = ref(false)

/** Prefix of the sources of layers of other systems' services. */
const SERVICE = 'service:'

/** Prefix of sources and layers that the page draws over the city itself. */
export const OVERLAY = 'page-'

export const FONTS_OF_THIS_COMPUTER = "'PingFang SC','Microsoft YaHei','Noto Sans CJK SC',sans-serif"

/** The style as the service gave it, and as it is drawn: with the tiles of the moment that is shown. */
let served: StyleSpecification | null = null
let assembled: StyleSpecification | null = null

export interface Start {
  container: HTMLElement
  center: [number, number]
  zoom: number
  bearing?: number
  pitch?: number
}

export function makeMap({ container, ...camera }: Start): MapLibreMap {
  const map = new MapLibreMap({
    container,
    ...camera,
    style: { version: 8, sources: {}, layers: [] },
    attributionControl: false,
    localIdeographFontFamily: FONTS_OF_THIS_COMPUTER,
    maxPitch: 70,
    maxZoom: 21,
    // A tile out of view would come back as it was, whatever was published meanwhile. The browser keeps it anyway.
    maxTileCacheSize: 0,
    fadeDuration: 120,
  })
  map.addControl(new ScaleControl({ maxWidth: 110 }), 'bottom-left')
  supplyImages(map, () => scheme.value)
  const follow = () => {
    const { lng, lat } = map.getCenter()
    Object.assign(view, {
      zoom: map.getZoom(),
      lon: lng,
      lat,
      bearing: map.getBearing(),
      pitch: map.getPitch(),
      moves: view.moves + 1,
    })
  }
  map.on('move', follow)
  map.on('load', follow)
  map.on('error', (told) => {
    if (isOfService(told)) lookSoon()
    else tolerate(told.error)
  })
  const busy = (is: boolean) => () => container.setAttribute('aria-busy', String(is || !isDrawn.value))
  busy(true)()
  map.on('movestart', busy(true))
  map.on('dataloading', busy(true))
  map.on('idle', busy(false))
  cityMap.value = map
  return map
}

/** Fetches the style of the scheme and draws it; overlays of the page stay on top. */
export async function drawStyle(): Promise<void> {
  const map = cityMap.value
  if (!map) return
  const drawn = scheme.value
  const style = await api.readStyle(drawn)
  if (drawn !== scheme.value) return
  served = filled(style)
  assembled = dated(served, clock.shown)
  legends.value = legendsOf(style)
  map.setStyle(arrange(assembled, drawn, choice()), {
    diff: true,
    transformStyle: (before, next) => (before ? withOverlays(before, next) : next),
  })
  recolourImages(map, drawn)
  map.once('styledata', () => {
    isDrawn.value = true
    drawings.value++
    raiseGround()
  })
}

watch(
  [() => [...visible], () => ({ ...opacity }), threeD],
  () => applyChoice(),
  { flush: 'post' },
)

function applyChoice(): void {
  const map = cityMap.value
  if (!map || !assembled) return
  const chosen = choice()
  for (const drawn of assembled.layers) {
    const layer = layerOf(drawn)
    if (layer === null || !map.getLayer(drawn.id)) continue
    const wanted = visibilityOf(drawn, chosen)
    if (map.getLayoutProperty(drawn.id, 'visibility') !== wanted) {
      map.setLayoutProperty(drawn.id, 'visibility', wanted)
    }
    for (const [name, value] of opacitiesOf(drawn, chosen.opacity[layer] ?? 1)) {
      map.setPaintProperty(drawn.id, name as 'fill-opacity', value as number)
    }
  }
  raiseGround()
}

/** In 3D the map stands on the heights of a terrain layer that is shown. */
function raiseGround(): void {
  const map = cityMap.value
  if (!map || !assembled) return
  const chosen = choice()
  const ground = chosen.threeD ? groundOf(assembled, chosen) : null
  const source = ground !== null && map.getSource(ground) ? ground : null
  if ((map.getTerrain()?.source ?? null) === source) return
  map.setTerrain(source === null ? null : { source, exaggeration: 1.5 })
}

/** The style with the tiles of a moment; now, with the pictures of the dates that were chosen. */
function dated(style: StyleSpecification, at: At): StyleSpecification {
  const sources = { ...style.sources }
  const pictures = new Map(rasterSources(style))
  for (const [name, source] of Object.entries(sources)) {
    if (!('url' in source) || !source.url) continue
    const picture = pictures.get(name)
    const now = picture === undefined ? source.url : datedUrl(source.url, taken[picture])
    sources[name] = { ...source, url: addressAt(at === null ? now : source.url, kept.value, at) ?? now }
  }
  return { ...style, sources }
}

/** What is drawn now, as it would be drawn at another moment. */
export function styleAs(at: At): StyleSpecification | null {
  const map = cityMap.value
  if (!map || !served) return null
  const before = map.getStyle()
  const stood = (layer: string | null) => layer === null || ['now', 'then'].includes(standing(kept.value, layer, at))
  const style = dated(served, at)
  const layers = style.layers.filter((drawn) => stood(layerOf(drawn)))
  const next = arrange({ ...style, layers }, scheme.value, { ...choice(), visible: new Set(visible) })
  return { ...withOverlays(before, next), ...(before.terrain ? { terrain: before.terrain } : {}) }
}

function urlOf(style: StyleSpecification, name: string): string | undefined {
  const source = style.sources[name]
  return source && 'url' in source ? source.url : undefined
}

/** Tiles of the past stay where they are; those of now move with every version. */
const pastAddresses = new Map<string, Promise<api.TileAddress>>()

function addressOf(url: string): Promise<api.TileAddress> {
  if (!url.includes('datetime=')) return api.readTileAddress(url)
  const known = pastAddresses.get(url) ?? api.readTileAddress(url)
  pastAddresses.set(url, known)
  known.catch(() => pastAddresses.delete(url))
  return known
}

/**
 * Draws the map as it stood at a moment. What is drawn stays until the tiles of that moment are there, tile by tile;
 * resolves when all are. Throws where the service cannot say where they are: the map then stays as it is.
 */
export async function showAsOf(at: At): Promise<void> {
  const map = cityMap.value
  if (!map || !served || !assembled) {
    clock.shown = at
    return
  }
  const [before, after] = [assembled, dated(served, at)]
  const names = Object.keys(after.sources).filter((name) => urlOf(after, name) !== urlOf(before, name))
  const addresses = await Promise.all(names.map((name) => addressOf(urlOf(after, name)!)))
  // A tile on its way would come all the same and be drawn, perhaps over the one that was asked for later.
  const isStill = await settled(map, names)
  clock.shown = at
  assembled = dated(served, at)
  names.forEach((name, n) => moveSource(map, name, urlOf(after, name)!, addresses[n]!))
  applyChoice()
  if (!isStill) map.once('idle', () => names.forEach((name) => map.getSource(name) && map.refreshTiles(name)))
  await settled(map, names)
}

/** Not by `setUrl`, until whose answer tiles would be asked for at the old address. */
function moveSource(map: MapLibreMap, name: string, url: string, address: api.TileAddress): void {
  const source = map.getSource<VectorTileSource | RasterTileSource>(name)
  if (!source) return
  const { tiles, minzoom, maxzoom } = address
  Object.assign(source, { url, tiles, minzoom, maxzoom })
  // The bounds of now: rows of the past may lie outside.
  Reflect.deleteProperty(source, 'tileBounds')
  map.refreshTiles(name)
}

const PATIENCE_MS = 10_000

/** Waits until every tile of the sources is there, or failed; false where that takes too long. */
function settled(map: MapLibreMap, names: readonly string[]): Promise<boolean> {
  const isStill = () => names.every((name) => !map.getSource(name) || map.isSourceLoaded(name))
  if (isStill()) return Promise.resolve(true)
  return new Promise((resolve) => {
    const end = (still: boolean) => {
      clearTimeout(timer)
      for (const event of ['sourcedata', 'idle', 'error'] as const) map.off(event, look)
      resolve(still)
    }
    const look = () => isStill() && end(true)
    const timer = setTimeout(() => end(false), PATIENCE_MS)
    for (const event of ['sourcedata', 'idle', 'error'] as const) map.on(event, look)
  })
}

/** Names of the sources of raster layers, with the layer of each. */
function rasterSources(style: StyleSpecification): [string, string][] {
  return style.layers.flatMap((drawn): [string, string][] => {
    const layer = layerOf(drawn)
    if (layer === null || (drawn.type !== 'raster' && drawn.type !== 'hillshade')) return []
    const names = [String(drawn.source), terrainOf(drawn)]
    return names.flatMap((name): [string, string][] => (name === null ? [] : [[name, layer]]))
  })
}

watch(
  () => ({ ...taken }),
  (now, before) => {
    if (!served || clock.shown !== null) return
    assembled = dated(served, null)
    renewTiles((id) => now[id] !== before[id])
  },
)

function choice(): Choice {
  const shown = [...visible].filter(stands)
  return { visible: new Set(shown), opacity: { ...opacity }, threeD: threeD.value }
}

/** Leaves out what holds nothing yet. */
function filled(style: StyleSpecification): StyleSpecification {
  const layers = style.layers.filter((drawn) => layerById(layerOf(drawn) ?? '')?.status !== 'empty')
  return { ...style, layers }
}

function withOverlays(before: StyleSpecification, next: StyleSpecification): StyleSpecification {
  const own = (name: string) => name.startsWith(OVERLAY) || name.startsWith('td-')
  const sources = Object.entries(before.sources).filter(([name]) => own(name))
  const layers = before.layers.filter((layer: LayerSpecification) => own(layer.id))
  return {
    ...next,
    sources: { ...next.sources, ...Object.fromEntries(sources) },
    layers: [...next.layers, ...layers],
  }
}

function legendsOf(style: StyleSpecification): Record<string, LegendEntry[]> {
  const told = (style.metadata as Record<string, unknown> | undefined)?.['onemap:legend']
  return (told as Record<string, LegendEntry[]> | undefined) ?? {}
}

const SAY_AGAIN_MS = 60_000
let saidAt = -SAY_AGAIN_MS

/**
 * Said of a tile that is fetched anew, perhaps by another of MapLibre's workers, when the style changes meanwhile and
 * asks for the same tile to be drawn again: the fetched one comes all the same, and is drawn in the new style.
 */
const RELOADED_WHILE_LOADING = /reload a tile that was never loaded/

/** Said of a layer that did not stand yet at the moment that is shown: its source came without it, and it is hidden. */
const NOT_YET_IN_SOURCE = /^Error: Source layer .* does not exist on source/

/** Nobody moves the map for it: what a service did not draw is asked for again from time to time. */
watch(attempts, () => {
  const map = cityMap.value
  for (const id of downServices.value) if (map?.getSource(SERVICE + id)) map.refreshTiles(SERVICE + id)
})

/** Squares of another system's service may fail as long as it does: its line in the tree says so. */
function isOfService(told: object): boolean {
  return 'sourceId' in told && typeof told.sourceId === 'string' && told.sourceId.startsWith(SERVICE)
}

/** A tile that fails leaves a hole and is asked for again on the next move; that is said once a minute. */
function tolerate(error: unknown): void {
  const status = (error as { status?: number } | undefined)?.status
  if (RELOADED_WHILE_LOADING.test(String(error))) return
  if (clock.shown !== null && NOT_YET_IN_SOURCE.test(String(error))) return
  if (status === 0 || (status === undefined && /fetch|network/i.test(String(error)))) {
    api.connection.lost = true
  } else if (status === undefined) {
    console.error(String(error)) // what comes from a worker has no stack, and would show without its words
  } else if (status >= 500 && performance.now() - saidAt > SAY_AGAIN_MS) {
    saidAt = performance.now()
    tell(t('tilesFailed'), 'bad')
  }
}

/** Asks anew where the tiles of these layers are: a new version, like another viewer, has other addresses. */
export function renewTiles(ofLayer: (id: string) => boolean): void {
  const map = cityMap.value
  if (!map || !assembled) return
  const drawn = assembled.layers.filter((layer) => ofLayer(layerOf(layer) ?? ''))
  const names = new Set(
    drawn.flatMap((layer) => ('source' in layer ? [String(layer.source), terrainOf(layer) ?? ''] : [])),
  )
  for (const name of names) {
    const source = map.getSource<VectorTileSource | RasterTileSource>(name)
    const known = assembled.sources[name]
    if (source?.url && known && 'url' in known && known.url) source.setUrl(known.url)
  }
}

/** Zooms of tiles that may be in view at once, further out than the map's and further in: a tilted view has several. */
const ZOOMS_OUT = 5
const ZOOMS_IN = 1
const FINEST_TOLD = 18

/** Asks again for those tiles in view that differ from the version they were drawn from. */
export async function freshenTiles(layers: readonly { id: string; since: number }[]): Promise<void> {
  const map = cityMap.value
  if (!map || !assembled) return
  const zoom = Math.floor(map.getZoom())
  const ask = {
    min_zoom: Math.min(Math.max(zoom - ZOOMS_OUT, 0), FINEST_TOLD),
    max_zoom: Math.min(Math.max(zoom + ZOOMS_IN, 0), FINEST_TOLD),
  }
  const told = await Promise.all(
    layers.map(async ({ id, since }) => ({ id, ...(await api.changedSquares(id, { since, ...ask })) })),
  )
  for (const [name, ids] of layersBySource(assembled)) {
    const changed = told.filter(({ id }) => ids.has(id))
    const source = map.getSource<VectorTileSource>(name)
    if (changed.length > 0 && source?.url && String(source.type).startsWith('raster')) source.setUrl(source.url)
    if (changed.length === 0 || source?.type !== 'vector' || !source.url) continue
    // Not by `setTiles`, which would throw every tile away.
    source.tiles = (await api.readTileAddress(source.url)).tiles
    const everywhere = changed.some((layer) => layer.everywhere.length > 0)
    const squares = changed.flatMap((layer) => layer.squares.map(([z, x, y]) => ({ z, x, y })))
    const refresh = () => {
      if (map.getSource(name) === source) map.refreshTiles(name, everywhere ? undefined : squares)
    }
    refresh()
    // What was on its way when the version came may still be the old tile.
    if (!map.isSourceLoaded(name)) map.once('idle', refresh)
  }
}

function layersBySource(style: StyleSpecification): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const drawn of style.layers) {
    const layer = layerOf(drawn)
    if (layer === null || !('source' in drawn)) continue
    const name = String(drawn.source)
    found.set(name, (found.get(name) ?? new Set()).add(layer))
  }
  return found
}

watch(scheme, () => void drawStyle().catch(tellProblem))

/** Another viewer may see other layers, rows and fields. */
watch(
  () => session.account?.name,
  (name, before) => {
    if (!before || name === before) return
    pastAddresses.clear()
    loadCatalogue()
      .then(learnPast)
      .then(drawStyle)
      .then(() => renewTiles(() => true))
      .catch(tellProblem)
  },
)
