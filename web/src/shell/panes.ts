/** Which pane is open. On a desk the layers stand left and one pane right; on a phone one sheet shows any of them. */
import { computed, ref, watch } from 'vue'

export type Pane = 'here' | 'events' | 'event' | 'report' | 'station' | 'within' | 'changes' | 'import' | 'services'

export const treeOpen = ref(true)
export const pane = ref<Pane | null>(null)

const narrow = matchMedia('(max-width: 720px)')
export const isPhone = ref(narrow.matches)
narrow.addEventListener('change', () => (isPhone.value = narrow.matches))

export type SheetHeight = 'peek' | 'half' | 'full'
export const sheet = ref<SheetHeight>('peek')

if (isPhone.value) treeOpen.value = false

/** Panes that hold tables need more room than those that hold a list. */
export const isWide = computed(() => pane.value === 'import')

/** Opens `wanted`; on a phone the sheet comes up with it. */
export function open(wanted: Pane): void {
  pane.value = wanted
  if (!isPhone.value) return
  treeOpen.value = false
  if (sheet.value === 'peek') sheet.value = 'half'
}

export function openTree(): void {
  treeOpen.value = true
  if (!isPhone.value) return
  pane.value = null
  if (sheet.value === 'peek') sheet.value = 'half'
}

/** Makes room to see the map: on a phone a full sheet goes down to half. */
export function uncover(): void {
  if (isPhone.value && sheet.value === 'full') sheet.value = 'half'
}

export function close(): void {
  pane.value = null
  if (isPhone.value) {
    treeOpen.value = false
    sheet.value = 'peek'
  }
}

watch(isPhone, (phone) => {
  treeOpen.value = !phone
  sheet.value = 'peek'
})
