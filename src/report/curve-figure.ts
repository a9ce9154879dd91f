/** Learning curves of one model: accuracy on the batches, and reached sparsity, over the steps of all its phases. */
import type { ModelDetails } from '../auto/index.ts';
import { axis, type ChartSize, drawChart } from './chart.ts';
import { PALETTE } from './palette.ts';

const SIZE: ChartSize = { width: 360, height: 200 };

/** A step and a value in percent; no value between phases, where lines are interrupted. */
type Point = [number, number | null];

interface Joined {
  readonly series: Readonly<Record<string, Point[]>>;
  /** Where each phase begins. */
  readonly starts: readonly { readonly phase: string; readonly step: number }[];
  readonly steps: number;
}

/** Phases one after the other. */
function join(curves: ModelDetails['curves']): Joined {
  const series: Record<string, Point[]> = { accuracy: [], sparsity: [] };
  const starts = [];
  let offset = 0;
  for (const [phase, points] of Object.entries(curves)) {
    starts.push({ phase, step: offset });
    for (const [name, line] of Object.entries(series)) {
      if (line.length > 0) line.push([offset, null]);
      for (const { step, values } of points) {
        const value = values[name];
        if (value !== undefined) line.push([offset + step, 100 * value]);
      }
    }
    offset += points.at(-1)?.step ?? 0;
  }
  return { series, starts, steps: offset };
}

const COLORS: Readonly<Record<string, string>> = { accuracy: PALETTE.frontier.light, sparsity: PALETTE.allowed.light };
const GRID = { left: 48, right: 24, top: 44, bottom: 44 };
/** Of a letter of a phase's name, in pixels. */
const LETTER = 6.5;

/** A dotted line where each phase begins, with its name where the phase is wide enough for it. */
function phaseLines({ starts, steps }: Joined, { width }: ChartSize): object {
  const pixelsPerStep = (width - GRID.left - GRID.right) / Math.max(1, steps);
  const hasRoom = (phase: string, at: number): boolean => {
    const [start, end] = [starts[at]?.step ?? 0, starts[at + 1]?.step ?? steps];
    return (end - start) * pixelsPerStep > LETTER * phase.length;
  };
  return {
    silent: true,
    symbol: 'none',
    lineStyle: { color: PALETTE.trial.light, type: 'dotted' },
    label: { color: PALETTE.quiet.light, position: 'end', align: 'left', rotate: 0, fontSize: 10, formatter: '{b}' },
    data: starts.map(({ phase, step }, at) => ({
      ...{ name: phase, xAxis: step },
      ...(hasRoom(phase, at) ? {} : { label: { show: false } }),
    })),
  };
}

/** Nothing where there are no curves. */
export function curveFigure({ curves }: ModelDetails, size: ChartSize = SIZE): string | undefined {
  const joined = join(curves);
  const lines = Object.entries(joined.series).filter(([, data]) => data.some(([, value]) => value !== null));
  if (lines.length === 0) return undefined;
  return drawChart(
    {
      grid: GRID,
      legend: { top: 0, textStyle: { color: PALETTE.ink.light }, data: lines.map(([name]) => name) },
      xAxis: axis('steps', { type: 'value', nameGap: 26, splitNumber: 4, max: Math.max(1, joined.steps) }),
      yAxis: axis('%', { type: 'value', min: 0, max: 100, nameGap: 30 }),
      series: lines.map(([name, data], at) => ({
        ...{ name, data, type: 'line', symbol: 'none', silent: true },
        lineStyle: { color: COLORS[name], width: 1.5 },
        itemStyle: { color: COLORS[name] },
        ...(at === 0 && { markLine: phaseLines(joined, size) }),
      })),
    },
    size,
  );
}
