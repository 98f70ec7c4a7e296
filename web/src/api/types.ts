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
  published_at: string | null
  description: Title
  owner?: string
  fields: Field[]
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

export interface Series {
  unit: string | null
  points: [string, number | null][]
}
