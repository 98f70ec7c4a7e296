/** A feature's properties as rows a person reads: titles, code titles, units. */
import type { Feature, Field, Layer } from '@/api'
import { say } from '@/i18n'

export interface Row {
  name: string
  title: string
  value: string
}

/** The rows of the fields that hold something, in the layer's order; fields the layer does not name come last. */
export function rowsOf(feature: Feature, layer: Layer | undefined): Row[] {
  const fields = layer?.fields ?? []
  const named = fields.map((field) => ({
    name: field.name,
    title: say(field.title) || field.name,
    value: valueOf(feature.properties[field.name], field),
  }))
  const others = Object.keys(feature.properties)
    .filter((name) => !name.startsWith('_') && !fields.some((field) => field.name === name))
    .map((name) => ({ name, title: name, value: valueOf(feature.properties[name]) }))
  return [...named, ...others].filter((row) => row.value !== '')
}

export function valueOf(value: unknown, field?: Field): string {
  if (value === null || value === undefined || value === '') return ''
  const title = field?.codes?.[String(value)]
  if (title) return isChinese(value) ? say(title) : `${say(title)} (${String(value)})`
  if (typeof value === 'boolean') return value ? '✓' : '✗'
  if (typeof value === 'object') return JSON.stringify(value)
  const text = typeof value === 'number' ? String(Number(value.toFixed(3))) : String(value)
  return field?.unit ? `${text} ${UNITS[field.unit] ?? field.unit}` : text
}

const UNITS: Record<string, string> = { m2: 'm²', m3: 'm³', deg: '°' }

/** A code that is its own Chinese title needs no brackets. */
function isChinese(value: unknown): boolean {
  return /[一-鿿]/.test(String(value))
}

/** What a person calls the feature. */
export function nameOf(feature: Feature, layer: Layer | undefined): string {
  const name = layer?.name_field ? feature.properties[layer.name_field] : feature.properties.name
  if (name !== null && name !== undefined && name !== '') return String(name)
  return String(feature.id)
}
