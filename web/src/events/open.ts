/** Opening a case: its pane, its place on the map, its history. */
import { ref } from 'vue'
import * as api from '@/api'
import { flyTo, highlight } from '@/map/highlight'
import { tellProblem } from '@/shell/notice'
import { open } from '@/shell/panes'
import { eventById, take } from './state'

export const openedEvent = ref<number | null>(null)

export function openEvent(id: number): void {
  openedEvent.value = id
  open('event')
  const event = eventById(id)
  if (event) show(event)
  api.readEvent(id).then(
    (read) => {
      take(read)
      if (!event && openedEvent.value === id) show(read)
    },
    (error) => tellProblem(error),
  )
}

function show({ lon, lat }: { lon: number; lat: number }): void {
  highlight({ type: 'Point', coordinates: [lon, lat] })
  flyTo(lon, lat, 16.5)
}
