/** Models of the drop: from the drops at a few points of a lattice to those at all of them, each with how sure it is. */
import type { GridPoint, Guess } from './exploration.ts';
import { type Lattice, placeIn } from './lattice.ts';

/** A drop that was measured. */
export interface Observation {
  readonly point: GridPoint;
  /** In points. */
  readonly drop: number;
  /** Of the measurement, in squared points. */
  readonly variance: number;
}

/** What a drop is thought to be. */
export interface Estimate {
  readonly mean: number;
  /** Of the true drop, in squared points. */
  readonly variance: number;
}

export interface AccuracyModel {
  readonly name: string;
  readonly takesGuesses: boolean;
  /**
   * Estimates at the lattice's points, in their order. The dense model loses nothing; the observations are of others. A model that knows how
   * sure an observation is takes guesses, too.
   */
  readonly estimate: (observed: readonly Observation[], lattice: Lattice, guesses?: readonly Guess[]) => Estimate[];
}

/** How far each observation is from what the others make of its point, in points. */
export function leftOutErrors(
  meansFrom: (observed: readonly Observation[]) => readonly number[],
  observed: readonly Observation[],
  lattice: Lattice,
): number[] {
  return observed.map((left) => {
    const means = meansFrom(observed.filter((one) => one !== left));
    return Math.abs((means[placeIn(lattice, left.point)] ?? Number.NaN) - left.drop);
  });
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
