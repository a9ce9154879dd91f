/** The plane that models stand on: throughput, logarithmic, against accuracy; its axes, and where on a chart of some size a place is. */
import type { Exploration, Measured, Prediction } from '../auto/index.ts';
import { axis, type ChartSize, roundAxis } from './chart.ts';
import { PALETTE } from './palette.ts';

/** In examples per second and percent. */
export type Place = readonly [number, number];

export const placeOf = ({ examplesPerSecond, accuracy }: Measured): Place => [examplesPerSecond, 100 * accuracy];

/** Where a prediction would be, if it came true. */
export function placeOfPrediction({ ratio, drop }: Prediction, { dense }: Exploration): Place {
  return [ratio * dense.examplesPerSecond, 100 * dense.accuracy - drop.points];
}

/** What the accuracy of a model surely is not below. */
export function placeOfBound({ examplesPerSecond, accuracy, drop }: Measured, dense: Measured): Place {
  return [examplesPerSecond, Math.min(100 * accuracy, 100 * dense.accuracy - drop.upper)];
}

/** All that is drawn, so that the axes hold it. */
function placesIn(exploration: Exploration): Place[] {
  const { dense, trials, predicted, maxDrop } = exploration;
  return [
    ...[dense, ...trials].map(placeOf),
    ...trials.map((model) => placeOfBound(model, dense)),
    ...predicted.map((prediction) => placeOfPrediction(prediction, exploration)),
    [dense.examplesPerSecond, 100 * dense.accuracy - maxDrop],
  ];
}

/** 1, 2, 5, 10, 20, … within limits; where those would be more than there is room for, only 1, 10, 100. */
function ticks({ min, max }: Limits, most: number): number[] {
  const decades = Array.from({ length: 12 }, (_, power) => 10 ** power);
  const within = (steps: readonly number[]): number[] =>
    decades.flatMap((decade) => steps.map((step) => step * decade)).filter((at) => at >= min && at <= max);
  return [[1, 2, 5], [1, 3], [1]].map(within).find((each) => each.length <= most) ?? [];
}

interface Limits {
  readonly min: number;
  readonly max: number;
}

const shareOf = (value: number, { min, max }: Limits): number => (value - min) / (max - min);
const logarithms = ({ min, max }: Limits): Limits => ({ min: Math.log(min), max: Math.log(max) });

export interface Plane {
  readonly grid: { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number };
  readonly xAxis: object;
  readonly yAxis: object;
  /** In pixels from the left and the top. */
  pixelOf(place: Place): readonly [number, number];
}

const PIXELS_PER_TICK = 60;

function throughputAxis(limits: Limits, width: number): object {
  const customValues = ticks(limits, width / PIXELS_PER_TICK);
  const formatter = (value: number): string => Math.round(value).toLocaleString('en');
  return axis('examples per second', {
    ...{ type: 'log', ...limits },
    axisTick: { customValues },
    axisLabel: { color: PALETTE.quiet.light, customValues, formatter },
  });
}

function accuracyLimits(values: readonly number[]): Limits & { readonly interval: number } {
  const air = Math.max(0.3, (Math.max(...values) - Math.min(...values)) / 12);
  const { min, max, interval } = roundAxis([Math.min(...values) - air, Math.max(...values) + air], 7);
  return { min: Math.max(0, min), max: Math.min(100, max), interval };
}

export function planeOf(exploration: Exploration, { width, height }: ChartSize, isNarrow: boolean): Plane {
  const places = placesIn(exploration);
  const rates = places.map(([rate]) => rate);
  const throughput = { min: Math.min(...rates) / 1.6, max: Math.max(...rates) * 1.8 };
  const accuracy = accuracyLimits(places.map(([, value]) => value));
  const grid = isNarrow ? { left: 52, right: 16, top: 66, bottom: 56 } : { left: 64, right: 32, top: 48, bottom: 56 };
  return {
    grid,
    xAxis: throughputAxis(throughput, width),
    yAxis: axis('accuracy, %', { type: 'value', ...accuracy }),
    pixelOf: ([rate, percent]) => [
      grid.left + (width - grid.left - grid.right) * shareOf(Math.log(rate), logarithms(throughput)),
      height - grid.bottom - (height - grid.top - grid.bottom) * shareOf(percent, accuracy),
    ],
  };
}
