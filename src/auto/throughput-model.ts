/**
 * The model of throughput: random models of every candidate's shape, measured on this machine and these lengths, and corrected by what trained
 * models turned out to be faster or slower than theirs.
 */
import { fcnnlsVector } from 'ml-fcnnls';
import { Matrix } from 'ml-matrix';
import { median, type Precision } from '../base/index.ts';
import { meanOf } from './accuracy-model.ts';
import type { GridPoint, Measured, ThroughputError } from './exploration.ts';
import { DENSE, isSamePoint } from './lattice.ts';

/** How many times as fast as the dense model a random model of that shape was. */
export interface ShapeRatio {
  readonly point: GridPoint;
  readonly precision: Precision;
  readonly ratio: number;
}

/** log(measured / predicted) of the trained models that were predicted. */
function misses(trials: readonly Measured[]): number[] {
  return trials.flatMap(({ ratio, predictedRatio }) =>
    predictedRatio === undefined || predictedRatio <= 0 ? [] : [Math.log(ratio / predictedRatio)],
  );
}

/** A miss that was never seen, which keeps a few from telling too much. */
const NO_MISS = 0;

/** What predicted ratios are to be multiplied by. */
export function correctionFrom(trials: readonly Measured[]): number {
  return Math.exp(meanOf([...misses(trials), NO_MISS]));
}

/**
 * An example's share of each cost that its time is made of: a pass costs something whatever is in it, and something for the weights that are left, which its N inputs
 * share; what is done for each input by itself is not shared. t = (a + b w) / N + c, with w = 1 - s. A weight of a pruned matrix, of whatever
 * odd width, takes longer than one of a whole matrix, so they have a cost each.
 */
function sharesOf({ instances, sparsity }: GridPoint): readonly number[] {
  const weights = (1 - sparsity) / instances;
  return [1 / instances, ...(sparsity === 0 ? [weights, 0] : [0, weights]), 1];
}

/** As of ridge regression: costs that shapes do not tell apart are shared out evenly. */
const RIDGE = 1e-4;

/** How many times as fast as the dense model any point is, by least squares of relative errors; no part of the time is below 0. */
export function ratiosFrom(shapes: readonly ShapeRatio[]): (point: GridPoint) => number {
  const rows = shapes.map(({ point, ratio }) => sharesOf(point).map((share) => share * ratio));
  const ridge = Matrix.identity(sharesOf(DENSE).length).mul(RIDGE).to2DArray();
  const relative = [...rows.map(() => 1), ...ridge.map(() => 0)];
  const costs = fcnnlsVector(new Matrix([...rows, ...ridge]), relative).K.to1DArray();
  return (point) => 1 / sharesOf(point).reduce((time, share, at) => time + share * (costs[at] ?? 0), 0);
}

/** Fewer do not tell the costs and an error. */
const ENOUGH = 4;

/** How far each shape is from what the others of its precision make of it. */
function shapeErrors(shapes: readonly ShapeRatio[]): number[] {
  const precisions = [...new Set(shapes.map(({ precision }) => precision))];
  return precisions
    .map((precision) => shapes.filter((shape) => shape.precision === precision))
    .filter(({ length }) => length > ENOUGH)
    .flatMap((alike) =>
      alike
        .filter(({ point, precision }) => precision !== 'fp32' || !isSamePoint(point, DENSE)) // that one is 1 by definition
        .map((left) =>
          Math.abs(Math.log(left.ratio / ratiosFrom(alike.filter((shape) => shape !== left))(left.point))),
        ),
    );
}

/** Each trained model's own miss, after the correction by the others. */
function trialErrors(trials: readonly Measured[]): number[] {
  const all = misses(trials);
  return all.map((miss, at) => Math.abs(miss - meanOf([...all.filter((_, other) => other !== at), NO_MISS])));
}

export function throughputError(trials: readonly Measured[], shapes: readonly ShapeRatio[]): ThroughputError {
  const [ofShapes, ofTrials] = [shapeErrors(shapes), trialErrors(trials)];
  return {
    ...(ofShapes.length > 0 && { shapesLeftOut: median(ofShapes) }),
    ...(ofTrials.length > 0 && { trials: median(ofTrials) }),
  };
}
