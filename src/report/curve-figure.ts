/** Learning curves of one model: accuracy on the batches, and reached sparsity, over the steps of all its phases. */
import type { ModelDetails } from '../auto/index.ts';
import { axis, type ChartSize, drawChart } from './chart.ts';
import { PALETTE } from './palette.ts';

const SIZE: ChartSize = { width: 360, height: 200 };

interface Joined {
  readonly series: Readonly<Record<string, [number, number][]>>;
  /** Where each phase begins. */
  readonly starts: readonly { readonly phase: string; readonly step: number }[];
}

/** Phases one after the other. */
function join(curves: ModelDetails['curves']): Joined {
  const series: Record<string, [number, number][]> = { accuracy: [], sparsity: [] };
  const starts = [];
  let offset = 0;
  for (const [phase, points] of Object.entries(curves)) {
    starts.push({ phase, step: offset });
    for (const { step, values } of points) {
      for (const [name, line] of Object.entries(series)) {
        const value = values[name];
        if (value !== undefined) line.push([offset + step, 100 * value]);
      }
    }
    offset += points.at(-1)?.step ?? 0;
  }
  return { series, starts };
}

const COLORS: Readonly<Record<string, string>> = { accuracy: PALETTE.frontier.light, sparsity: PALETTE.budget.light };

/** Nothing where there are no curves. */
export function curveFigure({ curves }: ModelDetails, size: ChartSize = SIZE): string | undefined {
  const { series, starts } = join(curves);
  const lines = Object.entries(series).filter(([, data]) => data.length > 0);
  if (lines.length === 0) return undefined;
  const phases = {
    silent: true,
    symbol: 'none',
    lineStyle: { color: PALETTE.trial.light, type: 'dotted' },
    label: { color: PALETTE.quiet.light, position: 'insideEndTop', rotate: 0, fontSize: 10, formatter: '{b}' },
    data: starts.map(({ phase, step }) => ({ name: phase, xAxis: step })),
  };
  return drawChart(
    {
      grid: { left: 44, right: 24, top: 40, bottom: 44 },
      legend: { top: 0, textStyle: { color: PALETTE.ink.light }, data: lines.map(([name]) => name) },
      xAxis: axis('steps', { type: 'value', nameGap: 26 }),
      yAxis: axis('%', { type: 'value', min: 0, max: 100, nameGap: 28 }),
      series: lines.map(([name, data], at) => ({
        ...{ name, data, type: 'line', symbol: 'none', silent: true },
        lineStyle: { color: COLORS[name], width: 1.5 },
        itemStyle: { color: COLORS[name] },
        ...(at === 0 && { markLine: phases }),
      })),
    },
    size,
  );
}
