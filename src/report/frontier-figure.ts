/** Accuracy against throughput: the dense model, every trial, the frontier, the budget, and the choice. */
import type { Exploration, Measured } from '../auto/index.ts';
import { axis, type ChartSize, drawChart } from './chart.ts';
import { PALETTE } from './palette.ts';

const SIZE: ChartSize = { width: 640, height: 420 };

/** How a model is called in figures and tables. */
export function titleOf({ point, precision }: Pick<Measured, 'point' | 'precision'>): string {
  const isDense = point.instances === 1 && point.sparsity === 0;
  const title = isDense ? 'dense' : `N=${point.instances}, ${Math.round(100 * point.sparsity)} % pruned`;
  return precision === 'fp32' ? title : `${title}, ${precision}`;
}

const placeOf = ({ examplesPerSecond, accuracy }: Measured): [number, number] => [examplesPerSecond, 100 * accuracy];

/** Labels stand above the frontier, and below where a model is not on it: clear of the line. */
function points(models: readonly Measured[], frontier: readonly Measured[], style: object): object {
  const isOnFrontier = models.map(({ name }) => frontier.some((model) => model.name === name));
  return {
    type: 'scatter',
    label: { show: true, position: 'right', color: PALETTE.ink.light, fontSize: 12, formatter: '{b}' },
    labelLayout: ({ dataIndex = 0 }) => ({ hideOverlap: true, dy: isOnFrontier[dataIndex] ? -9 : 9 }),
    silent: true,
    data: models.map((model) => ({ name: titleOf(model), value: placeOf(model) })),
    ...style,
  };
}

function frontierLine(frontier: readonly Measured[]): object {
  const color = PALETTE.frontier.light;
  return {
    name: 'frontier',
    type: 'line',
    symbol: 'none',
    lineStyle: { color, width: 2 },
    itemStyle: { color },
    data: frontier.map(placeOf),
  };
}

function budgetLine({ dense, maxDrop }: Exploration): object {
  const color = PALETTE.budget.light;
  return {
    type: 'line',
    data: [],
    markLine: {
      silent: true,
      symbol: 'none',
      lineStyle: { color, type: 'dashed' },
      label: { color, position: 'insideStartTop', formatter: `${maxDrop} points below the dense model` },
      data: [{ yAxis: 100 * dense.accuracy - maxDrop }],
    },
  };
}

/** Limits of an axis that hold all values with some air: those of a logarithmic one by ratio. */
function accuracyLimits(exploration: Exploration): { min: number; max: number } {
  const { dense, trials, maxDrop } = exploration;
  const values = [dense, ...trials].map(({ accuracy }) => 100 * accuracy);
  const [least, most] = [Math.min(...values, 100 * dense.accuracy - maxDrop), Math.max(...values)];
  const air = Math.max(0.5, (most - least) / 8);
  return { min: Math.max(0, Math.floor(least - air)), max: Math.min(100, Math.ceil(most + air)) };
}

function throughputLimits({ dense, trials }: Exploration): { min: number; max: number } {
  const values = [dense, ...trials].map(({ examplesPerSecond }) => examplesPerSecond);
  return { min: Math.min(...values) / 1.5, max: Math.max(...values) * 2.5 };
}

/** 1, 2, 5, 10, 20, … within limits. */
function ticks({ min, max }: { readonly min: number; readonly max: number }): number[] {
  const decades = Array.from({ length: 12 }, (_, power) => 10 ** power);
  return decades.flatMap((decade) => [1, 2, 5].map((step) => step * decade)).filter((at) => at >= min && at <= max);
}

function throughputAxis(exploration: Exploration): object {
  const limits = throughputLimits(exploration);
  const customValues = ticks(limits);
  const formatter = (value: number): string => Math.round(value).toLocaleString('en');
  return axis('examples per second', {
    ...{ type: 'log', ...limits },
    axisTick: { customValues },
    axisLabel: { color: PALETTE.quiet.light, customValues, formatter },
  });
}

export function frontierFigure(exploration: Exploration, size: ChartSize = SIZE): string {
  const { dense, trials, frontier, chosen } = exploration;
  const others = trials.filter(({ name }) => name !== chosen.name);
  return drawChart(
    {
      grid: { left: 64, right: 32, top: 44, bottom: 56 },
      legend: {
        top: 4,
        textStyle: { color: PALETTE.ink.light },
        data: ['trials', 'frontier', 'dense', 'chosen'],
      },
      xAxis: throughputAxis(exploration),
      yAxis: axis('accuracy, %', { type: 'value', ...accuracyLimits(exploration) }),
      series: [
        frontierLine(frontier),
        points(others, frontier, { name: 'trials', symbolSize: 9, itemStyle: { color: PALETTE.trial.light } }),
        points([dense], frontier, {
          name: 'dense',
          symbol: 'diamond',
          symbolSize: 14,
          itemStyle: { color: PALETTE.frontier.light },
        }),
        points([chosen], frontier, { name: 'chosen', symbolSize: 16, itemStyle: { color: PALETTE.chosen.light } }),
        budgetLine(exploration),
      ],
    },
    size,
  );
}
