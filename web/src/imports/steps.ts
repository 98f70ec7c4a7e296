/** The six steps of an import, and how far one has come. */
import type { ImportRun } from '@/api'

export const STEPS = ['files', 'look', 'fields', 'check', 'difference', 'publish'] as const
export type Step = (typeof STEPS)[number]

export interface Reach {
  /** The step to be shown when the import comes to be so. */
  at: Step
  /** The steps that have something to show. */
  open: readonly Step[]
  /** The worker is at it. */
  busy: boolean
}

const UP_TO_FIELDS: Step[] = ['look', 'fields']

/** How far an import has come; without one, files are to be chosen. */
export function reachOf(run: Pick<ImportRun, 'state' | 'look_first' | 'reports'> | null): Reach {
  if (!run) return { at: 'files', open: ['files'], busy: false }
  switch (run.state) {
    case 'uploaded':
    case 'reading':
      return run.look_first
        ? { at: 'look', open: ['look'], busy: true }
        : { at: 'check', open: ['check'], busy: true }
    case 'looked':
      return { at: 'look', open: UP_TO_FIELDS, busy: false }
    case 'staged':
      return { at: 'check', open: [...UP_TO_FIELDS, 'check', 'difference', 'publish'], busy: false }
    case 'refused':
      return run.look_first
        ? { at: 'look', open: ['look'], busy: false }
        : { at: 'check', open: [...UP_TO_FIELDS, 'check'], busy: false }
    case 'published':
    case 'unchanged':
      return { at: 'publish', open: run.reports.length ? ['check', 'publish'] : ['publish'], busy: false }
    default:
      return { at: run.reports.length ? 'check' : 'look', open: run.reports.length ? ['check'] : ['look'], busy: false }
  }
}

/** True while more may come of the import. */
export function isOpen(run: Pick<ImportRun, 'state'>): boolean {
  return ['uploaded', 'reading', 'looked', 'staged'].includes(run.state)
}

/** Part of the rows that are read, 0 to 1; null while nobody knows. */
export function shareRead(run: Pick<ImportRun, 'rows_done' | 'rows_total'>): number | null {
  return run.rows_total ? Math.min(1, run.rows_done / run.rows_total) : null
}
