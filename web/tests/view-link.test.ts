import { describe, expect, it } from 'vitest'
import { read, write, type Shared } from '@/map/view-link'

const shared: Shared = {
  view: { zoom: 16.25, lat: 31.74, lon: 116.5, bearing: -18, pitch: 55 },
  visible: ['road', 'building'],
  opacity: { building: 0.6 },
  threeD: true,
  here: { lon: 116.500123, lat: 31.740456 },
  at: Date.UTC(2025, 2, 1, 4, 5, 6, 789),
  run: '0b2f3a1c-1111-4222-8333-123456789abc',
}

describe('the view in the address bar', () => {
  it('reads what it wrote', () => expect(read(write(shared))).toEqual(shared))

  it('takes a date for its end in China, and no date for now', () => {
    expect(read('#at=2025-03-01').at).toBe(Date.UTC(2025, 2, 1, 15, 59, 59, 999))
    for (const hash of ['#at=', '#at=yesterday', '#14/31.7/116.5']) expect(read(hash).at).toBeNull()
  })

  it('tells no layers from nothing said about layers', () => {
    expect(read('#14/31.7/116.5').visible).toBeNull()
    expect(read('#14/31.7/116.5&on=').visible).toEqual([])
  })

  it.each(['', '#', '#on', '#a/b/c', '#14/91/200', '#14/31.7', '#fade=x:900,:3,y', '#NaN/1/1', '#here=1', '#here=a,b'])(
    'makes nothing of %j',
    (hash) => {
      const { view, opacity, here } = read(hash)
      expect(view).toBeNull()
      expect(opacity).toEqual({})
      expect(here).toBeNull()
    },
  )
})
