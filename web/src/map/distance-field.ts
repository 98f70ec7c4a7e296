/** Signed distance fields as MapLibre reads them: alpha 191 on the edge, more inside, less outside. */

/** MapLibre counts eight pixels from alpha 0 to 1; the pictures here have two pixels to each of those. */
const RADIUS_PX = 16
const EDGE = 0.75
/** Farther out the field is 0 anyway. */
const REACH_PX = RADIUS_PX * EDGE

interface Picture {
  readonly width: number
  readonly height: number
  readonly data: Uint8ClampedArray
}

/** The field of the covered pixels of `picture`; small pictures only, every edge pixel is looked at. */
export function distanceField(picture: Picture): ImageData {
  const alpha = alphaField(picture)
  const data = new Uint8ClampedArray(alpha.length * 4)
  alpha.forEach((value, n) => (data[n * 4 + 3] = value))
  return new ImageData(data, picture.width, picture.height)
}

export function alphaField({ width, height, data }: Picture): Uint8ClampedArray {
  const inside = (x: number, y: number) =>
    x >= 0 && y >= 0 && x < width && y < height && (data[(y * width + x) * 4 + 3] ?? 0) > 127
  const field = new Uint8ClampedArray(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const within = inside(x, y)
      const away = nearest(x, y, (nx, ny) => inside(nx, ny) !== within) - 0.5
      const signed = (within ? away : -away) / RADIUS_PX
      field[y * width + x] = Math.round(255 * Math.min(1, Math.max(0, EDGE + signed)))
    }
  }
  return field
}

function nearest(x: number, y: number, found: (x: number, y: number) => boolean): number {
  let best = REACH_PX + 0.5
  for (let dy = -REACH_PX; dy <= REACH_PX; dy++) {
    for (let dx = -REACH_PX; dx <= REACH_PX; dx++) {
      const away = Math.hypot(dx, dy)
      if (away < best && found(x + dx, y + dy)) best = away
    }
  }
  return best
}
