import { describe, expect, it } from 'vitest'
import type { Layer, Offer } from '@/api'
import { bodyOf, freeId, wishesFor } from '@/services/register'

const offer = (name: string, title = ''): Offer => ({ name, title, form: 'pictures', bounds: null, parts: [], problem: null })

describe('a layer of another system', () => {
  it.each([
    ['gh:plan', 'gh_plan'],
    ['0/query', 'query'],
    ['Roads-2024', 'roads_2024'],
    ['控规', 'service'],
    ['', 'service'],
    ['x'.repeat(90), 'x'.repeat(44)],
  ])('is called by an id: %j → %j', (name, id) => {
    expect(freeId(name, new Set())).toBe(id)
    expect(id).toMatch(/^[a-z][a-z0-9_]{0,47}$/)
  })

  it('takes no id that another has', () => {
    const layers = [{ id: 'plan' }, { id: 'plan_2' }] as Layer[]
    expect(wishesFor([offer('plan'), offer('Plan', '控规')], layers).map(({ id, title }) => [id, title])).toEqual([
      ['plan_3', 'plan'],
      ['plan_4', '控规'],
    ])
  })

  it('is registered by its name there and its id here', () => {
    const [wish] = wishesFor([offer('gh:plan', '控规')], [])
    const common = { url: 'http://x/wms', kind: 'wms', theme: 'base', access: 'login' as const, secrets: [] }
    expect(bodyOf(wish!, common)).toMatchObject({ layer: 'gh:plan', id: 'gh_plan', title: '控规', kind: 'wms' })
  })
})
