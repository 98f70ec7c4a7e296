/** Who is looking. */
import { computed, reactive } from 'vue'
import * as api from '@/api'

export const session = reactive({ account: null as api.Account | null, asked: false })

/** Who registers services of other systems. */
export const isAdmin = computed(() => session.account?.roles.includes('admin') ?? false)
export const isLoggedIn = computed(() => session.account !== null && session.account.name !== 'anonymous')

/** Shows the login dialog; whatever was wanted may go on when `isLoggedIn` turns true. */
export const loginDialog = reactive({ open: false })

export async function recognise(): Promise<void> {
  session.account = await api.whoAmI()
  session.asked = true
}

/** A session that ended on the server ends here too. */
api.whenUnknown.tell = () => {
  if (isLoggedIn.value) void recognise().catch(() => undefined)
}

export async function logIn(name: string, password: string): Promise<void> {
  session.account = await api.logIn(name, password)
  loginDialog.open = false
}

export async function logOut(): Promise<void> {
  await api.logOut()
  session.account = await api.whoAmI()
}
