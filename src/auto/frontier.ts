/** The frontier: what no other model beats in both accuracy and throughput; and the choice among what may be lost. */
import type { Candidate, FinalFigures, Measured } from './exploration.ts';

type Quality = Pick<Measured, 'accuracy' | 'examplesPerSecond'>;

/** Whether `other` is at least as good in both, and better in one. */
export function dominates(other: Quality, one: Quality): boolean {
  const isAsGood = other.accuracy >= one.accuracy && other.examplesPerSecond >= one.examplesPerSecond;
  return isAsGood && (other.accuracy > one.accuracy || other.examplesPerSecond > one.examplesPerSecond);
}

/** Those that none dominates, the slowest and most accurate first. */
export function frontierOf<T extends Quality>(models: readonly T[]): T[] {
  return models
    .filter((model) => !models.some((other) => dominates(other, model)))
    .sort((a, b) => a.examplesPerSecond - b.examplesPerSecond);
}

/** A fraction of a point that is rounding, not loss. */
const ROUNDING = 1e-9;

/** Whether the upper bound of a model's drop is within the allowed drop, in points. */
export function fits({ drop }: Pick<Candidate, 'drop'>, maxDrop: number): boolean {
  return drop.upper <= maxDrop + ROUNDING;
}

export interface Choice<T> {
  readonly chosen: T;
  readonly verdict: string;
}

/** The fastest model of those whose upper bound of the drop is within the allowed drop; the dense one where none of them is faster. */
export function choose<T extends Quality & Pick<Candidate, 'drop'>>(
  trials: readonly T[],
  dense: T,
  maxDrop: number,
): Choice<T> {
  const fitting = trials.filter((trial) => fits(trial, maxDrop));
  const isBetter = (one: T, other: T): boolean =>
    one.examplesPerSecond > other.examplesPerSecond ||
    (one.examplesPerSecond === other.examplesPerSecond && one.accuracy > other.accuracy);
  const chosen = fitting.reduce((best, trial) => (isBetter(trial, best) ? trial : best), dense);
  const count = `${fitting.length} of ${trials.length} models`;
  if (chosen !== dense) {
    return { chosen, verdict: `the fastest of ${count} whose upper bound of the drop is within ${maxDrop} points` };
  }
  const verdict =
    fitting.length === 0
      ? `the dense model: no other has an upper bound of the drop within ${maxDrop} points`
      : `the dense model: none of ${count} whose upper bound of the drop is within ${maxDrop} points is faster`;
  return { chosen, verdict };
}

/** A verdict with what the final rows say against it. */
export function verdictWith(verdict: string, final: FinalFigures | undefined): string {
  if (!final?.contradictsChoice) return verdict;
  const { examples, interval } = final;
  const range = `${interval.low.toFixed(2)} to ${interval.high.toFixed(2)} points`;
  return `${verdict}; but rows that had no part in the choice contradict it: on these ${examples} the drop is ${range}`;
}
