/** One function per endpoint of the published API. */
import type { StyleSpecification } from 'maplibre-gl'
import { send } from './http'
import type {
  Account,
  ChangedRow,
  ChangeKind,
  CheckFinding,
  CityEvent,
  Compared,
  Department,
  EventAction,
  EventClass,
  Identified,
  ImportOptions,
  ImportRun,
  Layer,
  Located,
  Look,
  NewService,
  Secret,
  ServiceCalls,
  ServiceLook,
  Title,
  Found,
  Series,
  Service,
  StationNow,
  Sync,
  Theme,
  Timeline,
  Upload,
  Version,
  Within,
} from './types'

export * from './types'
export { listen, onChange, streamState } from './changes'
export { connection, isAbort, Problem, Unreachable, whenUnknown } from './http'

// ---- what the map holds

export async function listLayers(): Promise<Layer[]> {
  return (await send<{ layers: Layer[] }>('GET', '/api/v1/layers')).layers
}

/** The tiles `[zoom, column, row]` that differ from those of version `since`; all of the zooms in `everywhere`. */
export function changedSquares(
  layer: string,
  ask: { since: number; min_zoom: number; max_zoom: number },
): Promise<{ version: number; everywhere: number[]; squares: [number, number, number][] }> {
  return send('GET', `/api/v1/layers/${encodeURIComponent(layer)}/squares`, { query: ask })
}

/** When layers changed; of all that one may see, unless some are named. */
export function readTimeline(ask: { layers?: string; limit: number }): Promise<Timeline> {
  return send('GET', '/api/v1/moments', { query: ask })
}

export async function compareLayers(ask: { layers: string; from: string; to?: string }): Promise<Compared[]> {
  return (await send<{ layers: Compared[] }>('GET', '/api/v1/compare', { query: ask })).layers
}

/** The rows of one kind that differ between two versions. */
export function compareRows(
  layer: string,
  ask: { from: number; to: number; kind: ChangeKind; limit: number; after?: string | null },
): Promise<ChangedRows> {
  return send('GET', `/api/v1/layers/${encodeURIComponent(layer)}/compare`, { query: ask })
}

export interface TileAddress {
  tiles: string[]
  minzoom: number
  maxzoom: number
}

/** Where the tiles of a source are; `url` is the address its style gives. */
export function readTileAddress(url: string): Promise<TileAddress> {
  const { pathname, search } = new URL(url, location.href)
  return send('GET', pathname + search)
}

// ---- services of other systems

export function lookAtService(ask: { url: string; kind?: string; secrets: Secret[] }): Promise<ServiceLook> {
  return send('POST', '/api/v1/services/look', { json: ask })
}

export function registerService(service: NewService): Promise<unknown> {
  return send('POST', '/api/v1/services', { json: service })
}

export function checkService(id: string): Promise<{ is_ok: boolean; problem: Title | null; elapsed_ms: number }> {
  return send('POST', `/api/v1/services/${encodeURIComponent(id)}/check`)
}

export function forgetService(id: string): Promise<unknown> {
  return send('DELETE', `/api/v1/services/${encodeURIComponent(id)}`)
}

/** Of the last thirty days. */
export function readServiceCalls(id: string): Promise<ServiceCalls> {
  return send('GET', `/api/v1/services/${encodeURIComponent(id)}/calls`)
}

/** The services of other systems whose layers the viewer may see. */
export async function listServices(): Promise<Service[]> {
  return (await send<{ services: Service[] }>('GET', '/api/v1/services')).services
}

/** The versions of a layer, newest first. */
export async function listVersions(layer: string): Promise<Version[]> {
  return (await send<{ versions: Version[] }>('GET', `/api/v1/layers/${encodeURIComponent(layer)}/versions`)).versions
}

/** Makes the content of an earlier version the next one. */
export function rollBack(layer: string, version: number): Promise<Version> {
  return send('POST', `/api/v1/layers/${encodeURIComponent(layer)}/rollback`, { json: { version } })
}

export async function listThemes(): Promise<Theme[]> {
  return (await send<{ themes: Theme[] }>('GET', '/api/v1/themes')).themes
}

export function readStyle(scheme: 'light' | 'dark'): Promise<StyleSpecification> {
  return send('GET', '/styles/all.json', { query: { scheme } })
}

