/** What is said of a layer of another system when it is registered. Pure. */
import type { Layer, NewService, Offer, Secret } from '@/api'

/** One layer that was chosen, as it will be called here. */
export interface Wish {
  offer: Offer
  id: string
  title: string
}

const LONGEST_ID = 48

/** An id that is free, made of what the other system calls the layer: `gh:plan` → `gh_plan`, 控规 → `service`. */
export function freeId(name: string, taken: ReadonlySet<string>): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^[_0-9]+|_+$/g, '')
    .slice(0, LONGEST_ID - 4)
  const wanted = plain || 'service'
  if (!taken.has(wanted)) return wanted
  for (let n = 2; ; n++) if (!taken.has(`${wanted}_${n}`)) return `${wanted}_${n}`
}

/** The offers as they would be registered, each with an id of its own. */
export function wishesFor(offers: readonly Offer[], layers: readonly Layer[]): Wish[] {
  const taken = new Set(layers.map(({ id }) => id))
  return offers.map((offer) => {
    const id = freeId(offer.name, taken)
    taken.add(id)
    return { offer, id, title: offer.title || offer.name }
  })
}

export interface Common {
  url: string
  kind: string
  theme: string
  access: Layer['access']
  secrets: Secret[]
}

export function bodyOf(wish: Wish, { url, kind, theme, access, secrets }: Common): NewService {
  const { offer, id, title } = wish
  return { url, kind, layer: offer.name, id, title, theme, access, parts: offer.parts, secrets }
}
