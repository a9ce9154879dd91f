/** The models of accuracy side by side: the one that errs least at points that are left out is used. */
import { type AccuracyModel, leftOutErrors, meanOf, type Observation } from './accuracy-model.ts';
import { bilinear } from './bilinear.ts';
import type { AccuracyError, Guess } from './exploration.ts';
import { gaussianProcess } from './gaussian-process.ts';
import { isSamePoint, type Lattice } from './lattice.ts';

/** The first is used until errors tell. */
const MODELS: readonly AccuracyModel[] = [gaussianProcess, bilinear];

/** Of fewer, errors would be chance. */
const ENOUGH = 4;

export interface Comparison {
  readonly used: AccuracyModel;
  readonly errors: readonly AccuracyError[];
}

/** The error of each model, and the one to use. */
export function compareModels(
  observed: readonly Observation[],
  lattice: Lattice,
  guesses: readonly Guess[] = [],
): Comparison {
  const [first] = MODELS as [AccuracyModel];
  if (observed.length < ENOUGH) return { used: first, errors: [] };
  // A point that is left out is not guessed either.
  const others = guesses.filter(({ point }) => !observed.some((one) => isSamePoint(one.point, point)));
  const compared = MODELS.map((model) => {
    const meansFrom = (known: readonly Observation[]): number[] =>
      model.estimate(known, lattice, others).map(({ mean }) => mean);
    return { model, leaveOneOut: meanOf(leftOutErrors(meansFrom, observed, lattice)) };
  });
  const { model: used } = compared.reduce((best, one) => (one.leaveOneOut < best.leaveOneOut ? one : best));
  return {
    used,
    errors: compared.map(({ model, leaveOneOut }) => ({ model: model.name, leaveOneOut, isUsed: model === used })),
  };
}
