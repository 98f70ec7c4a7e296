/** The import that is open in the page: files on their way, then a run of the service that is followed live. */
import { computed, ref, shallowRef, watch } from 'vue'
import * as api from '@/api'
import type { ImportOptions, ImportRun, Look, LookedTable, TableOptions } from '@/api'
import { session } from '@/account/state'
import { t } from '@/i18n'
import { catalogue, visible } from '@/layers/state'
import { look as lookForVersions } from '@/layers/versions'
import { tell, wordsFor } from '@/shell/notice'
import { open, pane } from '@/shell/panes'
import { tidied } from './choices'
import { sendFile } from './sending'
import { isOpen, reachOf, type Step } from './steps'

export interface Sending {
  file: File
  sent: number
  broken: boolean
}

/** For publishers and administrators. */
export const mayImport = computed(() =>
  (session.account?.roles ?? []).some((role) => role === 'publisher' || role === 'admin'),
)

export const sending = ref<Sending[]>([])
export const run = shallowRef<ImportRun | null>(null)
export const look = shallowRef<Look | null>(null)
export const draft = ref<ImportOptions>({})
export const step = ref<Step>('files')
export const chosenTable = ref('')
export const problem = ref('')
export const recent = shallowRef<ImportRun[]>([])
export const asking = ref(false)
/** The id that the address names, also before anybody is logged in. */
export const wanted = ref<string | null>(null)
/** Set when publishing was refused because a layer moved on. */
export const movedOn = ref('')

export const reach = computed(() => reachOf(run.value))
export const table = computed<LookedTable | null>(
  () => look.value?.tables.find((one) => one.table === chosenTable.value) ?? look.value?.tables[0] ?? null,
)

const RECENT = 20
let stop: AbortController | null = null
let stream: EventSource | null = null

/** Opens the pane, at the list of imports or where the last one is. */
export function openImports(): void {
  if (!run.value && !sending.value.length) void loadRecent()
  open('import')
}

export async function loadRecent(): Promise<void> {
  if (!mayImport.value) return
  try {
    recent.value = await api.listImports(RECENT)
  } catch (error) {
    problem.value = wordsFor(error)
  }
}

/** Leaves the import as it is and goes back to the files; what waits can be come back to. */
export function leave(): void {
  stop?.abort()
  stop = null
  forgetStream()
  sending.value = []
  run.value = null
  look.value = null
  draft.value = {}
  step.value = 'files'
  chosenTable.value = ''
  problem.value = ''
  movedOn.value = ''
  wanted.value = null
  void loadRecent()
}

/** Sends files and has them looked at. */
export async function sendFiles(files: File[]): Promise<void> {
  if (!files.length || sending.value.length) return
  problem.value = ''
  sending.value = files.map((file) => ({ file, sent: 0, broken: false }))
  const stopping = (stop = new AbortController())
  try {
    const uploads: string[] = []
    for (const one of sending.value) {
      const way = {
        signal: stopping.signal,
        tell: (sent: number, broken: boolean) => Object.assign(one, { sent, broken }),
      }
      uploads.push((await sendFile(one.file, way)).id)
    }
    follow(await api.beginImport(uploads))
  } catch (error) {
    if (!api.isAbort(error)) problem.value = wordsFor(error)
  } finally {
    if (stop === stopping) {
      stop = null
      sending.value = []
    }
  }
}

export function stopSending(): void {
  stop?.abort()
}

/** Opens an import by its id: from the list, or from the address. */
export async function openImport(id: string): Promise<void> {
  problem.value = ''
  wanted.value = id
  open('import')
  try {
    follow(await api.readImport(id))
  } catch (error) {
    problem.value = wordsFor(error)
    wanted.value = null
    void loadRecent()
  }
}

function follow(first: ImportRun): void {
  run.value = null
  look.value = null
  movedOn.value = ''
  wanted.value = first.id
  draft.value = structuredClone(first.options)
  take(first)
  listen()
}

/** Takes what the service says of the run; a new state opens its step. */
function take(now: ImportRun): void {
  const before = run.value
  // the stream tells what is known already when it begins: nobody's list is to be folded for that
  if (before && before.id === now.id && before.revision >= now.revision) return
  run.value = now
  const moved = !before || before.id !== now.id || before.state !== now.state || before.look_first !== now.look_first
  if (!moved) return
  if (now.state !== 'uploaded' && now.state !== 'reading') draft.value = structuredClone(now.options)
  const to = reachOf(now)
  // a person who looks at fields while they are looked at anew stays there
  const stays = step.value === 'fields' && (to.at === 'look' || to.busy) && to.at !== 'check'
  if (!stays) step.value = to.at
  if (now.state === 'published' && before?.id === now.id) showPublished(now)
  // what was refused at the first look was never seen
  const wasSeen = now.state === 'looked' || now.state === 'staged' || (now.state === 'refused' && !now.look_first)
  if (wasSeen) void loadLook(now)
}

