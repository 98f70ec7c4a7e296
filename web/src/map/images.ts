/** Turns the drawings into map images when the style first asks for them, in the colours of the scheme. */
import type { Map as MapLibreMap, StyleImageMetadata } from 'maplibre-gl'
import {
  COMPONENTS,
  FLOW_ARROW,
  MAJOR_COLOURS,
  MAJOR_OF_FAMILY,
  NODES,
  type Shape,
} from '@/icons/component-shapes'
import { distanceField } from './distance-field'
import type { Scheme } from './style'

const BADGE_PX = 26
const SYMBOL_PX = 22
const DENSITY = 2

interface Picture {
  image: ImageData
  options: Partial<StyleImageMetadata>
}

/** Answers every name the drawn styles use; unknown names get an empty picture, so that nothing is logged. */
export function supplyImages(map: MapLibreMap, schemeNow: () => Scheme): void {
  map.setMissingStyleImageResolver((name) => {
    if (map.hasImage(name)) return
    const { image, options } = draw(name, schemeNow())
    map.addImage(name, image, options)
  })
}

/** Draws the badges again after light and dark changed places. */
export function recolourImages(map: MapLibreMap, scheme: Scheme): void {
  for (const name of map.listImages()) {
    if (name.startsWith('component-')) map.updateImage(name, draw(name, scheme).image)
  }
}

function draw(name: string, scheme: Scheme): Picture {
  const [kind, what] = name.split(/-(.*)/) as [string, string]
  if (kind === 'component' && COMPONENTS[what]) {
    return { image: badge(COMPONENTS[what], what, scheme), options: { pixelRatio: DENSITY } }
  }
  const shape = name === 'flow-arrow' ? FLOW_ARROW : kind === 'node' ? NODES[what] : undefined
  if (shape) return { image: symbol(shape), options: { pixelRatio: DENSITY, sdf: true } }
  return { image: new ImageData(1, 1), options: {} }
}

/** A white drawing on a coloured disc. */
function badge(shape: Shape, family: string, scheme: Scheme): ImageData {
  const side = BADGE_PX * DENSITY
  const paint = canvas(side)
  paint.beginPath()
  paint.arc(side / 2, side / 2, side / 2 - 1.5, 0, 2 * Math.PI)
  paint.fillStyle = MAJOR_COLOURS[scheme][MAJOR_OF_FAMILY[family] ?? 'other']
  paint.fill()
  paint.lineWidth = 2.5
  paint.strokeStyle = scheme === 'light' ? '#ffffff' : '#0e151d'
  paint.stroke()
  const ink = scheme === 'light' ? '#ffffff' : '#0b1118'
  stamp(paint, shape, side * 0.66, side * 0.17, ink, 2)
  return paint.getImageData(0, 0, side, side)
}

/** A one-colour symbol as a distance field, so that the style may colour it and give it a halo. */
function symbol(shape: Shape): ImageData {
  const side = SYMBOL_PX * DENSITY
  const paint = canvas(side)
  stamp(paint, shape, side * 0.86, side * 0.07, '#000000', 2.6)
  return distanceField(paint.getImageData(0, 0, side, side))
}

function stamp(paint: Brush, shape: Shape, size: number, offset: number, ink: string, width: number): void {
  paint.setTransform(size / 24, 0, 0, size / 24, offset, offset)
  paint.lineCap = paint.lineJoin = 'round'
  paint.lineWidth = width
  paint.strokeStyle = paint.fillStyle = ink
  if (shape.fill) paint.fill(new Path2D(shape.fill))
  if (shape.stroke) paint.stroke(new Path2D(shape.stroke))
  paint.setTransform(1, 0, 0, 1, 0, 0)
}

type Brush = CanvasRenderingContext2D

function canvas(side: number): Brush {
  const element = document.createElement('canvas')
  element.width = element.height = side
  const paint = element.getContext('2d', { willReadFrequently: true })
  if (!paint) throw new Error('this browser has no 2D canvas')
  return paint
}
