/**
 * The model of throughput: random models of every candidate's shape, measured on this machine and these lengths, and corrected by what trained
 * models turned out to be faster or slower than theirs.
 */
import type { Precision } from '../base/index.ts';
import { leftOutErrors, meanOf } from './accuracy-model.ts';
import { bilinearSurface } from './bilinear.ts';
import type { GridPoint, Measured, ThroughputError } from './exploration.ts';
import { DENSE, isSamePoint, type Lattice } from './lattice.ts';

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

/** How far shapes are from what the others make of them, by interpolation of log ratios, over the precisions. */
function shapeError(shapes: readonly ShapeRatio[], lattice: Lattice): number | undefined {
  const precisions = [...new Set(shapes.map(({ precision }) => precision))];
  const errors = precisions.flatMap((precision) => {
    const observed = shapes
      .filter((shape) => shape.precision === precision && !isSamePoint(shape.point, DENSE))
      .map(({ point, ratio }) => ({ point, drop: Math.log(ratio), variance: 0 }));
    return leftOutErrors((others) => bilinearSurface(others, lattice), observed, lattice);
  });
  return errors.length > 1 ? meanOf(errors) : undefined;
}

/** Each trained model's own miss, after the correction by the others. */
function trialError(trials: readonly Measured[]): number | undefined {
  const all = misses(trials);
  if (all.length === 0) return undefined;
  const errors = all.map((miss, at) => Math.abs(miss - meanOf([...all.filter((_, other) => other !== at), NO_MISS])));
  return meanOf(errors);
}

export function throughputError(
  trials: readonly Measured[],
  shapes: readonly ShapeRatio[],
  lattice: Lattice,
): ThroughputError {
  const [shapesLeftOut, ofTrials] = [shapeError(shapes, lattice), trialError(trials)];
  return {
    ...(shapesLeftOut !== undefined && { shapesLeftOut }),
    ...(ofTrials !== undefined && { trials: ofTrials }),
  };
}
