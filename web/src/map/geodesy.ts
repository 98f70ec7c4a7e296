/** Lengths and areas on the CGCS2000 ellipsoid (GB/T 33176 parameters: a = 6378137 m, 1/f = 298.257222101). */

export type Position = readonly [number, number]

const A = 6_378_137
const F = 1 / 298.257222101
const B = A * (1 - F)
const E2 = F * (2 - F)
const E = Math.sqrt(E2)

const radians = (degrees: number) => (degrees * Math.PI) / 180

/** Geodesic distance in metres (Vincenty's inverse formula); NaN for antipodal points, where it does not converge. */
export function distanceM([lon1, lat1]: Position, [lon2, lat2]: Position): number {
  const L = radians(lon2 - lon1)
  const u1 = Math.atan((1 - F) * Math.tan(radians(lat1)))
  const u2 = Math.atan((1 - F) * Math.tan(radians(lat2)))
  const [sin1, cos1, sin2, cos2] = [Math.sin(u1), Math.cos(u1), Math.sin(u2), Math.cos(u2)]
  let lambda = L
  for (let round = 0; round < 100; round++) {
    const sinL = Math.sin(lambda)
    const cosL = Math.cos(lambda)
    const sinSigma = Math.hypot(cos2 * sinL, cos1 * sin2 - sin1 * cos2 * cosL)
    if (sinSigma === 0) return 0
    const cosSigma = sin1 * sin2 + cos1 * cos2 * cosL
    const sigma = Math.atan2(sinSigma, cosSigma)
    const sinAlpha = (cos1 * cos2 * sinL) / sinSigma
    const cos2Alpha = 1 - sinAlpha ** 2
    const cos2Sm = cos2Alpha === 0 ? 0 : cosSigma - (2 * sin1 * sin2) / cos2Alpha
    const C = (F / 16) * cos2Alpha * (4 + F * (4 - 3 * cos2Alpha))
    const before = lambda
    lambda =
      L +
      (1 - C) * F * sinAlpha * (sigma + C * sinSigma * (cos2Sm + C * cosSigma * (2 * cos2Sm ** 2 - 1)))
    if (Math.abs(lambda - before) > 1e-12) continue
    const uu = (cos2Alpha * (A * A - B * B)) / (B * B)
    const a = 1 + (uu / 16384) * (4096 + uu * (-768 + uu * (320 - 175 * uu)))
    const b = (uu / 1024) * (256 + uu * (-128 + uu * (74 - 47 * uu)))
    const correction =
      b *
      sinSigma *
      (cos2Sm +
        (b / 4) *
          (cosSigma * (2 * cos2Sm ** 2 - 1) -
            (b / 6) * cos2Sm * (4 * sinSigma ** 2 - 3) * (4 * cos2Sm ** 2 - 3)))
    return B * a * (sigma - correction)
  }
  return Number.NaN
}

export function lengthM(line: readonly Position[]): number {
  return line.slice(1).reduce((sum, position, n) => sum + distanceM(line[n]!, position), 0)
}

/**
 * Area of a ring in m², whichever way it runs; closed or not. Exact for edges that are straight in
 * longitude and authalic latitude, which over a city differ from geodesics by parts per million.
 */
export function areaM2(ring: readonly Position[]): number {
  let sum = 0
  ring.forEach(([lon, lat], n) => {
    const [nextLon, nextLat] = ring[(n + 1) % ring.length]!
    sum += radians(nextLon - lon) * (q(lat) + q(nextLat))
  })
  return Math.abs((A * A * sum) / 4)
}

/** Snyder's q: proportional to the sine of the authalic latitude (Map Projections, eq. 3-12). */
function q(lat: number): number {
  const s = Math.sin(radians(lat))
  return (1 - E2) * (s / (1 - E2 * s * s) - Math.log((1 - E * s) / (1 + E * s)) / (2 * E))
}