/** Codes and names of the rows of some base layers (districts, streets); a layer that is not there has none. */
export async function readParts(layers: string[]): Promise<{ code: string; name: string }[]> {
  const read = async (layer: string) => {
    const query = { limit: 500 }
    const path = `/ogc/collections/${encodeURIComponent(layer)}/items`
    const { features } = await send<GeoJSON.FeatureCollection>('GET', path, { query })
    return features.map(({ id, properties }) => ({ code: String(id), name: String(properties?.name ?? '') }))
  }
  return (await Promise.all(layers.map((layer) => read(layer).catch(() => [])))).flat()
}

// ---- people

export function whoAmI(): Promise<Account> {
  return send('GET', '/api/v1/me')
}

export async function logIn(name: string, password: string): Promise<Account> {
  return (await send<{ account: Account }>('POST', '/api/v1/login', { json: { name, password } })).account
}

export function logOut(): Promise<unknown> {
  return send('POST', '/api/v1/logout')
}

// ---- asking the map

export interface IdentifyAsk {
  lon: number
  lat: number
  radius_m: number
  layers: string
  limit: number
  datetime?: string
}

export function identify(ask: IdentifyAsk, signal?: AbortSignal): Promise<Identified> {
  return send('GET', '/api/v1/identify', { query: { ...ask }, signal })
}

/** What the first band of a raster layer says of a place; null where it has nothing. */
export async function valueAt(
  layer: string,
  ask: { lon: number; lat: number; datetime?: string },
  signal?: AbortSignal,
): Promise<number | null> {
  const path = `/api/v1/layers/${encodeURIComponent(layer)}/value`
  const told = await send<{ values: { value: number | null }[] }>('GET', path, { query: { ...ask }, signal })
  return told.values[0]?.value ?? null
}

export async function search(text: string, limit: number, signal?: AbortSignal): Promise<Found[]> {
  const query = { q: text, limit }
  return (await send<{ results: Found[] }>('GET', '/api/v1/search', { query, signal })).results
}

export function locate(lon: number, lat: number, signal?: AbortSignal): Promise<Located> {
  return send('GET', '/api/v1/grid/locate', { query: { lon, lat }, signal })
}

export function within(
  layer: string,
  geometry: GeoJSON.Geometry,
  countBy: string | null,
  datetime?: string,
): Promise<Within> {
  return send('POST', `/api/v1/layers/${encodeURIComponent(layer)}/within`, {
    query: { datetime },
    json: { geometry, count_by: countBy, limit: 100 },
  })
}

// ---- events

export interface EventPage {
  events: CityEvent[]
  next: string | null
}

export function listEvents(ask: { state?: string; limit?: number; after?: string }): Promise<EventPage> {
  return send('GET', '/api/v1/events', { query: ask })
}

export function readEvent(id: number): Promise<CityEvent> {
  return send('GET', `/api/v1/events/${id}`)
}

export function listEventClasses(): Promise<EventClass[]> {
  return send('GET', '/api/v1/event-classes')
}

export async function listDepartments(): Promise<Department[]> {
  return (await send<{ departments: Department[] }>('GET', '/api/v1/departments')).departments
}

export interface Report {
  class_code: string
  lon: number
  lat: number
  description: string
  address: string
}

/** Sends a report. The same key with the same report may be sent again: the city records it once. */
export function reportEvent(report: Report, photos: Blob[], key: string): Promise<CityEvent> {
  const form = new FormData()
  for (const [name, value] of Object.entries(report)) form.append(name, String(value))
  photos.forEach((photo, n) => form.append('photos', photo, `photo-${n + 1}.jpg`))
  return send('POST', '/api/v1/events', { form, headers: { 'Idempotency-Key': key } })
}

export interface ActAsk {
  action: EventAction
  note: string
  revision: number
  department?: string
}

export function actOnEvent(id: number, ask: ActAsk): Promise<CityEvent> {
  return send('POST', `/api/v1/events/${id}/actions`, { json: ask })
}

// ---- imports

export function beginUpload(name: string, size: number): Promise<Upload> {
  return send('POST', '/api/v1/uploads', { json: { name, size } })
}

export function askUpload(id: string): Promise<Upload> {
  return send('GET', `/api/v1/uploads/${id}`)
}

/** Adds a piece that begins at `offset`; 409 names the offset where the service is. */
export function continueUpload(id: string, offset: number, piece: Blob, signal: AbortSignal): Promise<Upload> {
  const headers = { 'Upload-Offset': String(offset) }
  return send('PATCH', `/api/v1/uploads/${id}`, { bytes: piece, headers, signal })
}

export function beginImport(uploads: string[]): Promise<ImportRun> {
  return send('POST', '/api/v1/imports', { json: { uploads, look_first: true } })
}

