/** How the map stood at a moment: which layers can be shown then, and where their tiles are. Pure. */
import type { LayerHistory, Moment, Timeline } from '@/api'
import { datedUrl } from '@/map/style'

/** A moment in milliseconds; null is now. */
export type At = number | null

/** `no-history`: it can be shown as it is now only, which in the past would be a lie. */
export type Standing = 'now' | 'then' | 'not-yet' | 'no-history'

export interface Kept {
  histories: ReadonlyMap<string, LayerHistory>
  /** By layer, oldest first. */
  changes: ReadonlyMap<string, readonly Moment[]>
  /** False where the service kept old moments back. */
  isWhole: boolean
}

export const NOTHING_KEPT: Kept = { histories: new Map(), changes: new Map(), isWhole: true }

export function keep(told: Timeline): Kept {
  const changes = new Map<string, Moment[]>()
  for (const moment of [...told.moments].reverse()) {
    const of = changes.get(moment.layer)
    if (of) of.push(moment)
    else changes.set(moment.layer, [moment])
  }
  const histories = new Map(told.layers.map((one) => [one.layer, one]))
  return { histories, changes, isWhole: told.left_out === 0 }
}

/** The first whole millisecond at which what began at `iso` stands: the service counts microseconds. */
export function msOf(iso: string): number {
  return Date.parse(iso) + 1
}

export function standing(kept: Kept, layer: string, at: At): Standing {
  if (at === null) return 'now'
  const history = kept.histories.get(layer)
  if (!history || history.history === 'none') return 'no-history'
  return history.since === null || msOf(history.since) > at ? 'not-yet' : 'then'
}

/** The change that made a layer what it was at a moment; undefined where it is not known. */
export function changeAt(kept: Kept, layer: string, at: number): Moment | undefined {
  return kept.changes.get(layer)?.findLast((change) => msOf(change.at) <= at)
}

const TILES = /\/tiles\/([^/?]+)\.json/

/** The layers that an address of tiles names. */
export function layersIn(url: string): string[] {
  return TILES.exec(url)?.[1]?.split(',') ?? []
}

/**
 * Where the tiles of a source were at a moment; null where none of its layers can be shown then.
 * The same for all moments between two changes, so that what is drawn stays and what was fetched is kept.
 */
export function addressAt(url: string, kept: Kept, at: At): string | null {
  if (at === null) return url
  const then = layersIn(url).filter((layer) => standing(kept, layer, at) === 'then')
  if (then.length === 0) return null
  const named = url.replace(TILES, `/tiles/${then.join(',')}.json`)
  const changes = then.flatMap((layer) => kept.changes.get(layer) ?? [])
  const last = latest(changes.filter((change) => msOf(change.at) <= at))
  if (last && last === latest(changes)) return datedUrl(named, undefined)
  return datedUrl(named, last?.at ?? new Date(at).toISOString())
}

function latest(changes: Moment[]): Moment | undefined {
  return changes.reduce<Moment | undefined>((best, one) => (!best || msOf(one.at) > msOf(best.at) ? one : best), undefined)
}

/** How many rows a layer had, from how many it has now and what changed since; null where that is not known. */
export function countAt(kept: Kept, layer: string, now: number | null, at: At): number | null {
  if (at === null || now === null) return now
  const changes = kept.changes.get(layer)
  if (!changes || (!kept.isWhole && !changeAt(kept, layer, at))) return null
  const later = changes.filter((change) => msOf(change.at) > at)
  return later.reduce((rows, { added, removed }) => rows - (added ?? 0) + (removed ?? 0), now)
}

/** A place to stop at: changes that lie too near together to be told apart are one. */
export interface Stop {
  at: number
  changes: Moment[]
}

/** Of a span, the part within which changes are one stop. */
const TOGETHER = 1 / 300

/** The moments at which any of `layers` changed, oldest first. */
export function stopsOf(kept: Kept, layers: Iterable<string>, now: number): Stop[] {
  const changes = [...layers].flatMap((layer) => kept.changes.get(layer) ?? [])
  changes.sort((a, b) => Date.parse(a.at) - Date.parse(b.at))
  const first = changes[0]
  if (!first) return []
  const together = (Math.max(now, msOf(changes.at(-1)!.at)) - msOf(first.at)) * TOGETHER
  const stops: Stop[] = []
  let began = -Infinity
  for (const change of changes) {
    const at = msOf(change.at)
    const open = stops.at(-1)
    if (open && at - began < together) {
      open.at = at
      open.changes.push(change)
    } else {
      stops.push({ at, changes: [change] })
      began = at
    }
  }
  return stops
}
