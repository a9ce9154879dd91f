/** Accuracy against the number of inputs per pass, a line per data set, with the spread over groupings. */
import { axis, type ChartSize, drawChart } from './chart.ts';
import { PALETTE } from './palette.ts';

export interface InstancesLine {
  readonly name: string;
  /** Accuracy or span F1 as a fraction; the spread is one standard deviation over groupings. */
  readonly points: readonly { readonly instances: number; readonly value: number; readonly spread: number }[];
}

const SIZE: ChartSize = { width: 640, height: 400 };
const COLOURS = [PALETTE.frontier, PALETTE.chosen, PALETTE.allowed, PALETTE.trial].map(({ light }) => light);

function seriesOf({ name, points }: InstancesLine, at: number): object[] {
  const color = COLOURS[at % COLOURS.length];
  const spreads = points.map(({ instances, value, spread }) => [
    { coord: [String(instances), 100 * (value - spread)] },
    { coord: [String(instances), 100 * (value + spread)] },
  ]);
  return [
    {
      name,
      type: 'line',
      symbolSize: 8,
      lineStyle: { color, width: 2 },
      itemStyle: { color },
      label: {
        show: true,
        position: 'top',
        color: PALETTE.ink.light,
        formatter: ({ value }: { value: number[] }) => value[1]?.toFixed(1),
      },
      data: points.map(({ instances, value }) => [String(instances), 100 * value]),
      markLine: {
        silent: true,
        symbol: 'none',
        label: { show: false },
        lineStyle: { color, type: 'solid', width: 4, opacity: 0.35 },
        data: spreads,
      },
    },
  ];
}

/** `lines` may have different numbers of instances. */
export function accuracyByInstances(lines: readonly InstancesLine[], size: ChartSize = SIZE): string {
  const counts = [...new Set(lines.flatMap(({ points }) => points.map(({ instances }) => instances)))].sort(
    (a, b) => a - b,
  );
  const values = lines.flatMap(({ points }) => points.flatMap(({ value, spread }) => [value - spread, value + spread]));
  return drawChart(
    {
      grid: { left: 64, right: 32, top: 44, bottom: 56 },
      legend: { top: 4, textStyle: { color: PALETTE.ink.light }, data: lines.map(({ name }) => name) },
      xAxis: axis('inputs per pass', { type: 'category', data: counts.map(String) }),
      yAxis: axis('accuracy, or span F1, %', {
        type: 'value',
        min: Math.floor(100 * Math.min(...values) - 2),
        max: Math.min(100, Math.ceil(100 * Math.max(...values) + 2)),
      }),
      series: lines.flatMap(seriesOf),
    },
    size,
  );
}
