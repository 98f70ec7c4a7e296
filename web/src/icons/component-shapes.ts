/** Own small drawings of component families and pipe appendages, on a 24 × 24 field; strokes unless `fill`. */

export interface Shape {
  stroke?: string
  fill?: string
}

/** Under the names `component-<family>` of the drawn style. */
export const COMPONENTS: Record<string, Shape> = {
  manhole: { stroke: 'M12 4.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 0 0 0-15M12 8v8M8 12h8' },
  grate: { stroke: 'M4.5 6.5h15v11h-15zM8.3 6.5v11M12 6.5v11M15.7 6.5v11' },
  hydrant: { stroke: 'M9 19V9.5a3 3 0 0 1 6 0V19M6.5 19.5h11M6 12.5h3M15 12.5h3M12 6.5V4' },
  box: { stroke: 'M6 4.5h12v15H6zM13.2 7.5l-3 4.8h3.6l-3 4.6' },
  pole: { stroke: 'M12 4v16M7.5 7.5h9M8.8 11h6.4M9 20h6' },
  lamp: { stroke: 'M8 20V8a4 4 0 0 1 4-4h2.5M5.5 20h5', fill: 'M13 4h6.5l-1.2 4h-4.1z' },
  kiosk: { stroke: 'M4.5 10.5 12 5l7.5 5.5M6.5 9.5v9.5h11V9.5M10.5 19v-5h3v5' },
  fitness: { stroke: 'M4 9.5v5M7 7.5v9M17 7.5v9M20 9.5v5M7 12h10' },
  camera: { stroke: 'M4 7.5 15 5l1.6 5.5-11 2.8zM9.5 13v4.5H5M17 7l3-.8' },
  charger: { stroke: 'M6.5 19.5V4.5h7v15M4.5 19.5h11M13.5 11h2v5a1.6 1.6 0 0 0 3.2 0V9L16 6.3M10.8 7.3l-2 3.4h2.6l-1.6 3' },
  parking: { stroke: 'M9 19.5v-15h4.3a4.2 4.2 0 0 1 0 8.4H9' },
  bus: { stroke: 'M6 4.5h12v12H6zM6 10.8h12M8.5 16.5v2.8M15.5 16.5v2.8', fill: 'M8 12.7h2v1.8H8zM14 12.7h2v1.8h-2z' },
  bridge: { stroke: 'M3 9h18M3 17h3a6 6 0 0 1 12 0h3M7.5 9v3M16.5 9v3' },
  sign: { stroke: 'M12 20v-8M5.5 4.5h13V12h-13z' },
  signal: { stroke: 'M8.5 3.5h7v14h-7zM12 17.5V21', fill: 'M12 5.2a1.3 1.3 0 1 0 .01 0zM12 9.2a1.3 1.3 0 1 0 .01 0zM12 13.2a1.3 1.3 0 1 0 .01 0z' },
  barrier: { stroke: 'M3 9h18M3 14.5h18M6 6v13M12 6v13M18 6v13' },
  bike: { stroke: 'M6.5 17.5a3.4 3.4 0 1 0 0-6.8a3.4 3.4 0 0 0 0 6.8M17.5 17.5a3.4 3.4 0 1 0 0-6.8a3.4 3.4 0 0 0 0 6.8M6.5 14l3.8-6.5h4.7l2.5 6.5M10.3 7.5l3.4 6.5H6.5M15 7.5l.4-1.8h2' },
  toilet: { stroke: 'M8 10v5M6.2 19.5 8 14.6l1.8 4.9M5.4 13.8 8 10l2.6 3.8M16 10v9.5M13.4 16.2 16 10l2.6 6.2z', fill: 'M8 4.5a1.9 1.9 0 1 0 .01 0zM16 4.5a1.9 1.9 0 1 0 .01 0z' },
  bin: { stroke: 'M5 7.5h14M7 7.5l1 12h8l1-12M10 7.5V4.5h4v3M10.6 11v5M13.4 11v5' },
  board: { stroke: 'M4 4.5h16V15H4zM8 15v5M16 15v5M7.5 8h9M7.5 11.3h5.5' },
  sensor: { stroke: 'M12 12v8M8.5 20h7M8.2 12.2a5 5 0 0 1 0-6.4M15.8 5.8a5 5 0 0 1 0 6.4', fill: 'M12 7.2a1.8 1.8 0 1 0 .01 0z' },
  tree: { stroke: 'M12 20.5V12', fill: 'M12 3.2a5.6 5.6 0 0 0-3 10.3 4.4 4.4 0 0 0 6 0A5.6 5.6 0 0 0 12 3.2z' },
  flower: { stroke: 'M12 20v-7M12 13c-4.3 0-6.5-2.2-6.5-6.5 4.3 0 6.5 2.2 6.5 6.5 0-4.3 2.2-6.5 6.5-6.5 0 4.3-2.2 6.5-6.5 6.5' },
  bench: { stroke: 'M4 8h16M4 12.5h16M6.5 8v4.5M17.5 8v4.5M6 12.5V18.5M18 12.5v6' },
  utility: { stroke: 'M12 4v3.5M12 16.5V20M4 12h3.5M16.5 12H20M12 8.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 0 0 0-7' },
  traffic: { stroke: 'M8 4 5 20M16 4l3 16M12 5v3M12 10.5v3M12 16v3' },
  sanitation: { stroke: 'M14.5 4l-3.8 8M7.5 11.5l6.5 3-2 5.5c-3 0-6-1.2-7.5-3.5z' },
  garden: { stroke: 'M6 19c0-9 4-14 13-14 0 9-4 12.5-10.5 12.5M6 19c1.5-5 4-7.5 8-9' },
  other: { fill: 'M12 8a4 4 0 1 0 .01 0z' },
}

