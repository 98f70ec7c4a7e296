/** A difference between what stands and what would stand, as a list and as a drawing. */
import type { Bounds, ChangedRow, ChangeKind } from '@/api'
import type { Drawn } from './on-map'

export interface FieldChange {
  /** Empty: the geometry. */
  field: string
  before: string
  after: string
}

/** What of a row differs, fields in their order, the geometry last. */
export function changesOf(row: ChangedRow): FieldChange[] {
  const before = row.before?.properties ?? {}
  const after = row.after?.properties ?? {}
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const changes = names
    .filter((name) => textOf(before[name]) !== textOf(after[name]))
    .map((field) => ({ field, before: textOf(before[field]), after: textOf(after[field]) }))
  const moved = JSON.stringify(row.before?.geometry ?? null) !== JSON.stringify(row.after?.geometry ?? null)
  return moved ? [...changes, { field: '', before: '', after: '' }] : changes
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Removed rows below, then where changed ones were, then where they are, added ones on top. */
export function drawnChanges(rows: Record<ChangeKind, readonly ChangedRow[]>): Drawn[] {
  const drawn: Drawn[] = []
  const add = (row: ChangedRow, side: 'before' | 'after', tone: Drawn['tone'], kind: ChangeKind) => {
    const geometry = row[side]?.geometry
    if (geometry) drawn.push({ geometry, tone, id: `${kind}#${row.key}` })
  }
  rows.removed.forEach((row) => add(row, 'before', 'removed', 'removed'))
  rows.changed.forEach((row) => add(row, 'before', 'before', 'changed'))
  rows.changed.forEach((row) => add(row, 'after', 'changed', 'changed'))
  rows.added.forEach((row) => add(row, 'after', 'added', 'added'))
  return drawn
}

/** The box round all boxes; null for none. */
export function unite(boxes: (Bounds | null)[]): Bounds | null {
  return boxes.reduce<Bounds | null>((whole, box) => {
    if (!whole || !box) return whole ?? box
    return [
      Math.min(whole[0], box[0]),
      Math.min(whole[1], box[1]),
      Math.max(whole[2], box[2]),
      Math.max(whole[3], box[3]),
    ]
  }, null)
}
