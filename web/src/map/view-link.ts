/** The view in the address bar: `#14.20/31.74000/116.50000/0/0&on=road,building&fade=building:60&3d&here=116.5,31.74&at=2025-03-01T00:00:00.000Z&import=…`. */

export interface View {
  zoom: number
  lat: number
  lon: number
  bearing: number
  pitch: number
}

export interface Shared {
  view: View | null
  /** Null: nothing was said about layers. */
  visible: string[] | null
  opacity: Record<string, number>
  threeD: boolean
  /** The place whose things are listed. */
  here: { lon: number; lat: number } | null
  /** The moment that is shown, in milliseconds; null: now. */
  at: number | null
  /** The moment that is compared with it; undefined: nothing is compared. */
  with?: number | null
  /** The import that is open. */
  run: string | null
}

const RUN = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function write(shared: Shared): string {
  const parts: string[] = []
  if (shared.view) {
    const { zoom, lat, lon, bearing, pitch } = shared.view
    parts.push([zoom.toFixed(2), lat.toFixed(5), lon.toFixed(5), bearing.toFixed(0), pitch.toFixed(0)].join('/'))
  }
  if (shared.visible) parts.push(`on=${shared.visible.join(',')}`)
  const faded = Object.entries(shared.opacity).filter(([, opacity]) => opacity < 1)
  if (faded.length) parts.push(`fade=${faded.map(([id, o]) => `${id}:${Math.round(o * 100)}`).join(',')}`)
  if (shared.threeD) parts.push('3d')
  if (shared.here) parts.push(`here=${shared.here.lon.toFixed(6)},${shared.here.lat.toFixed(6)}`)
  if (shared.at !== null) parts.push(`at=${new Date(shared.at).toISOString()}`)
  if (shared.with !== undefined) parts.push(`with=${shared.with === null ? 'now' : new Date(shared.with).toISOString()}`)
  if (shared.run) parts.push(`import=${shared.run}`)
  return `#${parts.join('&')}`
}

/** Reads what `write` wrote; whatever cannot be read is left out. */
export function read(hash: string): Shared {
  const shared: Shared = { view: null, visible: null, opacity: {}, threeD: false, here: null, at: null, run: null }
  for (const part of hash.replace(/^#/, '').split('&')) {
    const [name, value = ''] = part.split('=', 2) as [string, string?]
    if (name === 'on') shared.visible = value ? value.split(',') : []
    else if (name === 'fade') shared.opacity = opacities(value)
    else if (name === '3d') shared.threeD = true
    else if (name === 'here') shared.here = placeOf(value)
    else if (name === 'at') shared.at = momentOf(value)
    else if (name === 'with') shared.with = value === 'now' ? null : (momentOf(value) ?? undefined)
    else if (name === 'import') shared.run = RUN.test(value) ? value : null
    else shared.view = viewOf(name) ?? shared.view
  }
  return shared
}

function opacities(text: string): Record<string, number> {
  const pairs = text.split(',').map((pair) => pair.split(':'))
  return Object.fromEntries(
    pairs
      .map(([id, percent]) => [id ?? '', Number(percent) / 100] as const)
      .filter(([id, opacity]) => id && opacity >= 0 && opacity <= 1),
  )
}

function placeOf(text: string): { lon: number; lat: number } | null {
  const [lon, lat] = text.split(',').map(Number)
  if (lon === undefined || lat === undefined || !(Math.abs(lon) <= 180 && Math.abs(lat) <= 85)) return null
  return { lon, lat }
}

/** As the service reads it: a date means its end, in China. */
function momentOf(text: string): number | null {
  const at = Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T23:59:59.999+08:00` : text)
  return Number.isFinite(at) ? at : null
}

function viewOf(text: string): View | null {
  const [zoom, lat, lon, bearing = 0, pitch = 0] = text.split('/').map(Number)
  const numbers = [zoom, lat, lon, bearing, pitch]
  if (text.split('/').length < 3 || numbers.some((n) => n === undefined || !Number.isFinite(n))) return null
  if (Math.abs(lat!) > 85 || Math.abs(lon!) > 180) return null
  return { zoom: zoom!, lat: lat!, lon: lon!, bearing, pitch: Math.min(70, Math.max(0, pitch)) }
}
