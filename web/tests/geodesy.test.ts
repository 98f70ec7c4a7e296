import { describe, expect, it } from 'vitest'
import { areaM2, distanceM, lengthM } from '@/map/geodesy'

// expected: PROJ 9 (pyproj.Geod, a = 6378137, 1/f = 298.257222101)
describe('geodesy on the CGCS2000 ellipsoid', () => {
  it('measures a distance as PROJ does, to a tenth of a millimetre', () => {
    expect(distanceM([116.5, 31.74], [116.51, 31.75])).toBeCloseTo(1458.5323288537352, 4)
    expect(distanceM([116.5, 31.74], [117.9, 32.9])).toBeCloseTo(184185.5640701033, 3)
  })

  it('measures nothing between a point and itself', () => {
    expect(distanceM([116.5, 31.74], [116.5, 31.74])).toBe(0)
  })

  it('adds the parts of a line', () => {
    const there = distanceM([116.5, 31.74], [116.51, 31.75])
    expect(lengthM([[116.5, 31.74], [116.51, 31.75], [116.5, 31.74]])).toBeCloseTo(2 * there, 9)
    expect(lengthM([])).toBe(0)
  })

  it('measures an area as PROJ does, to ten parts per million', () => {
    const block = [[116.5, 31.74], [116.51, 31.741], [116.512, 31.752], [116.498, 31.75]] as const
    expect(areaM2(block) / 1323810.7499166727).toBeCloseTo(1, 5)
    const district = [[116.5, 31.7], [116.6, 31.7], [116.6, 31.8], [116.5, 31.8]] as const
    expect(areaM2(district) / 105059592.54383087).toBeCloseTo(1, 5)
  })

  it('measures the same whichever way a ring runs, closed or not', () => {
    const ring = [[116.5, 31.74], [116.51, 31.741], [116.512, 31.752]] as const
    const closedBackwards = [ring[0], ring[2], ring[1], ring[0]]
    expect(areaM2(closedBackwards)).toBeCloseTo(areaM2(ring), 6)
  })
})