async function loadLook(of: ImportRun): Promise<void> {
  try {
    const seen = await api.readLook(of.id)
    if (run.value?.id !== of.id) return
    look.value = seen
    if (!seen.tables.some((one) => one.table === chosenTable.value)) {
      chosenTable.value = seen.tables[0]?.table ?? ''
    }
  } catch (error) {
    // one of the command line or of another program was never looked at
    if (!(error instanceof api.Problem && error.status === 404)) problem.value = wordsFor(error)
  }
}

function listen(): void {
  forgetStream()
  const id = run.value?.id
  if (!id || !run.value || !isOpen(run.value)) return
  const source = (stream = new EventSource(api.importStream(id)))
  source.addEventListener('import', (message) => {
    const now = JSON.parse((message as MessageEvent<string>).data) as ImportRun
    if (run.value?.id !== now.id) return
    take(now)
    if (!isOpen(now)) forgetStream()
  })
}

function forgetStream(): void {
  stream?.close()
  stream = null
}

/** Does something to the run; what the service refuses is told in the pane. */
async function act(doing: () => Promise<ImportRun>): Promise<ImportRun | null> {
  if (asking.value) return null
  asking.value = true
  problem.value = ''
  try {
    const now = await doing()
    take(now)
    if (!stream) listen()
    return now
  } catch (error) {
    problem.value = wordsFor(error)
    if (error instanceof api.Problem && error.status === 409 && run.value) {
      take(await api.readImport(run.value.id))
    }
    return null
  } finally {
    asking.value = false
  }
}

export function say(name: string, options: Partial<TableOptions>): void {
  const tables = { ...draft.value.tables }
  tables[name] = { ...tables[name], ...options }
  draft.value = { ...draft.value, tables }
}

export function saidOf(name: string): TableOptions {
  return draft.value.tables?.[name] ?? {}
}

export async function lookAgain(): Promise<void> {
  const id = run.value?.id
  if (id) await act(() => api.queueImport(id, 'look', tidied(draft.value)))
}

export async function readOn(): Promise<void> {
  const id = run.value?.id
  if (id) await act(() => api.queueImport(id, 'read', tidied(draft.value)))
}

export async function cancel(): Promise<void> {
  const id = run.value?.id
  if (id) await act(() => api.cancelImport(id))
}

export async function compareAgain(): Promise<void> {
  const id = run.value?.id
  if (!id || !(await act(() => api.compareImport(id)))) return
  movedOn.value = ''
  step.value = 'difference'
}

export async function publish(note: string): Promise<void> {
  const now = run.value
  if (!now || asking.value) return
  const seen = Object.fromEntries(now.layers.map((layer) => [layer.layer, layer.version]))
  asking.value = true
  problem.value = ''
  try {
    take(await api.publishImport(now.id, seen, note))
  } catch (error) {
    if (error instanceof api.Problem && error.status === 409) movedOn.value = wordsFor(error)
    else problem.value = wordsFor(error)
  } finally {
    asking.value = false
  }
}

/** Hands the import to a reviewer, in place of publishing it. */
export async function submit(note: string): Promise<void> {
  const id = run.value?.id
  if (id && (await act(() => api.submitImport(id, note)))) tell(t('reviewSubmitted'), 'good')
}

export async function sendBack(reason: string): Promise<void> {
  const id = run.value?.id
  if (id && (await act(() => api.sendBackImport(id, reason)))) tell(t('reviewSentBack'), 'good')
}

/** The new versions come onto the map. */
function showPublished(now: ImportRun): void {
  Object.keys(now.versions).forEach((id) => visible.add(id))
  if (now.stored) visible.add('station')
  lookForVersions()
  tell(t('importPublished'), 'good')
}

export function layerTitle(id: string): { zh: string; en: string } | string {
  return catalogue.value.layers.find((layer) => layer.id === id)?.title ?? id
}

/** An import in the address is opened once its reader is known to be a publisher. */
export function followAddress(id: string | null): void {
  if (!id) return
  wanted.value = id
  watch(
    mayImport,
    (may) => {
      if (may && run.value === null && wanted.value) void openImport(wanted.value)
    },
    { immediate: true },
  )
}

/** Closing the pane keeps the import; logging out forgets it. */
watch(mayImport, (may) => {
  if (may) return
  if (run.value) leave()
  if (pane.value === 'import') pane.value = null
})

