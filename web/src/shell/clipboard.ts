/** Copying text, also where the page is served without HTTPS and the modern way is closed. */
import { t } from '@/i18n'
import { tell } from './notice'

export async function copy(text: string): Promise<void> {
  const done = await modern(text) || old(text)
  tell(done ? t('copied') : text, done ? 'good' : 'info')
}

async function modern(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}

function old(text: string): boolean {
  const field = document.createElement('textarea')
  field.value = text
  field.style.position = 'fixed'
  field.style.opacity = '0'
  document.body.append(field)
  field.select()
  const done = document.execCommand('copy')
  field.remove()
  return done
}
