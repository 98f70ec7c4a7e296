/** What the page tells the user: one short notice at a time, and the service's own words when it refused. */
import { reactive } from 'vue'
import { isAbort, Problem, Unreachable } from '@/api'
import { t } from '@/i18n'

export const notice = reactive({ text: '', tone: 'info' as 'info' | 'good' | 'bad', n: 0 })

let timer: ReturnType<typeof setTimeout> | undefined

export function tell(text: string, tone: 'info' | 'good' | 'bad' = 'info'): void {
  Object.assign(notice, { text, tone, n: notice.n + 1 })
  clearTimeout(timer)
  timer = setTimeout(() => (notice.text = ''), tone === 'bad' ? 8000 : 4000)
}

/** A sentence for what went wrong. */
export function wordsFor(error: unknown): string {
  if (error instanceof Problem) return error.detail || error.title
  if (error instanceof Unreachable) return t('unreachable')
  return error instanceof Error ? error.message : String(error)
}

export function tellProblem(error: unknown): void {
  if (!isAbort(error)) tell(wordsFor(error), 'bad')
}
