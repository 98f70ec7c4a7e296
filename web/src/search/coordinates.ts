/** Coordinates somebody typed: "116.503, 31.742", "31.742 116.503", "116°30′10″E 31°44′30″N". */

export interface Typed {
  lon: number
  lat: number
}

const DMS = /(\d{1,3})\s*[°度]\s*(\d{1,2})\s*[′'分]\s*(\d{1,2}(?:\.\d+)?)?\s*(?:[″"秒])?\s*([NSEW北南东西]?)/gi

/** Longitude and latitude, or null where `text` is something else. China's longitudes exceed any latitude, so order is guessed. */
export function readCoordinates(text: string): Typed | null {
  const numbers = degrees(text) ?? decimals(text)
  if (!numbers) return null
  const [a, b] = numbers
  const [lon, lat] = Math.abs(a) <= 90 && Math.abs(b) > 90 ? [b, a] : [a, b]
  return Math.abs(lon) <= 180 && Math.abs(lat) <= 85 ? { lon, lat } : null
}

function decimals(text: string): [number, number] | null {
  const parts = text.trim().split(/[\s,，;；]+/)
  if (parts.length !== 2 || !parts.every((part) => /^[-+]?\d{1,3}\.\d+$/.test(part))) return null
  return [Number(parts[0]), Number(parts[1])]
}

function degrees(text: string): [number, number] | null {
  const found = [...text.matchAll(DMS)]
  if (found.length !== 2) return null
  const values = found.map(([, d, m, s = '0', side = '']) => ({
    value: (Number(d) + Number(m) / 60 + Number(s) / 3600) * (/[SW南西]/i.test(side) ? -1 : 1),
    isLat: /[NS南北]/i.test(side),
  }))
  const [first, second] = values as [(typeof values)[0], (typeof values)[0]]
  return first.isLat ? [second.value, first.value] : [first.value, second.value]
}
