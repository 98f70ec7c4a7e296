/** A span of time as a line on the screen: shares of its length, words for moments, dates along it. Pure. */

export interface Span {
  from: number
  to: number
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** The shortest line there is: changes of one minute still lie apart. */
const SHORTEST = MINUTE
/** How much of the line lies before the first change. */
const LEAD = 0.04

/** From a little before the first moment to now. */
export function spanOf(first: number | undefined, now: number): Span {
  const length = Math.max(now - (first ?? now), SHORTEST)
  return { from: now - length * (1 + LEAD), to: now }
}

export function shareOf({ from, to }: Span, at: number): number {
  return Math.min(1, Math.max(0, (at - from) / (to - from)))
}

export function momentAt({ from, to }: Span, share: number): number {
  return Math.round(from + (to - from) * Math.min(1, Math.max(0, share)))
}

const two = (n: number) => String(n).padStart(2, '0')

/** 2025-03-01; with the time of day where the span is short enough for it to matter. */
export function wordsOf(at: number, span: Span): string {
  const date = new Date(at)
  const day = dayOf(at)
  const length = span.to - span.from
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`
  if (length < 6 * HOUR) return `${day} ${clock}:${two(date.getSeconds())}`
  return `${day} ${clock}`
}

/** As a field for dates wants it, in the time of this computer. */
export function dayOf(at: number): string {
  const date = new Date(at)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

/** The last moment of a day; null for no day. */
export function endOfDay(day: string): number | null {
  const [year, month, date] = day.split('-').map(Number)
  if (!year || !month || !date) return null
  return new Date(year, month - 1, date, 23, 59, 59, 999).getTime()
}

export interface Mark {
  at: number
  words: string
}

type Unit = 'minute' | 'hour' | 'day' | 'month' | 'year'

/** Steps between dates along the line, in order. */
const STEPS: [Unit, number, number][] = [
  ['minute', 1, MINUTE],
  ['minute', 5, 5 * MINUTE],
  ['minute', 15, 15 * MINUTE],
  ['hour', 1, HOUR],
  ['hour', 3, 3 * HOUR],
  ['hour', 6, 6 * HOUR],
  ['day', 1, DAY],
  ['day', 2, 2 * DAY],
  ['day', 7, 7 * DAY],
  ['month', 1, 31 * DAY],
  ['month', 3, 92 * DAY],
  ['month', 6, 184 * DAY],
  ['year', 1, 366 * DAY],
  ['year', 2, 732 * DAY],
  ['year', 5, 1830 * DAY],
  ['year', 10, 3660 * DAY],
  ['year', 50, 18_300 * DAY],
]

/** Round dates along the line, at most `most` of them. */
export function marksOf(span: Span, most: number): Mark[] {
  const length = span.to - span.from
  const [unit, by] = STEPS.find(([, , ms]) => length / ms <= most) ?? STEPS.at(-1)!
  const marks: Mark[] = []
  for (let date = floor(new Date(span.from), unit, by); date.getTime() <= span.to; date = next(date, unit, by)) {
    if (date.getTime() >= span.from) marks.push({ at: date.getTime(), words: named(date, unit) })
  }
  return marks
}

function floor(date: Date, unit: Unit, by: number): Date {
  const [year, month, day, hour, minute] = [
    date.getFullYear(), date.getMonth(), date.getDate(), date.getHours(), date.getMinutes(),
  ]
  if (unit === 'year') return new Date(Math.floor(year / by) * by, 0, 1)
  if (unit === 'month') return new Date(year, Math.floor(month / by) * by, 1)
  if (unit === 'day') return new Date(year, month, by === 7 ? day - ((date.getDay() + 6) % 7) : Math.floor((day - 1) / by) * by + 1)
  if (unit === 'hour') return new Date(year, month, day, Math.floor(hour / by) * by)
  return new Date(year, month, day, hour, Math.floor(minute / by) * by)
}

function next(date: Date, unit: Unit, by: number): Date {
  const then = new Date(date)
  if (unit === 'year') then.setFullYear(then.getFullYear() + by)
  else if (unit === 'month') then.setMonth(then.getMonth() + by)
  else if (unit === 'day') then.setDate(then.getDate() + by)
  else if (unit === 'hour') then.setHours(then.getHours() + by)
  else then.setMinutes(then.getMinutes() + by)
  return then
}

function named(date: Date, unit: Unit): string {
  if (unit === 'year') return String(date.getFullYear())
  if (unit === 'month') return `${date.getFullYear()}-${two(date.getMonth() + 1)}`
  if (unit === 'day') return `${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`
  return clock === '00:00' ? `${two(date.getMonth() + 1)}-${two(date.getDate())}` : clock
}
