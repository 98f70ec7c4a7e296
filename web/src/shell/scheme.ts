/** Light or dark, remembered. */
import { ref, watch } from 'vue'
import { recall, remember } from '@/remembered'
import type { Scheme } from '@/map/style'

export const scheme = ref<Scheme>(recall<Scheme>('scheme', 'light') === 'dark' ? 'dark' : 'light')

watch(
  scheme,
  (chosen) => {
    remember('scheme', chosen)
    document.documentElement.classList.toggle('dark', chosen === 'dark')
  },
  { immediate: true },
)
