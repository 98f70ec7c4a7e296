/** What the import panel decides without the service. */
import { describe, expect, it } from 'vitest'
import type { ChangedRow, ImportReport, ImportRun, Layer, LookedTable } from '@/api'
import { Problem, Unreachable } from '@/api'
import {
  choose,
  fieldsOf,
  isLayerId,
  isReady,
  lackingOf,
  layersFor,
  placeOptions,
  placesChanged,
  placeValue,
  tidied,
  codesIn,
  extentOf,
  isDate,
  isPart,
  removesOf,
  removesText,
} from '@/imports/choices'
import { changesOf, drawnChanges, unite } from '@/imports/difference'
import { mendingsOf, rulesOf, scoreWords, skippedOf, switched } from '@/imports/findings'
import { markOf, mayGoOn, waitMs } from '@/imports/sending'
import { isOpen, reachOf, shareRead, STEPS } from '@/imports/steps'
import { bytes } from '@/imports/words'

const run = (more: Partial<ImportRun>) => ({ state: 'looked', look_first: true, reports: [], ...more }) as ImportRun

const field = (name: string, required = false) => ({
  name,
  title: { zh: name, en: name },
  type: 'text' as const,
  unit: null,
  required,
  is_key: required,
  lacking: false,
})

const table = (more: Partial<LookedTable> = {}): LookedTable =>
  ({
    table: 't.csv',
    kind: 'rows',
    geometry: null,
    columns: [
      { name: '编号', samples: ['1'], field: 'code', evidence: null },
      { name: '名', samples: [], field: null, evidence: null },
      { name: 'a', samples: [], field: '@x', evidence: null },
      { name: 'b', samples: [], field: '@y', evidence: null },
    ],
    fields: [field('code', true), field('name')],
    lacking: [],
    troubles: [],
    ...more,
  }) as LookedTable

describe('how far an import has come', () => {
  it('begins with the files', () => expect(reachOf(null)).toEqual({ at: 'files', open: ['files'], busy: false }))

  it.each([
    ['uploaded', true, 'look', true],
    ['reading', true, 'look', true],
    ['looked', true, 'look', false],
    ['uploaded', false, 'check', true],
    ['reading', false, 'check', true],
    ['staged', false, 'check', false],
    ['refused', false, 'check', false],
    ['refused', true, 'look', false],
    ['published', false, 'publish', false],
    ['unchanged', false, 'publish', false],
    ['failed', true, 'look', false],
  ] as const)('%s (looked at first: %s) is at %s', (state, look_first, at, busy) => {
    const reach = reachOf(run({ state, look_first }))
    expect([reach.at, reach.busy]).toEqual([at, busy])
    expect(reach.open).toContain(at)
    expect(STEPS).toEqual(expect.arrayContaining([...reach.open]))
  })

  it('shows what was refused next to the fields, to read it otherwise', () =>
    expect(reachOf(run({ state: 'refused', look_first: false })).open).toContain('fields'))

  it('is over or not', () => expect([isOpen({ state: 'staged' }), isOpen({ state: 'refused' })]).toEqual([true, false]))

  it('is told in parts where the rows are known', () => {
    expect(shareRead({ rows_done: 5, rows_total: 20 })).toBe(0.25)
    expect(shareRead({ rows_done: 5, rows_total: null })).toBeNull()
    expect(shareRead({ rows_done: 21, rows_total: 20 })).toBe(1)
  })
})

