/** Shapes of the published API. Coordinates are [longitude, latitude], EPSG:4490, unless `crs` says otherwise. */

export interface Title {
  zh: string
  en: string
}

/** West, south, east, north. */
export type Bounds = [number, number, number, number]

export type GeometryType = 'Point' | 'MultiLineString' | 'MultiPolygon' | 'Geometry'

export interface Field {
  name: string
  title: Title
  type: 'text' | 'integer' | 'number' | 'boolean' | 'date' | 'datetime'
  unit?: string | null
  codes?: Record<string, Title> | null
}

export interface Layer {
  id: string
  title: Title
  theme: string
  kind: 'rows' | 'registered' | 'function' | 'raster' | 'service'
  geometry_type: GeometryType
  version: number
  /** Null where the viewer may see only part of the rows. */
  feature_count: number | null
  bounds: Bounds | null
  min_zoom: number
  max_zoom: number
  access: 'public' | 'login' | 'restricted'
  status: 'empty' | 'published' | 'withdrawn'
  key: string | null
  name_field: string | null
  /** The classes that clusters far out tell, by value, and what they are called. */
  classes?: Record<string, Title>
  published_at: string | null
  description: Title
  owner?: string
  fields: Field[]
  /** Of a raster layer, newest first. */
  rasters: RasterState[]
  /** Of a function layer: what may be said to it in a tile's address. */
  parameters?: { name: string; required: boolean }[]
}

export type RasterMeaning = 'image' | 'elevation' | 'classes' | 'values'

/** One state of a raster layer: `taken` is a year, a month or a day. */
export interface RasterState {
  version: number
  taken: string
  meaning: RasterMeaning
  pixel_m: number
}

/** What a layer keeps of its past; `since`: the first moment it can be shown at. */
export interface LayerHistory {
  layer: string
  history: 'versions' | 'pictures' | 'none'
  since: string | null
  states: number
}

/** A layer changed; of a picture `taken` is its date and there are no rows. */
export interface Moment {
  at: string
  layer: string
  version: number
  taken: string | null
  added: number | null
  changed: number | null
  removed: number | null
}

/** `moments` newest first; `left_out`: older ones. */
export interface Timeline {
  layers: LayerHistory[]
  moments: Moment[]
  left_out: number
}

/** A layer of another system's service, and whether that answers; null: it was not asked yet. */
export interface Service {
  id: string
  kind_title: Title
  is_up: boolean | null
  since: string | null
  problem: Title | null
  attribution: string
}

/** A token or password that the other system wants; `name` is the parameter, the header or the user. */
export interface Secret {
  place: 'query' | 'header' | 'basic'
  name: string
  value: string
}

/** A layer that another system offers; without a `form` it cannot be registered, and `problem` says why. */
export interface Offer {
  name: string
  title: string
  form: 'pictures' | 'features' | 'tiles' | null
  bounds: Bounds | null
  parts: string[]
  problem: Title | null
}

export interface ServiceLook {
  kind: string
  kind_title: Title
  evidence: Title
  title: string
  protocol: string
  layers: Offer[]
  left_out: number
}

export interface NewService {
  url: string
  kind: string
  layer: string
  id: string
  title: string
  theme: string
  access: Layer['access']
  parts: string[]
  secrets: Secret[]
}

export interface ServiceCalls {
  total: { calls: number; kept: number; errors: number; bytes: number }
}

/** How many rows of a layer differ between two versions, and the box round them. */
export interface Compared extends Record<ChangeKind, { count: number; box: Bounds | null }> {
  layer: string
  /** 0: it did not stand yet. */
  earlier: number
  later: number
}

export interface Theme {
  id: string
  title: Title
  icon: string
  layers: string[]
}

export interface Account {
  name: string
  title: string
  roles: string[]
  department: string | null
  districts: string[]
}

export interface Feature {
  type: 'Feature'
  id: string | number
  geometry: GeoJSON.Geometry | null
  properties: Record<string, unknown>
  distance_m?: number
}

