/** What the map holds, and what of it is shown and how strongly. */
import { computed, reactive, shallowRef } from 'vue'
import * as api from '@/api'
import type { Layer, Theme, Title } from '@/api'
import { standingNow } from '@/time/clock'

export interface LegendEntry {
  title: Title
  /** Address of a picture that explains the colours, of a layer of another system's service. */
  picture?: string
  icon?: string
  color?: string
  casing?: string
  dash?: boolean
  kind?: 'line' | 'fill' | 'outline' | 'dot' | 'ring'
}

export interface Group {
  theme: Theme
  layers: Layer[]
}

export const catalogue = shallowRef<{ layers: Layer[]; themes: Theme[] }>({ layers: [], themes: [] })
export const isLoaded = computed(() => catalogue.value.layers.length > 0)

/** Ids of the layers switched on, seen or not: logging in brings back what was wanted. */
export const visible = reactive(new Set<string>())
export const opacity = reactive<Record<string, number>>({})
/** Which date of a raster layer is shown, by layer id; absent means the newest. */
export const taken = reactive<Record<string, string>>({})

/** Legends by layer id, with colours of the scheme drawn now. */
export const legends = shallowRef<Record<string, LegendEntry[]>>({})

/** Not shown at first: they crowd the city at a glance. */
const OFF_AT_FIRST = new Set(['address', 'pipe_line', 'pipe_node'])

function isOffAtFirst(layer: Layer): boolean {
  return OFF_AT_FIRST.has(layer.id) || !hasRows(layer)
}

/** A layer of pixels: it has dates and no rows to count. */
export function isRaster(layer: Layer): boolean {
  return layer.kind === 'raster'
}

/** A layer of another system's service: what it holds is that system's to say. */
export function isService(layer: Layer): boolean {
  return layer.kind === 'service'
}

/** False for pixels, for what a function makes and for services: there are no rows to ask for. */
export function hasRows(layer: Layer): boolean {
  return layer.kind === 'rows' || layer.kind === 'registered'
}

/** A function that must be told something cannot be drawn as it is. */
function isComplete(layer: Layer): boolean {
  return !layer.parameters?.some(({ required }) => required)
}

/** Areas everything lies in, smallest first: to name them at every place would say nothing about it. */
export const FRAMES: readonly string[] = ['unit_grid', 'community', 'street', 'district']

let wasChosen = false

/** Asks for layers and themes; the first time decides what is switched on. */
export async function loadCatalogue(): Promise<void> {
  const [listed, themes] = await Promise.all([api.listLayers(), api.listThemes()])
  const layers = listed.filter(isComplete)
  const known = new Set(catalogue.value.layers.map((layer) => layer.id))
  catalogue.value = { layers, themes }
  if (wasChosen && known.size === 0) return
  for (const layer of layers) {
    if (!known.has(layer.id) && !isOffAtFirst(layer)) visible.add(layer.id)
  }
}

/** The layers of the first look: everything but what crowds it. */
export function overview(): string[] {
  return catalogue.value.layers.filter((layer) => !isOffAtFirst(layer)).map(({ id }) => id)
}

/** Switches exactly `ids` on (a shared link, a theme). */
export function choose(ids: Iterable<string>): void {
  wasChosen = true
  visible.clear()
  for (const id of ids) visible.add(id)
}

export function layerById(id: string): Layer | undefined {
  return catalogue.value.layers.find((layer) => layer.id === id)
}

export function isEmpty(layer: Layer): boolean {
  return layer.status !== 'published'
}

/** Themes in order with their layers; a layer no theme names comes under the theme it says, else under `other`. */
export const groups = computed<Group[]>(() => {
  const { layers, themes } = catalogue.value
  const named = new Set(themes.flatMap((theme) => theme.layers))
  const ids = new Set(themes.map((theme) => theme.id))
  const homeOf = (layer: Layer) => (ids.has(layer.theme) ? layer.theme : 'other')
  return themes
    .map((theme) => {
      const own = theme.layers.map((id) => layers.find((layer) => layer.id === id))
      const strays = layers.filter((layer) => !named.has(layer.id) && homeOf(layer) === theme.id)
      return { theme, layers: [...own.filter((layer) => layer !== undefined), ...strays] }
    })
    .filter((group) => group.layers.length > 0)
})

/** The layers that are on and that hold something now, of any kind. */
export const onLayers = computed(() =>
  groups.value.flatMap((group) => group.layers).filter((layer) => visible.has(layer.id) && !isEmpty(layer)),
)

/** False for what did not stand yet at the moment that is shown, or of which nobody knows how it stood then. */
export function stands(layer: string): boolean {
  const how = standingNow(layer)
  return how === 'now' || how === 'then'
}

const standingLayers = computed(() => onLayers.value.filter((layer) => stands(layer.id)))

/** The layers of services that are on. */
export const shownServices = computed(() => onLayers.value.filter(isService))

/** The layers of rows that are on and that hold something, in the order of the tree: what can be asked about. */
export const shownLayers = computed(() => standingLayers.value.filter(hasRows))

/** A layer of heights of the ground. */
export function isOfHeights(layer: Layer): boolean {
  return layer.rasters?.[0]?.meaning === 'elevation'
}

/** West, south, east, north of everything published, of pixels only where there is nothing else; null if nothing. */
export const fullExtent = computed<api.Bounds | null>(() => {
  const placed = catalogue.value.layers.filter((layer) => layer.bounds)
  const rows = placed.filter((layer) => !isRaster(layer) && !isService(layer))
  const boxes = (rows.length > 0 ? rows : placed).flatMap((layer) => (layer.bounds ? [layer.bounds] : []))
  if (boxes.length === 0) return null
  return [
    Math.min(...boxes.map((box) => box[0])),
    Math.min(...boxes.map((box) => box[1])),
    Math.max(...boxes.map((box) => box[2])),
    Math.max(...boxes.map((box) => box[3])),
  ]
})
