/** The tool in hand: while there is one, clicks belong to it. */
import { reactive, ref } from 'vue'

export type Tool = 'distance' | 'area' | 'within' | 'pick'

export const tool = ref<Tool | null>(null)

/** What is measured so far. */
export const measured = reactive({ length: 0, area: 0, points: 0, done: false })

/** The polygon to search in. */
export const drawnPolygon = ref<GeoJSON.Polygon | null>(null)

let picked: ((place: { lon: number; lat: number }) => void) | null = null

/** The next click answers with its place. */
export function pickPlace(then: (place: { lon: number; lat: number }) => void): void {
  tool.value = 'pick'
  picked = then
}

export function givePlace(lon: number, lat: number): void {
  const then = picked
  picked = null
  tool.value = null
  then?.({ lon, lat })
}