export interface LayerFeatures {
  layer: string
  title: Title
  features: Feature[]
}

export interface Identified {
  place: { lon: number; lat: number }
  layers: LayerFeatures[]
}

export interface Found {
  layer: string
  layer_title: Title
  id: string
  title: string
  subtitle: string | null
  lon: number
  lat: number
  bounds: Bounds | null
}

export interface Named {
  code: string
  name: string | null
}

export interface Located {
  found: boolean
  lon: number
  lat: number
  grid: Named | null
  community: Named | null
  street: Named | null
  district: Named | null
  nearest: (Named & { distance_m: number }) | null
  version: number
}

export interface Counted {
  value: string | number | boolean | null
  title: Title | string | null
  count: number
}

export interface Within {
  count: number
  counts: Counted[]
  features: Feature[]
}

export const EVENT_STATES = [
  'reported',
  'filed',
  'dispatched',
  'handled',
  'checked',
  'closed',
  'rejected',
] as const
export type EventState = (typeof EVENT_STATES)[number]
export type EventAction = 'file' | 'reject' | 'dispatch' | 'handle' | 'return' | 'check' | 'close'

/** A unit cases are dispatched to. */
export interface Department extends Named {
  name_en: string
}

export interface EventClass {
  code: string
  title: Title
  kind: 'component' | 'event'
  major: { code: string; title: Title }
}

export interface EventPhoto {
  number: number
  media_type: string
  url: string
}

export interface EventStep {
  action: string
  from_state: EventState | null
  to_state: EventState
  by: string
  department: Named | null
  note: string
  at: string
}

export interface CityEvent {
  id: number
  case_number: string
  class: EventClass
  state: EventState
  description: string
  address: string
  lon: number
  lat: number
  grid: Named | null
  /** 0 within the grid; otherwise how far the nearest one is. */
  grid_distance_m: number
  community: Named | null
  street: Named | null
  district: Named | null
  component: (Named & { distance_m: number }) | null
  department: Named | null
  due_at: string | null
  overdue: boolean
  reporter: string
  reported_at: string
  updated_at: string
  revision: number
  photos: EventPhoto[]
  actions: EventAction[]
  steps?: EventStep[]
}

export interface Reading {
  indicator: string
  title: Title
  value: number
  unit: string | null
  observed_at: string
}

export interface StationNow {
  code: string
  name: string
  kind: string
  lon: number
  lat: number
  values: Reading[]
  index: { kind: 'aqi' | 'water_class'; value: number | string; level: Title; color: string; primary: string[] } | null
}

// ---- imports

export interface Upload {
  id: string
  name: string
  size: number
  /** Bytes that have arrived. */
  offset: number
  is_complete: boolean
}

export type ImportState =
  | 'uploaded'
  | 'reading'
  | 'looked'
  | 'staged'
  | 'published'
  | 'unchanged'
  | 'refused'
  | 'failed'
  | 'cancelled'
  | 'discarded'

export type Frame = 'cgcs2000' | 'wgs84' | 'gcj02' | 'bd09'

/** What is said of one table rather than found out. */
export interface TableOptions {
  layer_id?: string | null
  crs?: string | null
  frame?: Frame | null
  /** Column → field, `@x`, `@y`, `@wkt`, or nothing to leave it out. */
  columns?: Record<string, string>
  encoding?: string | null
  swapped?: boolean | null
  title?: string | null
  /** When a raster was taken: `2024`, `2024-05`, `2024-05-01`. */
  date?: string | null
  meaning?: RasterMeaning | null
  skip?: boolean
}

export interface ImportOptions {
  encoding?: string | null
  partial?: boolean
  /** Codes of the parts that the files replace; all else stays. */
  within?: string[]
  /** `column=value,value` of rows that are gone. */
  removes?: string | null
  allow_refused?: boolean
  anywhere?: boolean
  check?: boolean
  mend?: string[]
  tables?: Record<string, TableOptions>
}

