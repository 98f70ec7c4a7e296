import { describe, expect, it } from 'vitest'
import { dayOf, endOfDay, marksOf, momentAt, shareOf, spanOf } from '@/time/axis'
import { addressAt, changeAt, countAt, keep, msOf, standing, stopsOf } from '@/time/past'
import type { Moment, Timeline } from '@/api'

const change = (at: string, layer: string, version: number, rows: [number, number, number] | null, taken: string | null = null): Moment => ({
  at,
  layer,
  version,
  taken,
  added: rows?.[0] ?? null,
  changed: rows?.[1] ?? null,
  removed: rows?.[2] ?? null,
})

const TOLD: Timeline = {
  layers: [
    { layer: 'road', history: 'versions', since: '2024-01-01T00:00:00.000001Z', states: 2 },
    { layer: 'park', history: 'versions', since: '2025-01-01T00:00:00Z', states: 1 },
    { layer: 'plaza', history: 'none', since: null, states: 0 },
    { layer: 'image', history: 'pictures', since: '2023-12-31T16:00:00Z', states: 2 },
  ],
  moments: [
    change('2026-01-01T00:00:00Z', 'road', 2, [5, 1, 2]),
    change('2025-05-01T00:00:00Z', 'image', 2, null, '2025-05'),
    change('2025-01-01T00:00:00Z', 'park', 1, [7, 0, 0]),
    change('2024-01-01T00:00:00.000001Z', 'road', 1, [10, 0, 0]),
    change('2023-12-31T16:00:00Z', 'image', 1, null, '2024'),
  ],
  left_out: 0,
}
const KEPT = keep(TOLD)
const at = (iso: string) => Date.parse(iso)
const BASE = 'http://city/tiles/road,park,plaza.json'

describe('the map at a moment', () => {
  it('knows what stood, what not yet, and of what nobody knows', () => {
    const then = at('2024-06-01T00:00:00Z')
    expect(['road', 'park', 'plaza', 'stranger'].map((id) => standing(KEPT, id, then))).toEqual([
      'then', 'not-yet', 'no-history', 'no-history',
    ])
    expect(standing(KEPT, 'plaza', null)).toBe('now')
  })

  it('counts microseconds up, so that a change can be gone to', () => {
    const first = '2024-01-01T00:00:00.000001Z'
    expect(standing(KEPT, 'road', at(first))).toBe('not-yet')
    expect(standing(KEPT, 'road', msOf(first))).toBe('then')
  })

  it('asks for the layers that stood, at the last change of any of them', () => {
    const of = (iso: string) => addressAt(BASE, KEPT, at(iso))
    expect(of('2023-01-01T00:00:00Z')).toBeNull()
    expect(of('2024-06-01T00:00:00Z')).toBe('http://city/tiles/road.json?datetime=2024-01-01T00%3A00%3A00.000001Z')
    expect(of('2025-06-01T00:00:00Z')).toBe('http://city/tiles/road,park.json?datetime=2025-01-01T00%3A00%3A00Z')
    expect(of('2025-07-01T00:00:00Z')).toBe(of('2025-06-01T00:00:00Z'))
  })

  it('asks for the tiles of now after the last change, and for all of them now', () => {
    expect(addressAt(BASE, KEPT, at('2026-02-01T00:00:00Z'))).toBe('http://city/tiles/road,park.json?')
    expect(addressAt(BASE, KEPT, null)).toBe(BASE)
  })

  it('names the moment itself where the change before it was kept back', () => {
    const part = keep({ ...TOLD, moments: TOLD.moments.slice(0, 3), left_out: 2 })
    const then = addressAt('http://city/tiles/road.json', part, at('2024-06-01T00:00:00Z'))
    expect(then).toBe('http://city/tiles/road.json?datetime=2024-06-01T00%3A00%3A00.000Z')
    expect(countAt(part, 'road', 13, at('2024-06-01T00:00:00Z'))).toBeNull()
  })

  it('chooses the picture taken last', () => {
    expect(changeAt(KEPT, 'image', at('2025-04-01T00:00:00Z'))?.taken).toBe('2024')
    expect(changeAt(KEPT, 'image', at('2025-06-01T00:00:00Z'))?.taken).toBe('2025-05')
  })

  it('counts rows back from now', () => {
    expect(countAt(KEPT, 'road', 13, at('2025-01-01T00:00:00Z'))).toBe(10)
    expect(countAt(KEPT, 'road', 13, null)).toBe(13)
    expect(countAt(KEPT, 'road', null, at('2025-01-01T00:00:00Z'))).toBeNull()
  })
})

describe('stops', () => {
  it('are the changes of the layers that are asked for, oldest first', () => {
    const stops = stopsOf(KEPT, ['road', 'park'], at('2026-06-01T00:00:00Z'))
    expect(stops.map((stop) => stop.changes.map(({ layer }) => layer))).toEqual([['road'], ['park'], ['road']])
    expect(stopsOf(KEPT, ['plaza'], 0)).toEqual([])
  })

  it('hold changes together that would lie on one another, at the last of them', () => {
    const both = keep({
      ...TOLD,
      moments: [change('2025-01-01T00:00:09Z', 'park', 1, [1, 0, 0]), change('2025-01-01T00:00:00Z', 'road', 1, [1, 0, 0])],
    })
    const [stop, ...rest] = stopsOf(both, ['road', 'park'], at('2026-01-01T00:00:00Z'))
    expect(rest).toEqual([])
    expect(stop?.changes).toHaveLength(2)
    expect(stop?.at).toBe(msOf('2025-01-01T00:00:09Z'))
  })
})

describe('the line', () => {
  const span = { from: at('2024-01-01T00:00:00Z'), to: at('2026-01-01T00:00:00Z') }

  it('finds a moment for a share and a share for a moment', () => {
    for (const share of [0, 0.25, 1]) expect(shareOf(span, momentAt(span, share))).toBeCloseTo(share, 9)
    expect([shareOf(span, 0), shareOf(span, Infinity)]).toEqual([0, 1])
  })

  it('is never without length', () => {
    const now = at('2026-01-01T00:00:00Z')
    for (const first of [undefined, now, now + 5000]) expect(spanOf(first, now).from).toBeLessThan(now)
  })

  it.each([2, 4, 8])('bears round dates, at most %d', (most) => {
    for (const length of [60e3, 3600e3, 86400e3, 40 * 86400e3, 800 * 86400e3, 9000 * 86400e3]) {
      const marks = marksOf({ from: span.to - length, to: span.to }, most)
      expect(marks.length).toBeLessThanOrEqual(most + 1)
      expect(marks.map((mark) => mark.at)).toEqual([...marks.map((mark) => mark.at)].sort((a, b) => a - b))
    }
  })

  it('takes a day for its end', () => {
    expect(dayOf(endOfDay('2025-03-01')!)).toBe('2025-03-01')
    expect(dayOf(endOfDay('2025-03-01')! + 1)).toBe('2025-03-02')
    expect(endOfDay('')).toBeNull()
  })
})