describe('columns and fields', () => {
  it('are what was found, and what a person says over it', () =>
    expect(fieldsOf(table(), { 名: 'name', a: '' })).toEqual({ 编号: 'code', 名: 'name', a: '', b: '@y' }))

  it('a field has one column: the one before is left out', () => {
    const said = choose(table(), {}, '名', 'code')
    expect(fieldsOf(table(), said)).toMatchObject({ 编号: '', 名: 'code' })
  })

  it('what agrees with what was found is not said', () => expect(choose(table(), {}, '编号', 'code')).toEqual({}))

  it('what was said and is taken back stays said', () => {
    const said = choose(table(), choose(table(), {}, '名', 'name'), '名', '')
    expect(fieldsOf(table(), said)['名']).toBe('')
  })

  it('a required field without a column is missing', () => {
    expect(lackingOf(table(), {})).toEqual([])
    expect(lackingOf(table(), { 编号: '' })).toEqual(['code'])
    expect(lackingOf(table({ lacking: ['name'] }), {})).toEqual(['name'])
    expect(lackingOf(table({ lacking: ['name'] }), { 名: 'name' })).toEqual([])
  })

  it('coordinates are looked at again once both are chosen', () => {
    expect(placesChanged(table(), {})).toBe(false)
    expect(placesChanged(table(), { a: '@y', b: '' })).toBe(false)
    expect(placesChanged(table(), { a: '@y', b: '@x' })).toBe(true)
    expect(placesChanged(table(), { 名: '@wkt', a: '', b: '' })).toBe(true)
  })

  it('an import may be read when nothing stops it', () => {
    const stopped = table({ troubles: [{ rule: 'place', stops: true, zh: '', en: '' }] })
    const noted = table({ troubles: [{ rule: 'geometry.elsewhere', stops: false, zh: '', en: '' }] })
    expect([isReady([table()], {}), isReady([noted], {}), isReady([stopped], {}), isReady([], {})]).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(isReady([stopped, table({ table: 'u' })], { tables: { 't.csv': { skip: true } } })).toBe(true)
  })
})

describe('what is sent as options', () => {
  it('leaves out what says nothing, and keeps a no to exchanged axes', () =>
    expect(
      tidied({
        partial: false,
        encoding: '',
        mend: [],
        tables: { a: { columns: {}, swapped: false }, b: { title: null, skip: false } },
      }),
    ).toEqual({ mend: [], tables: { a: { swapped: false } } }))

  it('a place is one value of a list and back', () => {
    const place = { crs: 'EPSG:4490', frame: 'gcj02' as const, swapped: true }
    expect(placeOptions(placeValue(place))).toEqual(place)
    expect(placeOptions('EPSG:4548||')).toEqual({ crs: 'EPSG:4548', frame: null, swapped: false })
  })

  it('a layer has an id that fits', () =>
    expect(['trees_2', '2trees', 'Trees', 'a__past', ''].map(isLayerId)).toEqual([true, false, false, false, false]))

  it('a part is told by its codes, rows that are gone by a column and its values', () => {
    expect([extentOf({}), extentOf({ partial: true }), extentOf({ within: [] })]).toEqual(['whole', 'changes', 'part'])
    expect(codesIn('341502，341503 341502').filter(isPart)).toEqual(['341502', '341503'])
    expect(isPart('3415')).toBe(false)
    expect(removesText('变更类型', '删除，注销')).toBe('变更类型=删除,注销')
    expect([removesText('', '删除'), removesText('变更类型', ' ')]).toEqual([null, null])
    expect(removesOf({ removes: '变更类型=删除,注销' })).toEqual({ column: '变更类型', values: '删除,注销' })
  })

  it('a date is a year, a month or a day', () => {
    expect(['2024', '2024-05', '2024-05-01', '2024-5', '昨天', ''].map(isDate)).toEqual([true, true, true, false, false, false])
  })

  it('only layers of the same geometry are offered', () => {
    const rows = ['Point', 'MultiPolygon', 'Geometry'].map((geometry_type) => ({ kind: 'rows', geometry_type }))
    const layers = [...rows, { kind: 'raster', geometry_type: 'Geometry' }] as Layer[]
    expect(layersFor(table({ kind: 'raster', geometry: 'Polygon' }), layers)).toEqual([layers[3]])
    expect(layersFor(table({ geometry: 'Polygon' }), layers).map((one) => one.geometry_type)).toEqual([
      'MultiPolygon',
      'Geometry',
    ])
    expect(layersFor(table(), layers)).toHaveLength(3)
  })
})

describe('a difference', () => {
  const point = (x: number): GeoJSON.Point => ({ type: 'Point', coordinates: [x, 0] })
  const row: ChangedRow = {
    key: 'a',
    before: { geometry: point(1), properties: { name: '甲', height: 3, note: null } },
    after: { geometry: point(2), properties: { name: '甲', height: 4, note: '' } },
  }

  it('names the fields that differ, empty and nothing being the same', () =>
    expect(changesOf(row)).toEqual([
      { field: 'height', before: '3', after: '4' },
      { field: '', before: '', after: '' },
    ]))

  it('is drawn with what was below what will be', () => {
    const drawn = drawnChanges({ added: [{ ...row, before: null }], changed: [row], removed: [{ ...row, after: null }] })
    expect(drawn.map((one) => [one.tone, one.id])).toEqual([
      ['removed', 'removed#a'],
      ['before', 'changed#a'],
      ['changed', 'changed#a'],
      ['added', 'added#a'],
    ])
  })

  it('has one box', () => {
    expect(unite([[0, 0, 1, 1], null, [3, -1, 4, 0]])).toEqual([0, -1, 4, 1])
    expect(unite([null])).toBeNull()
  })
})

