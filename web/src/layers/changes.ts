import type { Layer } from '@/api'

/** Ids whose version or status differs, or that are new. */
export function changedLayers(before: readonly Layer[], now: readonly Layer[]): Set<string> {
  const known = new Map(before.map((layer) => [layer.id, `${layer.version} ${layer.status}`]))
  return new Set(
    now.filter((layer) => known.get(layer.id) !== `${layer.version} ${layer.status}`).map((layer) => layer.id),
  )
}
