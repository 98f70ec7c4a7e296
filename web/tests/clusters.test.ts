/** A cluster says how many rows of which class it stands for. */
import { describe, expect, it } from 'vitest'
import { classesSaid, clusterOf, clustersAmong } from '@/identify/clusters'
import { catalogue } from '@/layers/state'
import type { Layer } from '@/api'

catalogue.value = {
  themes: [],
  layers: [
    {
      id: 'component',
      title: { zh: '城市部件', en: 'Urban components' },
      classes: { '0102': { zh: '污水井盖', en: 'Sewer cover' }, '0137': { zh: '路灯', en: 'Street lamp' } },
      fields: [],
    } as unknown as Layer,
  ],
}

const drawn = (properties: Record<string, unknown>) => ({ sourceLayer: 'component', properties })

describe('a cluster', () => {
  it('names its classes, the most frequent first and others last', () => {
    const cluster = clusterOf(drawn({ _count: 1020, _count_0137: 5, _count_0102: 1012, _other: 3 }))
    expect(cluster?.rows).toBe(1020)
    expect(classesSaid(cluster!)).toBe('1,012 污水井盖、5 路灯、3 其他')
  })

  it('calls a class without a title by its value', () => {
    expect(classesSaid(clusterOf(drawn({ _count: 2, _count_0999: 2 }))!)).toBe('2 0999')
  })

  it('is no single row, and nothing of a layer the page does not know', () => {
    expect(clusterOf(drawn({ class_code: '0137' }))).toBeNull()
    expect(clusterOf({ sourceLayer: 'nobody', properties: { _count: 3 } })).toBeNull()
  })

  it('is told once for each layer: the uppermost', () => {
    expect(clustersAmong([drawn({ _count: 7 }), drawn({ _count: 9 }), drawn({})]).map((c) => c.rows)).toEqual([7])
  })
})
