/** Files on their way to the service, piece by piece; a broken connection goes on where it broke off. */
import * as api from '@/api'
import { isAbort, Problem, Unreachable, type Upload } from '@/api'
import { recall, remember } from '@/remembered'

export const PIECE_BYTES = 4 * 1024 * 1024
/** Waits before trying again, in ms; the last one is repeated. */
const WAITS_MS = [500, 1000, 2000, 5000, 10_000]
const REMEMBERED = 40

export interface Way {
  signal: AbortSignal
  /** Told after every piece: bytes that have arrived, and whether the connection is down just now. */
  tell: (sent: number, broken: boolean) => void
}

/** Sends a file whole and returns its upload. Begins where an earlier try of the same file broke off. */
export async function sendFile(file: File, { signal, tell }: Way): Promise<Upload> {
  let upload = (await earlier(file)) ?? (await begin(file))
  let failures = 0
  tell(upload.offset, false)
  while (upload.offset < file.size) {
    const piece = file.slice(upload.offset, upload.offset + PIECE_BYTES)
    try {
      upload = await api.continueUpload(upload.id, upload.offset, piece, signal)
      failures = 0
      tell(upload.offset, false)
    } catch (error) {
      if (isAbort(error) || !mayGoOn(error)) throw error
      tell(upload.offset, true)
      await pause(waitMs(failures++), signal)
      upload = (await api.askUpload(upload.id).catch(() => null)) ?? upload
    }
  }
  return upload
}

export function waitMs(failures: number): number {
  return WAITS_MS[Math.min(failures, WAITS_MS.length - 1)]!
}

/** True for what passes: no network, a piece that came twice, a service that restarts. */
export function mayGoOn(error: unknown): boolean {
  if (error instanceof Unreachable) return true
  return error instanceof Problem && (error.status === 409 || error.status >= 500)
}

/** What tells one file from another, also after the page was loaded anew. */
export function markOf(file: Pick<File, 'name' | 'size' | 'lastModified'>): string {
  return `${file.name}/${file.size}/${file.lastModified}`
}

async function begin(file: File): Promise<Upload> {
  const upload = await api.beginUpload(file.name, file.size)
  const others = recall<[string, string][]>('uploads', []).filter(([mark]) => mark !== markOf(file))
  remember('uploads', [[markOf(file), upload.id], ...others].slice(0, REMEMBERED))
  return upload
}

/** The upload that this file began earlier, if the service still has it and it is not whole yet. */
async function earlier(file: File): Promise<Upload | null> {
  const id = recall<[string, string][]>('uploads', []).find(([mark]) => mark === markOf(file))?.[1]
  if (!id) return null
  try {
    const upload = await api.askUpload(id)
    return upload.size === file.size && !upload.is_complete ? upload : null
  } catch (error) {
    if (error instanceof Problem) return null
    throw error
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, stop) => {
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      stop(new DOMException('stopped', 'AbortError'))
    })
  })
}