export async function listImports(limit: number): Promise<ImportRun[]> {
  return (await send<{ imports: ImportRun[] }>('GET', '/api/v1/imports', { query: { limit } })).imports
}

export function readImport(id: string): Promise<ImportRun> {
  return send('GET', `/api/v1/imports/${id}`)
}

export function readLook(id: string): Promise<Look> {
  return send('GET', `/api/v1/imports/${id}/look`)
}

/** Queues the import to be looked at, or read and compared, with these options. */
export function queueImport(id: string, how: 'look' | 'read', options: ImportOptions): Promise<ImportRun> {
  return send('POST', `/api/v1/imports/${id}/${how}`, { json: { options } })
}

export function cancelImport(id: string): Promise<ImportRun> {
  return send('POST', `/api/v1/imports/${id}/cancel`)
}

export function compareImport(id: string): Promise<ImportRun> {
  return send('POST', `/api/v1/imports/${id}/compare`)
}

export function publishImport(id: string, versions: Record<string, number>, note: string): Promise<ImportRun> {
  return send('POST', `/api/v1/imports/${id}/publish`, { json: { versions, note } })
}

/** Hands a staged import to a reviewer. */
export function submitImport(id: string, note: string): Promise<ImportRun> {
  return send('POST', `/api/v1/imports/${id}/submit`, { json: { note } })
}

/** Gives a submitted import back, with a reason. */
export function sendBackImport(id: string, reason: string): Promise<ImportRun> {
  return send('POST', `/api/v1/imports/${id}/send-back`, { json: { reason } })
}

/** The imports that wait for a reviewer. */
export async function listReviews(): Promise<ImportRun[]> {
  return (await send<{ imports: ImportRun[] }>('GET', '/api/v1/reviews')).imports
}

// ---- syncs

export async function listSyncs(): Promise<Sync[]> {
  return (await send<{ syncs: Sync[] }>('GET', '/api/v1/syncs')).syncs
}

export interface NewSync {
  name: string
  title: string
  source: { path: string; newest: boolean }
  options: { layer_id?: string }
  timetable: string
  policy: 'publish' | 'review'
}

export function makeSync(wanted: NewSync): Promise<Sync> {
  return send('POST', '/api/v1/syncs', { json: wanted })
}

export function removeSync(name: string): Promise<unknown> {
  return send('DELETE', `/api/v1/syncs/${encodeURIComponent(name)}`)
}

export function runSync(name: string, again: boolean): Promise<Sync> {
  return send('POST', `/api/v1/syncs/${encodeURIComponent(name)}/run`, { json: { again } })
}

export function changeSync(name: string, changes: { is_paused: boolean }): Promise<Sync> {
  return send('PATCH', `/api/v1/syncs/${encodeURIComponent(name)}`, { json: changes })
}

// ---- imports, row by row

export interface ChangedRows {
  rows: ChangedRow[]
  next: string | null
}

export function readDifference(
  id: string,
  ask: { layer: string; kind: ChangeKind; limit: number; after?: string | null },
): Promise<ChangedRows> {
  return send('GET', `/api/v1/imports/${id}/difference`, { query: ask })
}

export interface CheckFindings {
  findings: CheckFinding[]
  found: number
  left_out: number
  next: string | null
}

export function readFindings(
  id: string,
  ask: { layer: string; rule: string; limit: number; after?: string | null },
): Promise<CheckFindings> {
  return send('GET', `/api/v1/imports/${id}/findings`, { query: ask })
}

/** Findings that have a place, of all rules; their ids are the findings' numbers. */
export function readFindingPlaces(id: string, layer: string, limit: number): Promise<GeoJSON.FeatureCollection> {
  return send('GET', `/api/v1/imports/${id}/findings.geojson`, { query: { layer, limit } })
}

export function reportOf(id: string): string {
  return `/api/v1/imports/${id}/report.xlsx`
}

export function importStream(id: string): string {
  return `/api/v1/imports/${id}/stream`
}

// ---- stations

export async function latestReadings(): Promise<StationNow[]> {
  return (await send<{ stations: StationNow[] }>('GET', '/api/v1/stations/latest')).stations
}

export function readSeries(
  code: string,
  ask: { indicator: string; start: string; end: string; step: 'hour' | 'day' },
  signal?: AbortSignal,
): Promise<Series> {
  return send('GET', `/api/v1/stations/${encodeURIComponent(code)}/readings`, { query: ask, signal })
}
