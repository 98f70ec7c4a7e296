import type { Layer } from '@/api'

export interface Changes {
  /** Layers with another version and nothing else new: only some of their tiles differ. */
  republished: { id: string; since: number }[]
  /** Layers that came, went, or are drawn otherwise than before. */
  others: Set<string>
}

/** What differs between the layers as the page knows them and as they are. */
export function changesBetween(before: readonly Layer[], now: readonly Layer[]): Changes {
  const known = new Map(before.map((layer) => [layer.id, layer]))
  const changes: Changes = { republished: [], others: new Set() }
  for (const layer of now) {
    const old = known.get(layer.id)
    known.delete(layer.id)
    if (!old || drawnBy(old) !== drawnBy(layer)) changes.others.add(layer.id)
    else if (old.version !== layer.version) changes.republished.push({ id: layer.id, since: old.version })
  }
  for (const id of known.keys()) changes.others.add(id)
  return changes
}

/** What decides how a layer is drawn, besides its rows. */
function drawnBy(layer: Layer): string {
  const { status, min_zoom, max_zoom, geometry_type } = layer
  // What a service draws is not known square by square: said anew, it is drawn anew.
  const said = layer.kind === 'service' ? layer.version : null
  return JSON.stringify([status, min_zoom, max_zoom, geometry_type, layer.fields.map((field) => field.name), said])
}
