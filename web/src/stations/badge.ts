/** The few characters that say how a station is. */
import type { StationNow } from '@/api'

/** The index (a number, or a class of GB 3838 in Roman numerals), else the first reading; `–` without one. */
export function badgeText(station: Pick<StationNow, 'index' | 'values'>): string {
  if (station.index) {
    const { value } = station.index
    return typeof value === 'number' ? String(Math.round(value)) : value
  }
  const first = station.values[0]
  return first ? short(first.value) : '–'
}

export function short(value: number): string {
  if (Math.abs(value) >= 100) return value.toFixed(0)
  return Number(value.toFixed(Math.abs(value) >= 10 ? 1 : 2)).toString()
}

/** Black or white, whichever reads better on `colour` (`#rrggbb`), by WCAG contrast. */
export function inkOn(colour: string): '#111111' | '#ffffff' {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = parseInt(colour.slice(at, at + 2), 16) / 255
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b
  return (luminance + 0.05) / 0.0556 > 1.05 / (luminance + 0.05) ? '#111111' : '#ffffff'
}
