/**
 * The one stream of what changes on the map. One for the page and not one for each subject: a browser keeps six
 * connections to a service for all its pages together, and each stream holds one of them.
 */
import { ref } from 'vue'

export const CHANGES = '/api/v1/changes'
/** After a refusal; a stream that only broke is taken up again by the browser itself. */
const RETRY_MS = 15_000

export const streamState = ref<'off' | 'connecting' | 'live'>('off')

/** `open`: the stream stands, also after it broke; what happened before is to be asked for. */
export type Subject = 'open' | 'layer' | 'readings' | 'event'
type Hear = (told: unknown) => void

const listeners = new Map<Subject, Hear[]>()
let source: EventSource | null = null
let again: ReturnType<typeof setTimeout> | undefined

export function onChange(subject: Subject, hear: Hear): void {
  listeners.set(subject, [...(listeners.get(subject) ?? []), hear])
}

/** Listens as whoever is logged in now, from now on. The browser says by itself what event it saw last. */
export function listen(): void {
  clearTimeout(again)
  source?.close()
  streamState.value = 'connecting'
  source = new EventSource(CHANGES)
  source.addEventListener('open', () => {
    streamState.value = 'live'
    pass('open', null)
  })
  for (const subject of ['layer', 'readings', 'event'] as const) {
    source.addEventListener(subject, (message) => {
      pass(subject, JSON.parse((message as MessageEvent<string>).data))
    })
  }
  source.addEventListener('error', () => {
    streamState.value = 'connecting'
    if (source?.readyState === EventSource.CLOSED) again = setTimeout(listen, RETRY_MS)
  })
}

function pass(subject: Subject, told: unknown): void {
  listeners.get(subject)?.forEach((hear) => hear(told))
}
