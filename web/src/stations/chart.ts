/** The part of ECharts that draws one line; loaded with the first chart. */
import { LineChart } from 'echarts/charts'
import { GridComponent, MarkLineComponent, TooltipComponent } from 'echarts/components'
import { init, use, type EChartsType } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'

use([LineChart, GridComponent, TooltipComponent, MarkLineComponent, CanvasRenderer])

export type Point = [string, number | null]

export interface Look {
  line: string
  text: string
  grid: string
  panel: string
}

export function makeChart(container: HTMLElement): EChartsType {
  return init(container)
}

export function draw(chart: EChartsType, points: Point[], unit: string, look: Look): void {
  chart.setOption(
    {
      animation: false,
      textStyle: { fontFamily: 'inherit' },
      grid: { left: 8, right: 12, top: 26, bottom: 4, containLabel: true },
      tooltip: {
        trigger: 'axis',
        backgroundColor: look.panel,
        borderColor: look.grid,
        textStyle: { color: look.text, fontSize: 12 },
        valueFormatter: (value: unknown) => (value === null ? '–' : `${String(value)} ${unit}`),
      },
      xAxis: {
        type: 'time',
        axisLine: { lineStyle: { color: look.grid } },
        axisLabel: { color: look.text, fontSize: 11, hideOverlap: true },
        splitLine: { show: false },
      },
      yAxis: {
        type: 'value',
        scale: true,
        name: unit,
        nameTextStyle: { color: look.text, fontSize: 11, align: 'right' },
        axisLabel: { color: look.text, fontSize: 11 },
        splitLine: { lineStyle: { color: look.grid, type: 'dashed' } },
      },
      series: [
        {
          type: 'line',
          data: points,
          showSymbol: false,
          sampling: 'lttb',
          lineStyle: { width: 1.8, color: look.line },
          itemStyle: { color: look.line },
          areaStyle: { color: look.line, opacity: 0.1 },
        },
      ],
    },
    true,
  )
}
