/** Accuracy against throughput: the dense model, every trained and predicted candidate, the frontier, the budget, and the choice. */
import type { Exploration, Measured, Prediction } from '../auto/index.ts';
import { axis, type ChartSize, drawChart, roundAxis } from './chart.ts';
import { PALETTE } from './palette.ts';
import { titleOf } from './quantities.ts';

export const FRONTIER_SIZE: ChartSize = { width: 720, height: 440 };

/** In examples per second and percent. */
type Place = readonly [number, number];

const placeOf = ({ examplesPerSecond, accuracy }: Measured): Place => [examplesPerSecond, 100 * accuracy];

/** Where a prediction would be, if it came true. */
function placeOfPrediction({ ratio, drop }: Prediction, { dense }: Exploration): Place {
  return [ratio * dense.examplesPerSecond, 100 * dense.accuracy - drop.points];
}

function models(all: readonly Measured[], style: object): object {
  return {
    type: 'scatter',
    silent: true,
    data: all.map((model) => ({ name: titleOf(model), value: placeOf(model) })),
    ...style,
  };
}

/** A name that fits into a figure. */
function shortTitle({ name, point, precision }: Measured): string {
  if (name === 'dense') return name;
  const pruned = point.sparsity === 0 ? '' : `, ${Math.round(100 * point.sparsity)} %`;
  return `N=${point.instances}${pruned}${precision === 'fp32' ? '' : `, ${precision}`}`;
}

/**
 * Models of the frontier with their names: above it on its left side and below it on its right, so that there is room on the side where it
 * falls. Where there is no room for all names, some are left out.
 */
function named(all: readonly Measured[], middle: number, style: object): object {
  const isLeft = ({ examplesPerSecond }: Measured): boolean => examplesPerSecond < middle;
  return models(all, {
    label: { show: true, color: PALETTE.ink.light, fontSize: 12, formatter: '{b}' },
    labelLayout: ({ dataIndex = 0 }) => ({ hideOverlap: true, dy: isLeft(all[dataIndex] as Measured) ? -10 : 10 }),
    data: all.map((model) => ({
      ...{ name: shortTitle(model), value: placeOf(model) },
      label: { position: isLeft(model) ? 'right' : 'left' },
    })),
    ...style,
  });
}

/** From each accuracy down to what it surely is not below. */
function bounds(all: readonly Measured[], dense: Measured): object {
  return {
    silent: true,
    symbol: 'none',
    label: { show: false },
    lineStyle: { color: PALETTE.trial.light, type: 'solid', width: 1.5 },
    data: all.map((model) => {
      const [x, y] = placeOf(model);
      return [{ coord: [x, y] }, { coord: [x, Math.min(y, 100 * dense.accuracy - model.drop.upper)] }];
    }),
  };
}

function frontierLine(frontier: readonly Measured[]): object {
  const color = PALETTE.frontier.light;
  return {
    name: 'frontier',
    type: 'line',
    symbol: 'none',
    silent: true,
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
      label: { color, position: 'insideEndTop', formatter: `budget: ${maxDrop} points` },
      data: [{ yAxis: 100 * dense.accuracy - maxDrop }],
    },
  };
}

/** All that is drawn, so that the axes hold it. */
function placesIn(exploration: Exploration): Place[] {
  const { dense, trials, predicted, maxDrop } = exploration;
  const lowest = [dense, ...trials].map(
    (model): Place => [model.examplesPerSecond, 100 * dense.accuracy - model.drop.upper],
  );
  return [
    ...[dense, ...trials].map(placeOf),
    ...lowest.filter(([, accuracy]) => accuracy > 0),
    ...predicted.map((prediction) => placeOfPrediction(prediction, exploration)),
    [dense.examplesPerSecond, 100 * dense.accuracy - maxDrop],
  ];
}

function accuracyAxis(places: readonly Place[]): object {
  const values = places.map(([, accuracy]) => accuracy);
  const air = Math.max(0.3, (Math.max(...values) - Math.min(...values)) / 12);
  const { min, max, interval } = roundAxis([Math.min(...values) - air, Math.max(...values) + air], 7);
  return axis('accuracy, %', { type: 'value', min: Math.max(0, min), max: Math.min(100, max), interval });
}

/** 1, 2, 5, 10, 20, … within limits; where those would be more than there is room for, only 1, 10, 100. */
function ticks({ min, max }: { readonly min: number; readonly max: number }, most: number): number[] {
  const decades = Array.from({ length: 12 }, (_, power) => 10 ** power);
  const within = (steps: readonly number[]): number[] =>
    decades.flatMap((decade) => steps.map((step) => step * decade)).filter((at) => at >= min && at <= max);
  return [[1, 2, 5], [1, 3], [1]].map(within).find((each) => each.length <= most) ?? [];
}

function throughputAxis(places: readonly Place[], { width }: ChartSize): object {
  const values = places.map(([rate]) => rate);
  const limits = { min: Math.min(...values) / 1.6, max: Math.max(...values) * 1.8 };
  const customValues = ticks(limits, width / 60);
  const formatter = (value: number): string => Math.round(value).toLocaleString('en');
  return axis('examples per second', {
    ...{ type: 'log', ...limits },
    axisTick: { customValues },
    axisLabel: { color: PALETTE.quiet.light, customValues, formatter },
  });
}

export function frontierFigure(exploration: Exploration, size: ChartSize = FRONTIER_SIZE): string {
  const { dense, trials, predicted, frontier, chosen } = exploration;
  const isOneOf = (all: readonly Measured[], { name }: Measured): boolean => all.some((model) => model.name === name);
  const others = trials.filter((model) => !isOneOf([chosen], model));
  const onFrontier = others.filter((model) => isOneOf(frontier, model));
  const color = PALETTE.trial.light;
  const trained = { name: 'trained', symbolSize: 9, itemStyle: { color } };
  const places = placesIn(exploration);
  const rates = places.map(([rate]) => rate);
  const middle = Math.sqrt(Math.min(...rates) * Math.max(...rates));
  const isNarrow = size.width < FRONTIER_SIZE.width / 2;
  return drawChart(
    {
      grid: { left: isNarrow ? 52 : 64, right: isNarrow ? 16 : 32, top: isNarrow ? 66 : 48, bottom: 56 },
      legend: {
        top: 4,
        left: 'center',
        itemGap: isNarrow ? 8 : 16,
        textStyle: { color: PALETTE.ink.light },
        data: ['chosen', 'dense', 'trained', ...(predicted.length > 0 ? ['predicted'] : []), 'frontier'],
      },
      xAxis: throughputAxis(places, size),
      yAxis: accuracyAxis(places),
      series: [
        frontierLine(frontier),
        {
          ...{ name: 'predicted', type: 'scatter', silent: true, symbolSize: 7 },
          itemStyle: { color: 'none', borderColor: color, borderWidth: 1.5 },
          data: predicted.map((prediction) => placeOfPrediction(prediction, exploration)),
        },
        named([chosen], middle, { name: 'chosen', symbolSize: 15, z: 4, itemStyle: { color: PALETTE.chosen.light } }),
        named(chosen.name === dense.name ? [] : [dense], middle, {
          ...{ name: 'dense', symbol: 'diamond', symbolSize: 14, z: 3, itemStyle: { color: PALETTE.frontier.light } },
        }),
        named(onFrontier, middle, trained),
        models(
          others.filter((model) => !onFrontier.includes(model)),
          { ...trained, markLine: bounds(trials, dense) },
        ),
        budgetLine(exploration),
      ],
    },
    size,
  );
}