export interface MeasuredIndicator {
  indicator: string
  title: Title
  unit: string
  count?: number
  low?: number
  high?: number
}

/** What readings are about. */
export interface ReadingsSpan {
  stations: number
  first: string | null
  last: string | null
  indicators: MeasuredIndicator[]
}

export interface StagedRaster extends RasterState {
  /** The version whose picture of the same date it takes the place of. */
  replaces: number | null
  size_bytes: number
  width: number
  height: number
  crs: string
  bands: { title: string; type: string; least: number | null; most: number | null }[]
  bounds: Bounds
}

export interface StagedLayer {
  /** `reading` for readings, which are no layer and have no versions. */
  layer: string
  kind: 'rows' | 'readings' | 'raster'
  title: Title
  rows: number
  /** The version it was compared with. */
  version: number
  added: number
  changed: number
  removed: number
  unchanged: number
  boxes: Bounds[]
  readings: ReadingsSpan | null
  raster: StagedRaster | null
}

export interface ReviewStep {
  action: 'read' | 'submitted' | 'sent_back' | 'approved'
  by: string | null
  at: string
  note: string
}

/** Whether another person has to publish an import, and what was said of it. */
export interface Review {
  is_demanded: boolean
  is_submitted: boolean
  /** Whoever asks took no part in the import. */
  may_approve: boolean
  steps: ReviewStep[]
}

export interface SyncRun {
  id: number
  state: 'running' | 'waiting' | 'published' | 'unchanged' | 'refreshed' | 'postponed' | 'refused' | 'failed' | 'discarded'
  started_at: string
  ended_at: string | null
  asked_by: string | null
  import_id: string | null
  sentence: Title | null
  made: { layer: string; version: number; added: number | null; changed: number | null; removed: number | null }[]
}

/** An import that a timetable begins. */
export interface Sync {
  name: string
  title: string
  kind: 'files' | 'table' | 'refresh'
  timetable: string
  sentence: Title
  /** The next moments; none while it is paused. */
  next: string[]
  next_is_retry: boolean
  owner: string
  is_paused: boolean
  is_asked_for: boolean
  failures: number
  failing_since: string | null
  /** It should have begun, and no worker carries it out. */
  is_late: boolean
  /** The import that waits for a person. */
  waiting: string | null
  last: SyncRun | null
  may_change: boolean
}

/** One published state of a layer; names only for those who say who they are. */
export interface Version {
  number: number
  published_at: string
  published_by: string | null
  imported_by: string | null
  sync: string | null
  reviews: ReviewStep[]
  rolled_back_to: number | null
  added: number
  changed: number
  removed: number
  note: string
  origins: { system: string; file: string | null; error_m: number | null }[]
}

export interface ImportRun {
  id: string
  state: ImportState
  files: string
  options: ImportOptions
  look_first: boolean
  step: string
  rows_done: number
  rows_total: number | null
  cancel_asked: boolean
  started_by: string
  sync: string | null
  review: Review
  started_at: string
  ended_at: string | null
  revision: number
  layers: StagedLayer[]
  versions: Record<string, number>
  /** The readings that were written. */
  stored: (ReadingsSpan & { added: number; changed: number; unchanged: number }) | null
  fault: (Title & { file?: string; found?: string; expected?: string }) | null
  reports: ImportReport[]
}

/** What reading did with rows: refused, mended or only noted. */
export interface ReadingRule extends Title {
  rule: string
  severity: 'refused' | 'mended' | 'noted'
  rows: number
  source: string
  details: Record<string, number>
}

export interface ReadingFinding extends Title {
  rule: string
  row: number
  key: string | null
  field: string | null
  value: string | null
}

export type Severity = 'error' | 'warning' | 'info'

export interface CheckRule {
  id: string
  severity: Severity
  dimension: string
  title: Title
  source: string
  mend: string | null
  checked: number
  found: number
  skipped: Title | null
  limited: Title | null
}

