/** Charts as SVG text, drawn without a browser; colours change with the reader's light or dark mode, by rules inside the SVG. */
import { LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent, MarkLineComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { PALETTE } from './palette.ts';

use([LineChart, ScatterChart, GridComponent, LegendComponent, MarkLineComponent, SVGRenderer]);

export interface ChartSize {
  readonly width: number;
  readonly height: number;
}

/** Colours are attributes in the SVG; a rule for an attribute's value overrides it. */
const DARK_RULES = Object.values(PALETTE)
  .map(({ light, dark }) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`)
  .join('');

/** Clip paths (all data is within its axes) and what happens under a mouse: their names count up, and would clash on a page of charts. */
const NUMBERED =
  / clip-path="[^"]*"|<clipPath[\s\S]*?<\/clipPath>| class="zr[^"]*"|<style ><!\[CDATA\[[\s\S]*?<\/style>/g;

export function drawChart(options: EChartsCoreOption, { width, height }: ChartSize): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: 'system-ui, sans-serif' }, ...options });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg.replace(NUMBERED, '').replace('>', `><style>@media (prefers-color-scheme: dark){${DARK_RULES}}</style>`);
}

/** An axis in the palette's colours. */
export function axis(name: string, more: object = {}): object {
  return {
    name,
    nameLocation: 'middle',
    nameGap: 34,
    nameTextStyle: { color: PALETTE.ink.light, fontSize: 13 },
    axisLabel: { color: PALETTE.quiet.light },
    axisLine: { lineStyle: { color: PALETTE.quiet.light } },
    splitLine: { lineStyle: { color: PALETTE.line.light } },
    ...more,
  };
}

/** Limits and distance of the ticks of an axis that holds some values, all of them round. */
export function roundAxis(values: readonly number[], most: number): { min: number; max: number; interval: number } {
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  const magnitude = 10 ** Math.floor(Math.log10(Math.max(greatest - least, 1e-3) / most));
  const interval = [1, 2, 5, 10, 20]
    .map((step) => step * magnitude)
    .find((step) => (greatest - least) / step <= most - 1);
  const step = interval ?? greatest - least;
  return { min: step * Math.floor(least / step), max: step * Math.ceil(greatest / step), interval: step };
}
