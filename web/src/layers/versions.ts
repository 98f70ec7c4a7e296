/** Watches for layers published anew: their tiles are asked for again without reloading the page. */
import * as api from '@/api'
import { drawStyle, renewTiles } from '@/map/city-map'
import { changedLayers } from './changes'
import { catalogue } from './state'

const EVERY_MS = 60_000

let timer: ReturnType<typeof setInterval> | undefined

export function followVersions(): void {
  timer ??= setInterval(() => void look().catch(() => undefined), EVERY_MS)
}

async function look(): Promise<void> {
  if (document.hidden) return
  const before = catalogue.value
  const layers = await api.listLayers()
  const changed = changedLayers(before.layers, layers)
  if (changed.size === 0) return
  catalogue.value = { ...before, layers, themes: await api.listThemes() }
  await drawStyle()
  renewTiles((id) => changed.has(id))
}