describe('what was found wrong', () => {
  const rule = (id: string, severity: string, found: number, mend: string | null = null) => ({
    id,
    severity,
    found,
    mend,
    title: { zh: id, en: id },
    source: '',
    checked: 10,
    skipped: id === 'asked.not' ? { zh: '缺少', en: 'missing' } : null,
    limited: null,
  })
  const report = {
    rules: [
      { rule: 'text.trimmed', severity: 'mended', rows: 9, zh: '', en: '', source: '', details: { b: 1, a: 8 } },
      { rule: 'key.repeated', severity: 'refused', rows: 1, zh: '', en: '', source: '', details: {} },
    ],
    check: {
      rules: [
        rule('geometry.invalid', 'error', 2, 'valid'),
        rule('code.unknown', 'warning', 5, 'codes'),
        rule('key.repeated', 'error', 1),
        rule('asked.not', 'error', 0),
      ],
    },
  } as unknown as ImportReport

  it('is listed by rule, the gravest and most frequent first, each rule once', () => {
    const listed = rulesOf(report)
    expect(listed.map((one) => [one.rule, one.severity])).toEqual([
      ['geometry.invalid', 'error'],
      ['key.repeated', 'error'],
      ['code.unknown', 'warning'],
      ['text.trimmed', 'mended'],
    ])
    expect(listed[3]?.details[0]).toEqual(['a', 8])
  })

  it('a report without the check has the rules of reading', () =>
    expect(rulesOf({ rules: report.rules }).map((one) => one.rule)).toEqual(['key.repeated', 'text.trimmed']))

  it('what could not be asked is told with the reason', () =>
    expect(skippedOf(report).map((one) => one.rule)).toEqual(['asked.not']))

  it('may be mended, the most frequent first', () =>
    expect(mendingsOf(rulesOf(report))).toEqual([
      { mend: 'codes', found: 5 },
      { mend: 'valid', found: 2 },
    ]))

  it('is told once, where reading and the check say the same', () => {
    const both = {
      rules: [{ rule: 'key.repeated' }, { rule: 'check.error' }, { rule: 'value.not_in_codes' }].map((one) => ({
        ...one,
        severity: 'refused',
        rows: 1,
        details: {},
      })),
      check: { rules: [rule('ATT-03', 'error', 2)] },
    } as unknown as ImportReport
    expect(rulesOf(both).map((one) => one.rule)).toEqual(['ATT-03', 'value.not_in_codes'])
  })

  it('a score is never rounded up', () =>
    expect([99.96, 100, 87.35, 0].map(scoreWords)).toEqual(['99.9', '100.0', '87.3', '0.0']))

  it('a mending is switched with its tolerance', () => {
    expect(switched(['valid'], 'snap', true, 0.05)).toEqual(['valid', 'snap=0.05m'])
    expect(switched(['valid', 'snap=0.05m'], 'snap', false)).toEqual(['valid'])
    expect(switched(['valid'], 'valid', true)).toEqual(['valid'])
  })
})

describe('files on their way', () => {
  it('go on after what passes, and not after a refusal', () => {
    const problem = (status: number) => new Problem(status, '', '', {})
    expect([new Unreachable(null), problem(503), problem(409), problem(413), new Error('?')].map(mayGoOn)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
  })

  it('wait longer each time, ten seconds at most', () => {
    expect([0, 1, 2, 3, 4, 50].map(waitMs)).toEqual([500, 1000, 2000, 5000, 10_000, 10_000])
  })

  it('are known again by name, size and time', () =>
    expect(markOf({ name: 'a.zip', size: 3, lastModified: 7 })).toBe('a.zip/3/7'))

  it('have sizes people read', () =>
    expect([512, 2048, 5_242_880, 3 * 1024 ** 3].map(bytes)).toEqual(['512 B', '2 KB', '5.0 MB', '3.00 GB']))
})
