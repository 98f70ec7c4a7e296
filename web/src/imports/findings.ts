/** What was found wrong, of reading and of the quality check, as one list by rule. */
import type { CheckFinding, ImportReport, Severity, Title } from '@/api'

export interface RuleFound {
  rule: string
  /** `mended`: put right while reading, and counted. */
  severity: Severity | 'mended'
  title: Title
  source: string
  found: number
  /** Rows or things that were looked at; null where nobody counted. */
  checked: number | null
  /** The mending that can put it right. */
  mend: string | null
  remark: Title | null
  /** Exactly what and how often. */
  details: [string, number][]
  /** True for rules of the quality check, whose findings have places. */
  ofCheck: boolean
}

const ORDER: RuleFound['severity'][] = ['error', 'warning', 'info', 'mended']

/** What reading says of the same rows as these rules of the check. */
const TOLD_BY_CHECK: Record<string, string[]> = {
  'key.repeated': ['key.repeated', 'ATT-03'],
  'value.required': ['ATT-01', 'ATT-04'],
  'geometry.mended': ['GEO-14'],
  'text.trimmed': ['ATT-07'],
}

/** Rules that were broken, the gravest and most frequent first; each once, the check's word before reading's. */
export function rulesOf(report: Pick<ImportReport, 'rules' | 'check'>): RuleFound[] {
  const checked: RuleFound[] = (report.check?.rules ?? [])
    .filter((rule) => rule.found > 0)
    .map((rule) => ({
      rule: rule.id,
      severity: rule.severity,
      title: rule.title,
      source: rule.source,
      found: rule.found,
      checked: rule.checked,
      mend: rule.mend,
      remark: rule.limited ?? rule.skipped,
      details: [],
      ofCheck: true,
    }))
  const known = new Set(checked.map((rule) => rule.rule))
  const read: RuleFound[] = report.rules
    .filter((rule) => !(TOLD_BY_CHECK[rule.rule] ?? [rule.rule]).some((id) => known.has(id)))
    .filter((rule) => !(report.check && rule.rule === 'check.error'))
    .map((rule) => ({
      rule: rule.rule,
      severity: rule.severity === 'refused' ? 'error' : rule.severity === 'mended' ? 'mended' : 'info',
      title: { zh: rule.zh, en: rule.en },
      source: rule.source ?? '',
      found: rule.rows,
      checked: null,
      mend: null,
      remark: null,
      details: Object.entries(rule.details).sort((a, b) => b[1] - a[1]),
      ofCheck: false,
    }))
  return [...checked, ...read].sort(
    (a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity) || b.found - a.found,
  )
}

/** A score with one decimal, never rounded up: 100.0 means that nothing was found. */
export function scoreWords(value: number): string {
  return (Math.floor(value * 10 + 1e-6) / 10).toFixed(1)
}

/** Rules of the check that could not be asked, with the reason. */
export function skippedOf(report: Pick<ImportReport, 'check'>): { rule: string; title: Title; why: Title }[] {
  return (report.check?.rules ?? []).flatMap((rule) =>
    rule.skipped ? [{ rule: rule.id, title: rule.title, why: rule.skipped }] : [],
  )
}

/** What is put right whether or not anybody says so; a word `none` would forbid it. */
export const ALWAYS: readonly string[] = ['trim', 'reformat', 'valid']

/** Mendings that could put something right, in the order of what they would put right most. */
export function mendingsOf(rules: readonly RuleFound[]): { mend: string; found: number }[] {
  const found = new Map<string, number>()
  for (const rule of rules) if (rule.mend) found.set(rule.mend, (found.get(rule.mend) ?? 0) + rule.found)
  return [...found].map(([mend, n]) => ({ mend, found: n })).sort((a, b) => b.found - a.found)
}

/** A mending as the option takes it, `snap=0.05m`, taken apart. */
export function mendingName(text: string): string {
  return text.split('=', 1)[0] ?? ''
}

/** The mendings chosen after switching `name` on or off, with its tolerance where it takes one. */
export function switched(chosen: readonly string[], name: string, on: boolean, metres?: number): string[] {
  const others = chosen.filter((one) => mendingName(one) !== name)
  return on ? [...others, metres === undefined ? name : `${name}=${metres}m`] : others
}

/** Findings of reading in the form of the check's; they have no place. */
export function readingFindings(report: Pick<ImportReport, 'findings'>, rule: string, severity: Severity): CheckFinding[] {
  return report.findings
    .filter((finding) => finding.rule === rule)
    .map((finding) => {
      const title = { zh: finding.zh, en: finding.en }
      return { ...finding, number: 0, rule: { id: rule, title, source: '' }, severity, geometry: null }
    })
}
