/** What a point or square far out stands for: how many rows, and of which classes. */
import { count, say, t } from '@/i18n'
import { layerById } from '@/layers/state'

export interface Cluster {
  layer: string
  rows: number
  /** The most frequent first; empty where no classes are told. Others come last and under no name. */
  classes: { title: string; rows: number }[]
}

interface Drawn {
  sourceLayer?: string
  properties: Record<string, unknown>
}

const COUNT_OF = '_count_'
const OTHERS = '_other'

/** Null for a feature that stands for itself. */
export function clusterOf({ sourceLayer, properties }: Drawn): Cluster | null {
  const layer = layerById(sourceLayer ?? '')
  const rows = Number(properties._count ?? 1)
  if (!layer || !(rows > 1)) return null
  const classes = Object.entries(properties)
    .filter(([name]) => name.startsWith(COUNT_OF))
    .map(([name, of]) => {
      const value = name.slice(COUNT_OF.length)
      return { title: say(layer.classes?.[value]) || value, rows: Number(of) }
    })
    .sort((a, b) => b.rows - a.rows || a.title.localeCompare(b.title))
  const others = Number(properties[OTHERS] ?? 0)
  if (others > 0) classes.push({ title: t('otherClasses'), rows: others })
  return { layer: layer.id, rows, classes }
}

/** The uppermost cluster of each layer among features, which come from top to bottom. */
export function clustersAmong(features: Drawn[]): Cluster[] {
  const found = new Map<string, Cluster>()
  for (const feature of features) {
    const cluster = clusterOf(feature)
    if (cluster && !found.has(cluster.layer)) found.set(cluster.layer, cluster)
  }
  return [...found.values()]
}

/** `12 井盖、5 路灯`; empty where no classes are told. */
export function classesSaid(cluster: Cluster, most = Infinity): string {
  return cluster.classes
    .slice(0, most)
    .map(({ title, rows }) => `${count(rows)} ${title}`)
    .join(t('listComma'))
}
