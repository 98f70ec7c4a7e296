/** The page speaks Chinese first, English beside it. */
import { ref, watch } from 'vue'
import { recall, remember } from '@/remembered'
import { en } from './en'
import { zh, type Messages } from './zh'

export type Language = 'zh' | 'en'
export type MessageKey = keyof Messages

export const language = ref<Language>(recall<Language>('language', 'zh') === 'en' ? 'en' : 'zh')

const messages: Record<Language, Messages> = { zh, en }

watch(
  language,
  (chosen) => {
    remember('language', chosen)
    if (typeof document === 'undefined') return
    document.documentElement.lang = chosen === 'zh' ? 'zh-CN' : 'en'
    document.title = messages[chosen].title
  },
  { immediate: true },
)

/** The sentence `key` in the chosen language, `{name}` replaced from `facts`. */
export function t(key: MessageKey, facts: Record<string, string | number> = {}): string {
  return messages[language.value][key].replace(/\{(\w+)\}/g, (_, name: string) => String(facts[name] ?? ''))
}

/** What the service calls something, in the chosen language; falls back to the other one. */
export function say(title: { zh: string; en: string } | string | number | null | undefined): string {
  if (title === null || title === undefined) return ''
  if (typeof title !== 'object') return String(title)
  return (language.value === 'zh' ? title.zh || title.en : title.en || title.zh) || ''
}

const locales: Record<Language, string> = { zh: 'zh-CN', en: 'en-GB' }

export function count(n: number): string {
  return n.toLocaleString(locales[language.value])
}

/** 11-21 14:05 this year, with the year otherwise. */
export function when(iso: string | null | undefined): string {
  if (!iso) return ''
  const at = new Date(iso)
  if (Number.isNaN(at.getTime())) return iso
  const two = (n: number) => String(n).padStart(2, '0')
  const day = `${two(at.getMonth() + 1)}-${two(at.getDate())}`
  const year = at.getFullYear() === new Date().getFullYear() ? '' : `${at.getFullYear()}-`
  return `${year}${day} ${two(at.getHours())}:${two(at.getMinutes())}`
}

export function metres(m: number): string {
  if (m < 10) return `${m.toFixed(1)} m`
  return m < 1000 ? `${Math.round(m)} m` : `${(m / 1000).toFixed(m < 10_000 ? 2 : 1)} km`
}

export function squareMetres(m2: number): string {
  if (m2 < 10_000) return `${m2.toFixed(m2 < 100 ? 1 : 0)} m²`
  return m2 < 1_000_000 ? `${(m2 / 10_000).toFixed(2)} ha` : `${(m2 / 1_000_000).toFixed(2)} km²`
}
