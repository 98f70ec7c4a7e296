/** The newest readings of every station. */
import { ref, shallowRef } from 'vue'
import * as api from '@/api'
import type { StationNow } from '@/api'

export const stations = shallowRef<StationNow[]>([])
/** Code of the station whose panel is open. */
export const chosenStation = ref<string | null>(null)

/** An index also ages without new readings. */
const EVERY_MS = 10 * 60_000
/** Readings of many stations come together. */
const GATHER_MS = 100

export async function loadStations(): Promise<void> {
  stations.value = await api.latestReadings()
}

export function followStations(): void {
  const ask = () => void loadStations().catch(() => undefined)
  let soon: ReturnType<typeof setTimeout> | undefined
  ask()
  api.onChange('readings', () => {
    clearTimeout(soon)
    soon = setTimeout(ask, GATHER_MS)
  })
  setInterval(ask, EVERY_MS)
}

export function stationByCode(code: string): StationNow | undefined {
  return stations.value.find((station) => station.code === code)
}
