/**
 * One way to the service: JSON in, JSON out, problem documents as errors, and whether it can be reached at all.
 */
import { reactive } from 'vue'
import { language } from '@/i18n'

/** What the service refused, in its own words (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly facts: Record<string, unknown>,
  ) {
    super(detail || title)
    this.name = 'Problem'
  }
}

/** The service did not answer: no network, or nothing listens. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('unreachable', { cause })
    this.name = 'Unreachable'
  }
}

/** Whether the last request reached the service; the page shows a quiet banner when it did not. */
export const connection = reactive({ lost: false })

/** Told when the service does not know us (any more); set by whoever keeps the account. */
export const whenUnknown = { tell: () => {} }

export interface Ask {
  query?: Record<string, string | number | boolean | null | undefined>
  json?: unknown
  form?: FormData
  /** Bytes as they are: a piece of a file. */
  bytes?: Blob
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** Sends `method path` and returns the parsed body. Throws `Problem`, `Unreachable` or an `AbortError`. */
export async function send<T>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, ask: Ask = {}): Promise<T> {
  const headers: Record<string, string> = {
    Accept: 'application/json, application/problem+json',
    'Accept-Language': language.value,
    ...ask.headers,
  }
  if (ask.json !== undefined) headers['Content-Type'] = 'application/json'
  if (ask.bytes) headers['Content-Type'] = 'application/offset+octet-stream'
  const body = ask.form ?? ask.bytes ?? (ask.json === undefined ? undefined : JSON.stringify(ask.json))
  let response: Response
  try {
    response = await fetch(path + queryOf(ask.query), { method, headers, body, signal: ask.signal })
  } catch (error) {
    if (isAbort(error)) throw error
    connection.lost = true
    throw new Unreachable(error)
  }
  connection.lost = false
  if (response.status === 401) whenUnknown.tell()
  if (!response.ok) throw await problemOf(response)
  return (response.status === 204 ? undefined : await response.json()) as T
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

function queryOf(query: Ask['query']): string {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined)
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString()
  return text && `?${text}`
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback = `${response.status} ${response.statusText}`.trim()
  try {
    const { title, detail, ...facts } = (await response.json()) as Record<string, unknown>
    return new Problem(response.status, String(title ?? fallback), String(detail ?? ''), facts)
  } catch {
    return new Problem(response.status, fallback, '', {})
  }
}
