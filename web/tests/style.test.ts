import type { LayerSpecification, StyleSpecification } from 'maplibre-gl'
import { describe, expect, it } from 'vitest'
import { arrange, datedUrl, groundOf, scaled, visibilityOf } from '@/map/style'

const drawn = (id: string, extra: Record<string, unknown> = {}): LayerSpecification =>
  ({ id: `${id}-x`, type: 'line', source: 's', 'source-layer': id, ...extra }) as LayerSpecification

const style = (layers: LayerSpecification[]): StyleSpecification => ({
  version: 8,
  glyphs: 'http://elsewhere/{fontstack}/{range}.pbf',
  sources: {},
  layers,
})

const all = { visible: new Set(['road', 'pipe', 'shop']), opacity: {}, threeD: false }

describe('a style made ready for the page', () => {
  it('asks nobody for glyphs or sprites', () => {
    const ready = arrange(style([]), 'light', all)
    expect(ready).not.toHaveProperty('glyphs')
    expect(ready).not.toHaveProperty('sprite')
  })

  it('is drawn in the written order over one ground, whatever order it came in', () => {
    const later = drawn('pipe', { metadata: { 'onemap:order': 60 } })
    const sooner = drawn('road', { metadata: { 'onemap:order': 40 } })
    const background = { id: 'background', type: 'background' } as LayerSpecification
    const ids = arrange(style([later, background, sooner]), 'dark', all).layers.map((layer) => layer.id)
    expect(ids).toEqual(['ground', 'road-x', 'pipe-x'])
  })

  it('puts areas under lines under points under names where nothing is written', () => {
    const types = ['symbol', 'circle', 'line', 'fill'].map((type) => drawn('shop', { id: type, type }))
    const ids = arrange(style(types), 'light', all).layers.slice(1).map((layer) => layer.id)
    expect(ids).toEqual(['fill', 'line', 'circle', 'symbol'])
  })

  it('hides the layers that are switched off and the dimension that is not shown', () => {
    const flat = drawn('shop', { metadata: { 'onemap:mode': '2d' } })
    const extruded = drawn('shop', { metadata: { 'onemap:mode': '3d' } })
    expect(visibilityOf(drawn('school'), all)).toBe('none')
    expect(visibilityOf(flat, all)).toBe('visible')
    expect(visibilityOf(extruded, all)).toBe('none')
    expect(visibilityOf(extruded, { ...all, threeD: true })).toBe('visible')
  })

  it('writes with the fonts of this computer, in the asked weight', () => {
    const named = drawn('road', { type: 'symbol', layout: { 'text-field': 'x', 'text-font': ['Noto Sans Bold'] } })
    const [, ready] = arrange(style([named]), 'light', all).layers
    expect((ready?.layout as { 'text-font': string[] })['text-font'][0]).toBe('Map Bold')
  })
})

describe('an opacity made fainter', () => {
  it('multiplies numbers', () => expect(scaled(0.8, 0.5)).toBe(0.4))

  it('leaves a zoom curve outermost and scales only its values', () => {
    const curve = ['interpolate', ['linear'], ['zoom'], 12, 0.4, 16, ['case', true, 1, 0.5]]
    expect(scaled(curve, 0.5)).toEqual([
      'interpolate', ['linear'], ['zoom'], 12, 0.2, 16, ['*', 0.5, ['case', true, 1, 0.5]],
    ])
    expect(scaled(['step', ['zoom'], 0.2, 14, 1], 0.5)).toEqual(['step', ['zoom'], 0.1, 14, 0.5])
  })
})

describe('layers of pixels', () => {
  const picture = {
    id: 'image-picture',
    type: 'raster',
    source: 'raster:image',
    metadata: { 'onemap:layer': 'image' },
    paint: { 'raster-opacity': 0.5 },
  } as LayerSpecification
  const shade = {
    id: 'dem-shade',
    type: 'hillshade',
    source: 'raster:dem:shade',
    metadata: { 'onemap:layer': 'dem', 'onemap:terrain': 'raster:dem:terrain' },
  } as LayerSpecification

  it('are switched and faded like any other', () => {
    expect(visibilityOf(picture, all)).toBe('none')
    const chosen = { ...all, visible: new Set(['image']), opacity: { image: 0.5 } }
    const ready = arrange(style([picture]), 'light', chosen).layers[1]
    expect(ready?.layout).toEqual({ visibility: 'visible' })
    expect(ready?.paint).toEqual({ 'raster-opacity': 0.25 })
  })

  it('come as of the date that was chosen, or the newest', () => {
    const newest = 'http://here/tiles/image.json?size=512&format=webp'
    const old = datedUrl(newest, '2024')
    expect(old).toBe('http://here/tiles/image.json?size=512&format=webp&datetime=2024')
    expect(datedUrl(old, undefined)).toBe(newest)
    expect(datedUrl(old, '2026')).toContain('datetime=2026')
  })

  it('carry the map in 3D where heights are shown', () => {
    const heights = style([picture, shade])
    expect(groundOf(heights, all)).toBeNull()
    expect(groundOf(heights, { ...all, visible: new Set(['dem']) })).toBe('raster:dem:terrain')
  })
})
