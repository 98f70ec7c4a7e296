/** What the page reads from people and says to them. */
import { describe, expect, it } from 'vitest'
import type { CityEvent, Field, Layer } from '@/api'
import { passes } from '@/events/state'
import { en } from '@/i18n/en'
import { zh } from '@/i18n/zh'
import { rowsOf, valueOf } from '@/identify/values'
import { changesBetween } from '@/layers/changes'
import { alphaField } from '@/map/distance-field'
import { readCoordinates } from '@/search/coordinates'
import { badgeText, inkOn } from '@/stations/badge'

const field = (name: string, more: Partial<Field> = {}): Field => ({
  name,
  title: { zh: `${name}名`, en: name },
  type: 'text',
  ...more,
})

describe('the two languages', () => {
  it('leave the same places open in every sentence', () => {
    const places = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort()
    for (const key of Object.keys(zh) as (keyof typeof zh)[]) {
      expect([key, places(en[key])]).toEqual([key, places(zh[key])])
    }
  })
})

describe('coordinates somebody typed', () => {
  it.each([
    ['116.503, 31.742', 116.503, 31.742],
    ['116.503，31.742', 116.503, 31.742],
    ['31.742 116.503', 116.503, 31.742],
    ['116°30′36″E 31°44′24″N', 116.51, 31.74],
    ['北纬31°44′24″N，东经116°30′36″E', 116.51, 31.74],
  ])('%s', (text, lon, lat) => {
    const typed = readCoordinates(text)
    expect(typed?.lon).toBeCloseTo(lon, 6)
    expect(typed?.lat).toBeCloseTo(lat, 6)
  })

  it.each(['梅山路', '341502 001', '116.5', '200.1, 95.2', '1, 2', ''])('%j is something else', (text) => {
    expect(readCoordinates(text)).toBeNull()
  })
})

describe('the facts of a feature', () => {
  it('are titled, with units and the titles of codes, empty ones left out', () => {
    const layer = {
      fields: [
        field('kind', { codes: { air: { zh: '空气', en: 'air' } } }),
        field('area', { type: 'number', unit: 'm2' }),
        field('note'),
      ],
    } as Layer
    const properties = { area: 12.34567, kind: 'air', note: null, _key: 'x', extra: 1 }
    const rows = rowsOf({ type: 'Feature', id: 1, geometry: null, properties }, layer)
    expect(rows.map((row) => [row.title, row.value])).toEqual([
      ['kind名', '空气 (air)'],
      ['area名', '12.346 m²'],
      ['extra', '1'],
    ])
  })

  it('do not repeat a code that is its own title', () => {
    expect(valueOf('完好', field('state', { codes: { 完好: { zh: '完好', en: 'intact' } } }))).toBe('完好')
  })
})

describe('a badge', () => {
  it('says the index, else the first reading, else a dash', () => {
    const level = { zh: '良', en: 'good' }
    expect(badgeText({ index: { kind: 'aqi', value: 78, level, color: '#ffff00', primary: [] }, values: [] })).toBe('78')
    const values = [{ indicator: 'leq', title: level, value: 56.249, unit: 'dB', observed_at: '' }]
    expect(badgeText({ index: null, values })).toBe('56.2')
    expect(badgeText({ index: null, values: [] })).toBe('–')
  })

  it.each([['#ffff00', '#111111'], ['#00e400', '#111111'], ['#7e0023', '#ffffff'], ['#99004c', '#ffffff']])(
    'is readable on %s',
    (colour, ink) => expect(inkOn(colour)).toBe(ink),
  )
})

describe('the filter of cases', () => {
  const event = (state: string, overdue = false) => ({ state, overdue }) as CityEvent

  it('counts as open what somebody still has to do', () => {
    expect(passes(event('checked'), 'open')).toBe(true)
    expect(passes(event('closed'), 'open')).toBe(false)
    expect(passes(event('rejected'), 'open')).toBe(false)
  })

  it('shows overdue cases only while they are open', () => {
    expect(passes(event('dispatched', true), 'overdue')).toBe(true)
    expect(passes(event('closed', true), 'overdue')).toBe(false)
  })
})

it('a layer with another version keeps most of its tiles; one that is drawn otherwise, came or went does not', () => {
  const layer = (id: string, version: number, status = 'published', names = ['code']) =>
    ({ id, version, status, fields: names.map((name) => ({ name })) }) as Layer
  const before = [layer('a', 1), layer('b', 1), layer('c', 1), layer('gone', 1), layer('wider', 1)]
  const now = [
    layer('a', 1),
    layer('b', 3),
    layer('c', 1, 'withdrawn'),
    layer('new', 1),
    layer('wider', 2, 'published', ['code', 'name']),
  ]
  const { republished, others } = changesBetween(before, now)
  expect(republished).toEqual([{ id: 'b', since: 1 }])
  expect([...others]).toEqual(['c', 'new', 'wider', 'gone'])
})

it('a distance field is more than three quarters inside, less outside', () => {
  const data = new Uint8ClampedArray(9 * 9 * 4)
  for (let y = 3; y < 6; y++) for (let x = 3; x < 6; x++) data[(y * 9 + x) * 4 + 3] = 255
  const field = alphaField({ width: 9, height: 9, data })
  expect(field[4 * 9 + 4]).toBeGreaterThan(191)
  expect(field[4 * 9 + 2]).toBeLessThan(191)
  expect(field[0]).toBeLessThan(field[2 * 9 + 2]!)
})
