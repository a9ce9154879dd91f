/**
 * Guesses from cheap evidence, before a point is trained: what the dense model loses pruned without training (Kwon et al. 2022), and what a
 * multiplexed one loses after a short run. More training loses no more than that. How much less is not known: it is taken as uniform, from
 * nothing to all of it.
 */
import type { Observation } from './accuracy-model.ts';
import type { Guess } from './exploration.ts';
import { isSamePoint } from './lattice.ts';

/** The variance of a uniform distribution of width 1. */
const UNIFORM_VARIANCE = 1 / 12;

/** The drop after training, as far as a guess tells it. */
export function guessedObservation({ point, drop: { points, standardError } }: Guess): Observation {
  const most = Math.max(0, points);
  return { point, drop: points - most / 2, variance: UNIFORM_VARIANCE * most ** 2 + standardError ** 2 };
}

/** The observations, and what is guessed of points that were not observed. */
export function withGuesses(observed: readonly Observation[], guesses: readonly Guess[]): Observation[] {
  const open = guesses.filter((guess) => !observed.some(({ point }) => isSamePoint(point, guess.point)));
  return [...observed, ...open.map(guessedObservation)];
}