/** Under the names `node-<appendage>`; drawn in the colour of the pipe class. */
export const NODES: Record<string, Shape> = {
  well: { stroke: 'M12 5a7 7 0 1 0 0 14a7 7 0 0 0 0-14M12 9.5v5M9.5 12h5' },
  valve: { stroke: 'M4.5 7v10L19.5 7v10zM12 12V5.5M9 5.5h6' },
  hydrant: { stroke: 'M8.5 18.5V9.5a3.5 3.5 0 0 1 7 0v9M6 18.5h12M5.5 12.5h3M15.5 12.5h3' },
  grate: { stroke: 'M5 7h14v10H5zM9.7 7v10M14.3 7v10' },
  meter: { stroke: 'M12 5a7 7 0 1 0 0 14a7 7 0 0 0 0-14M12 12l3-3.5' },
  pump: { stroke: 'M12 5a7 7 0 1 0 0 14a7 7 0 0 0 0-14M9 15.5V8.5l6.5 3.5z' },
  box: { stroke: 'M6 6h12v12H6zM6 6l12 12M18 6 6 18' },
  pole: { stroke: 'M12 5a7 7 0 1 0 0 14a7 7 0 0 0 0-14', fill: 'M12 9.5a2.5 2.5 0 1 0 .01 0z' },
}

/** Points along the line it lies on. */
export const FLOW_ARROW: Shape = { fill: 'M8 5.5 18 12 8 18.5 10.2 12z' }

/** Which of the five colours a component family wears. */
export const MAJOR_OF_FAMILY: Record<string, Major> = {
  ...families('utility', 'manhole grate hydrant box pole lamp kiosk fitness camera charger utility'),
  ...families('traffic', 'parking bus bridge sign signal barrier bike traffic'),
  ...families('sanitation', 'toilet bin board sensor sanitation'),
  ...families('garden', 'tree flower bench garden'),
  other: 'other',
}

export type Major = 'utility' | 'traffic' | 'sanitation' | 'garden' | 'other'

/** As in the palette of the drawn style of components. */
export const MAJOR_COLOURS: Record<'light' | 'dark', Record<Major, string>> = {
  light: { utility: '#2f6fdb', traffic: '#0f8b8d', sanitation: '#b7791f', garden: '#3c8f3c', other: '#6b7280' },
  dark: { utility: '#5b9bff', traffic: '#2cc0bf', sanitation: '#e0a63f', garden: '#5fc35f', other: '#9aa5b3' },
}

function families(major: Major, names: string): Record<string, Major> {
  return Object.fromEntries(names.split(' ').map((name) => [name, major]))
}
