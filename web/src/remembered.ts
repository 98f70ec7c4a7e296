/** Small choices kept in this browser. A browser that refuses storage forgets them, and nothing else happens. */

export function recall<T>(name: string, fallback: T): T {
  try {
    const text = localStorage.getItem(`onemap.${name}`)
    return text === null ? fallback : (JSON.parse(text) as T)
  } catch {
    return fallback
  }
}

export function remember(name: string, value: unknown): void {
  try {
    localStorage.setItem(`onemap.${name}`, JSON.stringify(value))
  } catch {
    // private windows and full disks: the choice lasts as long as the page
  }
}
