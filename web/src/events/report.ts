/** A report being written. Its idempotency key is made with the form, so that it may be sent until it arrives. */
import { reactive } from 'vue'
import * as api from '@/api'
import type { CityEvent, EventClass, Located } from '@/api'
import { recall, remember } from '@/remembered'
import { markPlace } from '@/map/highlight'
import { t } from '@/i18n'
import { tell } from '@/shell/notice'
import { open } from '@/shell/panes'
import { backToNow, clock } from '@/time/clock'
import { smallerPhoto } from './photos'

export const MOST_PHOTOS = 9

export interface Photo {
  blob: Blob
  url: string
  name: string
}

function blank() {
  return {
    key: '',
    place: null as { lon: number; lat: number } | null,
    located: null as Located | null,
    locating: false,
    classCode: '',
    description: '',
    address: '',
    photos: [] as Photo[],
    sending: false,
    problem: '',
  }
}

export const draft = reactive(blank())

/** Begins a report at `place`, keeping what is already written in an unsent one. */
export function beginReport(place: { lon: number; lat: number } | null): void {
  if (clock.shown !== null || clock.wanted !== null) {
    // What is reported is so now, and its component and grid are those of now.
    backToNow()
    tell(t('reportIsOfNow'))
  }
  if (!draft.key) Object.assign(draft, blank(), { key: newKey() })
  if (place) void setPlace(place)
  open('report')
}

export function dropReport(): void {
  for (const photo of draft.photos) URL.revokeObjectURL(photo.url)
  Object.assign(draft, blank())
  markPlace(null)
}

export async function setPlace(place: { lon: number; lat: number }): Promise<void> {
  Object.assign(draft, { place, located: null, locating: true, problem: '' })
  markPlace(place)
  try {
    const located = await api.locate(place.lon, place.lat)
    if (draft.place === place || sameAs(place)) draft.located = located
  } finally {
    draft.locating = false
  }
}

function sameAs({ lon, lat }: { lon: number; lat: number }): boolean {
  return draft.place?.lon === lon && draft.place.lat === lat
}

export async function addPhotos(files: Iterable<File>): Promise<void> {
  for (const file of files) {
    if (draft.photos.length >= MOST_PHOTOS) return
    const blob = await smallerPhoto(file)
    draft.photos.push({ blob, url: URL.createObjectURL(blob), name: file.name })
  }
}

export function removePhoto(n: number): void {
  const [photo] = draft.photos.splice(n, 1)
  if (photo) URL.revokeObjectURL(photo.url)
}

/** Sends the report; after a failure it may be sent again and is recorded once. */
export async function sendReport(): Promise<CityEvent> {
  if (!draft.place) throw new Error('a report needs a place')
  draft.sending = true
  draft.problem = ''
  try {
    const event = await api.reportEvent(
      {
        class_code: draft.classCode,
        lon: draft.place.lon,
        lat: draft.place.lat,
        description: draft.description.trim(),
        address: draft.address.trim(),
      },
      draft.photos.map((photo) => photo.blob),
      draft.key,
    )
    rememberClass(draft.classCode)
    dropReport()
    return event
  } finally {
    draft.sending = false
  }
}

// ---- classes

const RECENT = 6

let asked: Promise<EventClass[]> | null = null

/** All classes, asked once. */
export function eventClasses(): Promise<EventClass[]> {
  asked ??= api.listEventClasses().catch((error: unknown) => {
    asked = null
    throw error
  })
  return asked
}

export function recentClasses(): string[] {
  return recall<string[]>('recent-classes', [])
}

function rememberClass(code: string): void {
  remember('recent-classes', [code, ...recentClasses().filter((other) => other !== code)].slice(0, RECENT))
}

/** 128 random bits; `crypto.randomUUID` is missing where the page is served without HTTPS. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
