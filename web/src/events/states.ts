/** What the states of a case look like. */
import type { EventAction, EventState } from '@/api'
import type { Scheme } from '@/map/style'

const COLOURS: Record<EventState, [light: string, dark: string]> = {
  reported: ['#d92d20', '#ff6b5e'],
  filed: ['#d97706', '#f5a524'],
  dispatched: ['#1559c7', '#5b9dff'],
  handled: ['#0f8b8d', '#35c5c3'],
  checked: ['#5b8c1a', '#9ccc4f'],
  closed: ['#64748b', '#8796a9'],
  rejected: ['#9aa1ab', '#6b7684'],
}

export function stateColour(state: EventState, scheme: Scheme): string {
  return COLOURS[state][scheme === 'light' ? 0 : 1]
}

export function stateColours(scheme: Scheme): [EventState, string][] {
  return (Object.keys(COLOURS) as EventState[]).map((state) => [state, stateColour(state, scheme)])
}

/** States in which somebody still has to do something. */
export const OPEN_STATES: readonly EventState[] = ['reported', 'filed', 'dispatched', 'handled', 'checked']

/** Actions that take a case back or away, and so need a word of explanation. */
export const NEEDS_NOTE: readonly EventAction[] = ['reject', 'return']
