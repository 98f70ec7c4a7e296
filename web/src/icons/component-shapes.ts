/** Own small drawings of component families and pipe appendages, on a 24 × 24 field: those of the service's sprites. */
import symbols from '../../../layers/known/symbols.json'

export interface Shape {
  stroke?: string
  fill?: string
}

export type Major = 'utility' | 'traffic' | 'sanitation' | 'garden' | 'other'

/** Under the names `component-<family>` of the drawn style. */
export const COMPONENTS: Record<string, Shape> = symbols.component

/** Under the names `node-<appendage>`; drawn in the colour of the pipe class. */
export const NODES: Record<string, Shape> = symbols.node

/** Points along the line it lies on. */
export const FLOW_ARROW: Shape = symbols.flow.arrow

/** Which of the five colours a component family wears. */
export const MAJOR_OF_FAMILY: Record<string, Major> = Object.fromEntries(
  Object.entries(symbols.component).map(([family, { colour }]) => [family, colour as Major]),
)

/** As in the palette of the drawn style of components. */
export const MAJOR_COLOURS: Record<'light' | 'dark', Record<Major, string>> = {
  light: { utility: '#2f6fdb', traffic: '#0f8b8d', sanitation: '#b7791f', garden: '#3c8f3c', other: '#6b7280' },
  dark: { utility: '#5b9bff', traffic: '#2cc0bf', sanitation: '#e0a63f', garden: '#5fc35f', other: '#9aa5b3' },
}
