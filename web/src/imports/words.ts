/** What an import's states and stages are called. */
import type { ImportRun } from '@/api'
import { t, type MessageKey } from '@/i18n'

const STAGES = new Set(['opening', 'looking', 'reading', 'converting', 'checking', 'comparing', 'publishing'])

export function stateWords(run: Pick<ImportRun, 'state'>): string {
  return t(`importState_${run.state}` as MessageKey)
}

/** What the worker is doing just now. */
export function stageWords(run: Pick<ImportRun, 'state' | 'step'>): string {
  if (run.state === 'uploaded') return t('importStage_waiting')
  return t(STAGES.has(run.step) ? (`importStage_${run.step}` as MessageKey) : 'importStage_reading')
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`
  if (n < 1024 ** 2) return `${(n / 1024).toFixed(0)} KB`
  if (n < 1024 ** 3) return `${(n / 1024 ** 2).toFixed(1)} MB`
  return `${(n / 1024 ** 3).toFixed(2)} GB`
}
