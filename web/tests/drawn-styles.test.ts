/** The drawn styles of the known layers, assembled as the service does, are styles MapLibre accepts. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { validateStyleMin, type StyleSpecification } from '@maplibre/maplibre-gl-style-spec'
import { describe, expect, it } from 'vitest'
import { COMPONENTS, MAJOR_COLOURS, MAJOR_OF_FAMILY, NODES } from '@/icons/component-shapes'

const folder = fileURLToPath(new URL('../../layers/known/', import.meta.url))

interface Drawing {
  layers: Record<string, unknown>[]
  palette: Record<'light' | 'dark', Record<string, string>>
  legend: { icon?: string }[]
}

const drawings = new Map<string, Drawing>(
  readdirSync(folder)
    .filter((file) => file.endsWith('.style.json'))
    .map((file) => [file.replace('.style.json', ''), JSON.parse(readFileSync(folder + file, 'utf8')) as Drawing]),
)

function coloured(value: unknown, palette: Record<string, string>): unknown {
  if (typeof value === 'string') return value.startsWith('@') ? palette[value.slice(1)] : value
  if (Array.isArray(value)) return value.map((inner) => coloured(inner, palette))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, coloured(inner, palette)]))
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return value && typeof value === 'object' ? Object.values(value).flatMap(textsIn) : []
}

describe.each([...drawings])('the drawing of %s', (id, drawing) => {
  it.each(['light', 'dark'] as const)('is a valid style in %s', (scheme) => {
    const layers = (coloured(drawing.layers, drawing.palette[scheme]) as object[]).map((layer) => ({
      ...layer,
      source: 'city',
      'source-layer': id,
    }))
    const style = {
      version: 8,
      glyphs: 'http://x/{fontstack}/{range}.pbf',
      sprite: 'http://x/sprite',
      sources: { city: { type: 'vector', tiles: ['http://x/{z}/{x}/{y}'] } },
      layers,
    } as unknown as StyleSpecification
    expect(validateStyleMin(style).map((error) => error.message)).toEqual([])
  })

  it('names only images the page can draw', () => {
    const named = textsIn([drawing.layers, drawing.legend]).filter((text) => /^(component|node)-[a-z]+$/.test(text))
    const layerIds = drawing.layers.map((layer) => layer.id)
    const images = named.filter((text) => !layerIds.includes(text))
    const drawable = [
      ...Object.keys(COMPONENTS).map((name) => `component-${name}`),
      ...Object.keys(NODES).map((name) => `node-${name}`),
    ]
    expect(drawable).toEqual(expect.arrayContaining(images))
  })
})

it('badges wear the colours of the drawn style', () => {
  const { palette } = drawings.get('component')!
  for (const scheme of ['light', 'dark'] as const) {
    expect(palette[scheme]).toMatchObject(MAJOR_COLOURS[scheme])
  }
})

it('every component family has a colour', () => {
  expect(Object.keys(MAJOR_OF_FAMILY).sort()).toEqual(Object.keys(COMPONENTS).sort())
})