export interface Score {
  total: number | null
  formula: string
  method: Title
  dimensions: { dimension: string; title: Title; value: number | null; formula: string }[]
}

/** The quality check of one layer, without its findings. */
export interface CheckSummary {
  rows: number
  publishable: boolean
  totals: Record<Severity, number>
  score: Score
  rules: CheckRule[]
  mended?: unknown
}

export interface CheckFinding extends Title {
  /** Counts from 1 within the import; 0 for what reading found. */
  number: number
  rule: { id: string; title: Title; source: string }
  severity: Severity
  row: number | null
  key: string | null
  field: string | null
  value: string | null
  geometry: GeoJSON.Geometry | null
}

export interface ImportReport {
  file: string
  layer: string
  title: Title
  new_layer: boolean
  state: string
  read: number
  kept: number
  refused: number
  mended: number
  rules: ReadingRule[]
  findings: ReadingFinding[]
  row_word: string
  check?: CheckSummary | null
  /** Rules of the check with errors that no single row is refused for. */
  stopped_by?: string[]
  provenance: { crs: Evidence | null; transform: Title | null; error_m: number | null; encoding: Evidence | null }
}

interface Evidence extends Title {
  value: string
}

export interface LookedColumn {
  name: string
  samples: string[]
  field: string | null
  evidence: Title | null
}

export interface LookedField {
  name: string
  title: Title
  type: Field['type']
  unit: string | null
  required: boolean
  is_key: boolean
  lacking: boolean
}

export interface Whereabouts {
  crs: string
  name: string
  frame: Frame | null
  swapped: boolean
  away_km: number | null
  evidence: Title
}

export interface LookedCrs {
  value: string | null
  name: string | null
  epsg: number | null
  evidence: Title
  certain: boolean
  swapped: boolean
  frame: Frame | null
  carried: Title | null
  error_m: number | null
  candidates: Whereabouts[]
}

export interface LookedRaster {
  width: number
  height: number
  bands: { title: string; type: string }[]
  has_alpha: boolean
  nodata: string | null
  taken: Title & { value: string }
  meaning: Title & { value: RasterMeaning }
  size_bytes: number
  dates: string[]
  replaces: number | null
  /** A small picture as a data address, and where its corners lie: north-west, then clockwise. */
  picture: { image: string; corners: Corners } | null
}

export type Corners = [[number, number], [number, number], [number, number], [number, number]]

export interface LookedTable {
  table: string
  file: string
  name: string
  format: string
  kind: 'rows' | 'readings' | 'raster'
  left_out: boolean
  rows: number | null
  sampled: number
  geometry: string | null
  layer: {
    id: string
    title: Title
    geometry_type: GeometryType | null
    is_new: boolean
    version: number
    evidence: Title
    certainty: number | null
  } | null
  candidates: { id: string; title: Title; certainty: number; evidence: Title }[]
  encoding: { name: string; evidence: Title; certain: boolean; candidates: string[] } | null
  crs: LookedCrs | null
  columns: LookedColumn[]
  fields: LookedField[]
  lacking: string[]
  readings: (ReadingsSpan & { form: 'long' | 'wide'; strange: string[] }) | null
  raster: LookedRaster | null
  preview: GeoJSON.FeatureCollection | null
  bounds: Bounds | null
  troubles: (Title & { rule: string; stops: boolean })[]
  notes: (Title & { rule: string })[]
}

export interface Look {
  tables: LookedTable[]
  passed_over: string[]
  more: number
  city: Bounds | null
  /** City-local systems of the operator, by the names that `crs` takes as `local:NAME`. */
  local_systems: { name: string; title: string }[]
}

export type ChangeKind = 'added' | 'changed' | 'removed'

export interface Side {
  geometry: GeoJSON.Geometry | null
  properties: Record<string, unknown>
}

export interface ChangedRow {
  key: string
  before: Side | null
  after: Side | null
}

export interface Series {
  unit: string | null
  points: [string, number | null][]
}
