/** The newest readings of every station. */
import { ref, shallowRef } from 'vue'
import * as api from '@/api'
import type { StationNow } from '@/api'

export const stations = shallowRef<StationNow[]>([])
/** Code of the station whose panel is open. */
export const chosenStation = ref<string | null>(null)

/** Readings are hourly; half of that is soon enough. */
const EVERY_MS = 10 * 60_000

export async function loadStations(): Promise<void> {
  stations.value = await api.latestReadings()
}

export function followStations(): void {
  const ask = () => void loadStations().catch(() => undefined)
  ask()
  setInterval(ask, EVERY_MS)
}

export function stationByCode(code: string): StationNow | undefined {
  return stations.value.find((station) => station.code === code)
}
