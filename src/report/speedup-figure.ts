/** Accuracy against measured speed-up, logarithmic: a line per kind of model, with others' published points beside them. */
import { axis, type ChartSize, drawChart } from './chart.ts';
import { PALETTE } from './palette.ts';

export interface SpeedupLine {
  readonly name: string;
  /** Accuracy is a fraction, its spread one standard deviation; the label says what the point is. */
  readonly points: readonly {
    readonly speedup: number;
    readonly accuracy: number;
    readonly spread: number;
    readonly label: string;
  }[];
  /** Measured by others, on other models and machines: drawn dashed. */
  readonly isPublished?: boolean;
}

const SIZE: ChartSize = { width: 720, height: 440 };
const COLOURS = [PALETTE.frontier, PALETTE.chosen, PALETTE.allowed, PALETTE.trial].map(({ light }) => light);

const meanAccuracy = ({ points }: SpeedupLine): number =>
  points.reduce((sum, { accuracy }) => sum + accuracy, 0) / points.length;

/** Names of points have the colour of their line, and are above it, those of the lowest line below: lines may cross. */
function seriesOf(line: SpeedupLine, at: number, lines: readonly SpeedupLine[]): object {
  const { name, points, isPublished = false } = line;
  const isLowest = lines.every((other) => meanAccuracy(other) >= meanAccuracy(line));
  const color = COLOURS[at % COLOURS.length];
  const type = isPublished ? 'dashed' : 'solid';
  return {
    name,
    type: 'line',
    symbol: isPublished ? 'diamond' : 'circle',
    symbolSize: 8,
    lineStyle: { color, width: 2, type },
    itemStyle: { color },
    label: { show: true, position: isLowest ? 'bottom' : 'top', fontSize: 11, color, formatter: '{b}' },
    labelLayout: { hideOverlap: true },
    data: points.map(({ speedup, accuracy, label }) => ({ name: label, value: [speedup, 100 * accuracy] })),
    markLine: {
      silent: true,
      symbol: 'none',
      label: { show: false },
      lineStyle: { color, type: 'solid', width: 4, opacity: 0.35 },
      data: points
        .filter(({ spread }) => spread > 0)
        .map(({ speedup, accuracy, spread }) => [
          { coord: [speedup, 100 * (accuracy - spread)] },
          { coord: [speedup, 100 * (accuracy + spread)] },
        ]),
    },
  };
}

/** At least one line with a point. */
export function accuracyBySpeedup(lines: readonly SpeedupLine[], size: ChartSize = SIZE): string {
  const points = lines.flatMap((line) => line.points);
  const values = points.flatMap(({ accuracy, spread }) => [100 * (accuracy - spread), 100 * (accuracy + spread)]);
  const speeds = points.map(({ speedup }) => speedup);
  const ticks = [1, 2, 5, 10, 20, 50, 100, 200];
  const limits = { min: Math.min(1, ...speeds), max: 1.25 * Math.max(...speeds) };
  const customValues = ticks.filter((tick) => tick >= limits.min && tick <= limits.max);
  return drawChart(
    {
      grid: { left: 64, right: 40, top: 44, bottom: 56 },
      legend: { top: 4, textStyle: { color: PALETTE.ink.light }, data: lines.map(({ name }) => name) },
      xAxis: axis('times the throughput of the dense model', {
        ...{ type: 'log', ...limits },
        axisTick: { customValues },
        axisLabel: { color: PALETTE.quiet.light, customValues, formatter: '{value}x' },
      }),
      yAxis: axis('accuracy, %', {
        type: 'value',
        min: Math.floor(Math.min(...values) - 1),
        max: Math.min(100, Math.ceil(Math.max(...values) + 1.5)),
      }),
      series: lines.map(seriesOf),
    },
    size,
  );
}
