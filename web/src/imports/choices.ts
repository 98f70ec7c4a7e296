/** What a person chooses for an import, beginning with what was found out. */
import type { ImportOptions, Layer, LookedTable, TableOptions, Whereabouts } from '@/api'

/** Fields that are no fields: which column holds the place. */
export const PLACES = ['@x', '@y', '@wkt', '@code'] as const

/** What stands in the place of a layer's id for readings. */
export const READINGS = 'reading'

/** A way to place rows as one value of a list. */
export function placeValue(place: Pick<Whereabouts, 'crs' | 'frame' | 'swapped'>): string {
  return [place.crs, place.frame ?? '', place.swapped ? 'swapped' : ''].join('|')
}

/** The options that a value of that list stands for. */
export function placeOptions(value: string): Pick<TableOptions, 'crs' | 'frame' | 'swapped'> {
  const [crs = '', frame = '', swapped = ''] = value.split('|')
  return { crs, frame: (frame || null) as TableOptions['frame'], swapped: swapped === 'swapped' }
}

/** Without what says nothing, so that two equal choices are equal texts. */
export function tidied(options: ImportOptions): ImportOptions {
  const tables: Record<string, TableOptions> = {}
  for (const [name, table] of Object.entries(options.tables ?? {})) {
    const said = kept(table)
    if (Object.keys(said).length) tables[name] = said
  }
  const { tables: _, ...rest } = options
  return { ...kept(rest), ...(Object.keys(tables).length ? { tables } : {}) }
}

function kept<T extends object>(said: T): T {
  const pairs = Object.entries(said).filter(([, value]) => {
    if (value === null || value === undefined || value === '') return false
    return typeof value !== 'object' || Array.isArray(value) || Object.keys(value as object).length > 0
  })
  return Object.fromEntries(pairs.filter(([name, value]) => name === 'swapped' || name === 'check' || value !== false)) as T
}

/** The columns as they are to be read: what was found, and what a person said over it. */
export function fieldsOf(table: LookedTable, said: Record<string, string>): Record<string, string> {
  return Object.fromEntries(table.columns.map(({ name, field }) => [name, said[name] ?? field ?? '']))
}

/**
 * What a person has said of columns after choosing `field` for `column`: a field has one column, so one that
 * had it before is left out. What agrees with what was found is not said.
 */
export function choose(
  table: LookedTable,
  said: Record<string, string>,
  column: string,
  field: string,
): Record<string, string> {
  const now = fieldsOf(table, said)
  for (const other of Object.keys(now)) if (field && other !== column && now[other] === field) now[other] = ''
  now[column] = field
  const found = fieldsOf(table, {})
  return Object.fromEntries(Object.entries(now).filter(([name, value]) => value !== found[name] || name in said))
}

/** Names of fields the layer needs that no column gives. What can be derived is not lacking. */
export function lackingOf(table: LookedTable, said: Record<string, string>): string[] {
  const taken = new Set(Object.values(fieldsOf(table, said)))
  const before = new Set(Object.values(fieldsOf(table, {})))
  const lost = table.fields.filter((field) => field.required && before.has(field.name) && !taken.has(field.name))
  const still = table.lacking.filter((name) => !taken.has(name))
  return [...new Set([...still, ...lost.map((field) => field.name)])]
}

/** True where the choice of coordinate columns is whole and differs from what was looked at. */
export function placesChanged(table: LookedTable, said: Record<string, string>): boolean {
  const now = Object.entries(fieldsOf(table, said)).filter(([, field]) => field.startsWith('@'))
  const before = Object.entries(fieldsOf(table, {})).filter(([, field]) => field.startsWith('@'))
  const names = new Set(now.map(([, field]) => field))
  const whole = names.has('@wkt') || names.has('@code') || (names.has('@x') && names.has('@y'))
  return (whole || !names.size) && JSON.stringify(now) !== JSON.stringify(before)
}

/** The layers that a table's rows may be for: of the same kind of geometry; for a raster, raster layers. */
export function layersFor(table: LookedTable, all: readonly Layer[]): Layer[] {
  if (table.kind === 'raster') return all.filter((layer) => layer.kind === 'raster')
  const layers = all.filter((layer) => layer.kind === 'rows')
  const kinds: Record<string, string> = {
    Point: 'Point',
    MultiPoint: 'Point',
    LineString: 'MultiLineString',
    MultiLineString: 'MultiLineString',
    Polygon: 'MultiPolygon',
    MultiPolygon: 'MultiPolygon',
  }
  const wanted = table.geometry ? kinds[table.geometry] : undefined
  return layers.filter((layer) => !wanted || layer.geometry_type === 'Geometry' || layer.geometry_type === wanted)
}

/** True if nothing keeps the tables that are not left out from being read. */
export function isReady(tables: readonly LookedTable[], options: ImportOptions): boolean {
  const wanted = tables.filter((table) => !options.tables?.[table.table]?.skip)
  return (
    wanted.length > 0 &&
    wanted.every((table) => {
      const said = options.tables?.[table.table]?.columns ?? {}
      const stops = table.troubles.some((trouble) => trouble.stops && trouble.rule !== 'fields')
      return !stops && lackingOf(table, said).length === 0
    })
  )
}

/** What the option `date` takes. */
const DATE = /^[12]\d{3}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$/

export function isDate(text: string): boolean {
  return DATE.test(text)
}

const PART = /^(\d{6}|\d{9}|\d{12}|\d{15})$/

/** Codes of districts, streets, communities or grids out of a text, with commas or spaces between them. */
export function codesIn(text: string): string[] {
  return [...new Set(text.split(/[\s,，、;；]+/).filter(Boolean))]
}

export function isPart(code: string): boolean {
  return PART.test(code)
}

export type Extent = 'whole' | 'changes' | 'part'

/** What of its layer a delivery is: all of it, only changed rows, or the rows of some districts or grids. */
export function extentOf(options: ImportOptions): Extent {
  if (options.within) return 'part'
  return options.partial ? 'changes' : 'whole'
}

/** `column=value,value` taken apart, and put together again; empty where nothing is said. */
export function removesOf(options: ImportOptions): { column: string; values: string } {
  const [column = '', ...rest] = (options.removes ?? '').split('=')
  return { column, values: rest.join('=') }
}

export function removesText(column: string, values: string): string | null {
  const said = values.split(/[,，、]+/).map((value) => value.trim()).filter(Boolean)
  return column && said.length ? `${column}=${said.join(',')}` : null
}

const LAYER_ID = /^[a-z][a-z0-9_]{0,47}$/

export function isLayerId(text: string): boolean {
  return LAYER_ID.test(text) && !text.endsWith('__past')
}
