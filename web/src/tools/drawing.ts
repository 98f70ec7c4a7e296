/** Drawing lines and areas on the map for measuring and searching; terra-draw is loaded with the first use. */
import type { TerraDraw } from 'terra-draw'
import { watch } from 'vue'
import { cityMap } from '@/map/city-map'
import { areaM2, lengthM, type Position } from '@/map/geodesy'
import { open } from '@/shell/panes'
import { tellProblem } from '@/shell/notice'
import { drawnPolygon, measured, tool } from './state'

let drawer: TerraDraw | null = null

const COLOUR = '#e8590c'

async function makeDrawer(): Promise<TerraDraw> {
  const map = cityMap.value
  if (!map) throw new Error('no map yet')
  const [terra, { TerraDrawMapLibreGLAdapter }] = await Promise.all([
    import('terra-draw'),
    import('terra-draw-maplibre-gl-adapter'),
  ])
  const line = {
    lineStringColor: COLOUR,
    lineStringWidth: 3,
    closingPointColor: COLOUR,
    closingPointWidth: 5,
  } as const
  const area = {
    fillColor: COLOUR,
    fillOpacity: 0.14,
    outlineColor: COLOUR,
    outlineWidth: 2.5,
    closingPointColor: COLOUR,
    closingPointWidth: 5,
  } as const
  const made = new terra.TerraDraw({
    adapter: new TerraDrawMapLibreGLAdapter({ map }),
    modes: [
      new terra.TerraDrawLineStringMode({ styles: line }),
      new terra.TerraDrawPolygonMode({ styles: area }),
      new terra.TerraDrawRenderMode({ modeName: 'still', styles: {} }),
    ],
  })
  made.start()
  made.on('change', measure)
  made.on('finish', finish)
  return made
}

function measure(): void {
  const drawn = drawer?.getSnapshot().filter((feature) => feature.geometry.type !== 'Point') ?? []
  const shape = drawn.at(-1)?.geometry
  if (!shape) return
  const ring = (shape.type === 'Polygon' ? shape.coordinates[0] : shape.coordinates) as unknown as Position[]
  measured.points = ring.length
  measured.length = lengthM(ring)
  measured.area = shape.type === 'Polygon' ? areaM2(ring) : 0
}

function finish(): void {
  measure()
  measured.done = true
  const shape = drawer?.getSnapshot().find((feature) => feature.geometry.type === 'Polygon')
  if (tool.value === 'within' && shape) {
    drawnPolygon.value = shape.geometry as GeoJSON.Polygon
    drawer?.setMode('still')
    open('within')
  } else {
    drawer?.setMode('still')
  }
}

export function clearDrawing(): void {
  drawer?.clear()
  drawnPolygon.value = null
  Object.assign(measured, { length: 0, area: 0, points: 0, done: false })
}

/** Takes up the tool chosen elsewhere, and lays it down. */
export function followTool(): void {
  watch(tool, async (chosen) => {
    clearDrawing()
    if (chosen !== 'distance' && chosen !== 'area' && chosen !== 'within') {
      drawer?.setMode('still')
      return
    }
    try {
      drawer ??= await makeDrawer()
      drawer.setMode(chosen === 'distance' ? 'linestring' : 'polygon')
    } catch (error) {
      tellProblem(error)
      tool.value = null
    }
  })
}
