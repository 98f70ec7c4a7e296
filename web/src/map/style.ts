/**
 * From the style the service assembled to the one drawn here: drawing order, local fonts, what is shown, how strongly.
 * Pure: a style and a choice in, a style out.
 */
import type { LayerSpecification, StyleSpecification } from 'maplibre-gl'

export type Scheme = 'light' | 'dark'

export interface Choice {
  /** Ids of the map layers that are switched on. */
  visible: ReadonlySet<string>
  /** Per layer id, 0 to 1; absent means 1. */
  opacity: Readonly<Record<string, number>>
  /** Buildings extruded instead of flat. */
  threeD: boolean
}

const GROUND: Record<Scheme, string> = { light: '#f2f1ec', dark: '#0f161e' }

/** Where a drawn layer without a written place goes: areas, then lines, then points, then text. */
const PLACE_BY_TYPE: Record<string, number> = {
  background: 0,
  raster: 5,
  fill: 35,
  line: 55,
  circle: 73,
  'fill-extrusion': 75,
  symbol: 84,
}

const CJK = 'PingFang SC,Microsoft YaHei,Noto Sans CJK SC,Source Han Sans SC,Noto Sans SC'

/** The map layer a drawn layer belongs to, or null for the ground and overlays. */
export function layerOf(drawn: LayerSpecification): string | null {
  const named = metadata(drawn)['onemap:layer']
  // Not the layer within the tile first: another system's tiles have names of their own.
  return typeof named === 'string' ? named : ('source-layer' in drawn && drawn['source-layer']) || null
}

/**
 * Puts the drawn layers in order over a ground colour and shows only what was chosen.
 * Glyphs and sprites are taken out: without them MapLibre draws every glyph with the fonts of this computer,
 * and the icons are drawn by the page.
 */
export function arrange(style: StyleSpecification, scheme: Scheme, choice: Choice): StyleSpecification {
  const { glyphs: _glyphs, sprite: _sprite, ...rest } = style
  const drawn = style.layers
    .filter((layer) => layer.type !== 'background')
    .map((layer, n) => ({ layer: inLocalFonts(layer), place: placeOf(layer), n }))
    .sort((a, b) => a.place - b.place || a.n - b.n)
    .map(({ layer }) => faded(shown(layer, choice), choice))
  const ground: LayerSpecification = {
    id: 'ground',
    type: 'background',
    paint: { 'background-color': GROUND[scheme] },
  }
  return { ...rest, layers: [ground, ...drawn] }
}

export function visibilityOf(drawn: LayerSpecification, choice: Choice): 'visible' | 'none' {
  const layer = layerOf(drawn)
  const mode = metadata(drawn)['onemap:mode']
  const inMode = mode === undefined || mode === (choice.threeD ? '3d' : '2d')
  return layer === null || (choice.visible.has(layer) && inMode) ? 'visible' : 'none'
}

/** The opacity properties of `drawn` as written in the style, multiplied by `factor`. */
export function opacitiesOf(drawn: LayerSpecification, factor: number): [string, unknown][] {
  const paint = (drawn.paint ?? {}) as Record<string, unknown>
  return (OPACITIES[drawn.type] ?? []).map((name) => [name, scaled(paint[name] ?? 1, factor)])
}

const OPACITIES: Record<string, string[]> = {
  fill: ['fill-opacity'],
  line: ['line-opacity'],
  circle: ['circle-opacity', 'circle-stroke-opacity'],
  symbol: ['text-opacity', 'icon-opacity'],
  'fill-extrusion': ['fill-extrusion-opacity'],
  raster: ['raster-opacity'],
  hillshade: ['hillshade-exaggeration'],
}

/** `opacity × factor`; a zoom curve stays the outermost expression, as MapLibre demands. */
export function scaled(opacity: unknown, factor: number): unknown {
  if (factor === 1) return opacity
  if (typeof opacity === 'number') return opacity * factor
  if (!Array.isArray(opacity)) return factor
  const [operator] = opacity as unknown[]
  if (operator === 'interpolate') {
    return opacity.map((part, n) => (n >= 4 && n % 2 === 0 ? scaled(part, factor) : part))
  }
  if (operator === 'step') {
    return opacity.map((part, n) => (n >= 2 && n % 2 === 0 ? scaled(part, factor) : part))
  }
  return ['*', factor, opacity]
}

/** Where the pictures of a raster layer are: of the newest state, or of the one taken at `date`. */
export function datedUrl(url: string, date: string | undefined): string {
  const [path, query = ''] = url.split('?')
  const said = new URLSearchParams(query)
  if (date) said.set('datetime', date)
  else said.delete('datetime')
  return `${path}?${said}`
}

/** The source of a 3D ground that goes with a shaded layer. */
export function terrainOf(drawn: LayerSpecification): string | null {
  const name = metadata(drawn)['onemap:terrain']
  return typeof name === 'string' ? name : null
}

/** The source a 3D ground can stand on: the heights of the first layer that is shown and has some. */
export function groundOf(style: StyleSpecification, choice: Choice): string | null {
  const shaded = style.layers.find(
    (drawn) => drawn.type === 'hillshade' && choice.visible.has(layerOf(drawn) ?? ''),
  )
  return shaded ? terrainOf(shaded) : null
}

function placeOf(drawn: LayerSpecification): number {
  const place = metadata(drawn)['onemap:order']
  return typeof place === 'number' ? place : (PLACE_BY_TYPE[drawn.type] ?? 50)
}

function metadata(drawn: LayerSpecification): Record<string, unknown> {
  return (drawn.metadata ?? {}) as Record<string, unknown>
}

function shown(drawn: LayerSpecification, choice: Choice): LayerSpecification {
  return { ...drawn, layout: { ...drawn.layout, visibility: visibilityOf(drawn, choice) } } as LayerSpecification
}

function faded(drawn: LayerSpecification, choice: Choice): LayerSpecification {
  const factor = choice.opacity[layerOf(drawn) ?? ''] ?? 1
  if (factor === 1) return drawn
  const paint = { ...drawn.paint, ...Object.fromEntries(opacitiesOf(drawn, factor)) }
  return { ...drawn, paint } as LayerSpecification
}

/** "Noto Sans Bold" → the CJK fonts of this computer; the first name carries the weight MapLibre reads. */
function inLocalFonts(drawn: LayerSpecification): LayerSpecification {
  if (drawn.type !== 'symbol' || !drawn.layout || !('text-field' in drawn.layout)) return drawn
  const [asked] = (drawn.layout['text-font'] ?? []) as string[]
  const weight = typeof asked === 'string' ? (/(Bold|Medium)/.exec(asked)?.[1] ?? 'Regular') : 'Regular'
  return { ...drawn, layout: { ...drawn.layout, 'text-font': [`Map ${weight}`, ...CJK.split(',')] } }
}
