/**
 * How sure a drop of accuracy is. Both models answer the same rows, so it is the rows where they differ that count: the variance is that of the
 * paired differences, not that of two accuracies.
 */
import { assert } from '../base/index.ts';
import type { RowScores } from '../train/index.ts';
import type { Drop } from './exploration.ts';
import { normalQuantile } from './normal.ts';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export function scoreOf({ hits, outOf }: RowScores): number {
  return sum(hits) / Math.max(sum(outOf), Number.MIN_VALUE);
}

/** The scores of some of the rows. */
export function scoresAt({ hits, outOf }: RowScores, rows: readonly number[]): RowScores {
  const at = (values: readonly number[]): number[] => rows.map((row) => values[row] ?? 0);
  return { hits: at(hits), outOf: at(outOf) };
}

/** A ratio as a mean over rows, to first order: r + n (hᵢ − r oᵢ) / Σ o; of texts just hᵢ. */
function perRow(scores: RowScores): number[] {
  const { hits, outOf } = scores;
  const ratio = scoreOf(scores);
  const mean = sum(outOf) / hits.length;
  if (mean === 0) return hits.map(() => ratio); // tags, where neither the rows nor the answers have any
  return hits.map((hit, row) => ratio + (hit - ratio * (outOf[row] ?? 0)) / mean);
}

/** What `pairedDrop` takes from the differences d of n rows. */
interface Moments {
  readonly n: number;
  /** Σ d */
  readonly sum: number;
  /** Σ (d − mean)² */
  readonly squares: number;
  /** What a row loses that loses something: Σ |d|³ / Σ d², 1 of texts in one grouping. */
  readonly loss: number;
}

function momentsOf(differences: readonly number[]): Moments {
  const total = sum(differences);
  const squares = sum(differences.map((d) => d * d));
  const cubes = sum(differences.map((d) => Math.abs(d) ** 3));
  const n = differences.length;
  return { n, sum: total, squares: Math.max(0, squares - total ** 2 / n), loss: squares > 0 ? cubes / squares : 1 };
}

/**
 * The one-sided upper bound of a mean of losses that are rare: Σd + g (z² + 2)/3 + z √(Σ(d − d̄)² + g² (z² + 11)/18), over n. Of rows that lose
 * g = 1 or nothing it is the Cornish-Fisher expansion of the exact bound of a Poisson mean (χ²/2 with 2k + 2 degrees of freedom), which is no
 * bound of 0 where nothing was lost; the skewness is taken as if all rows that differ were losses, which errs to the safe side.
 * Paper: One-sided confidence intervals in discrete distributions (Cai 2005), J. Stat. Plan. Inference 131.
 */
function upperBound({ n, sum, squares, loss }: Moments, confidence: number): number {
  const z = normalQuantile(confidence);
  return (sum + (loss * (z * z + 2)) / 3 + z * Math.sqrt(squares + (loss * loss * (z * z + 11)) / 18)) / n;
}

function differencesOf(dense: RowScores, model: RowScores): number[] {
  assert(dense.hits.length === model.hits.length && dense.hits.length > 0, 'scores of the same rows, one at least');
  const [before, after] = [perRow(dense), perRow(model)];
  return before.map((score, row) => score - (after[row] ?? 0));
}

/** Of the dense model itself. */
export const NO_DROP: Drop = { points: 0, standardError: 0, upper: 0 };

/** The drop from the dense model to another one, in points. */
export function pairedDrop(dense: RowScores, model: RowScores, confidence: number): Drop {
  const moments = momentsOf(differencesOf(dense, model));
  const { n, sum: total, squares } = moments;
  return {
    points: (100 * total) / n,
    standardError: (100 * Math.sqrt(squares + (moments.loss ** 2 * 11) / 18)) / n,
    upper: 100 * upperBound(moments, confidence),
  };
}

/** A two-sided interval of the drop, in points: a bound from either side, each with half of what may be missed. */
export function dropInterval(dense: RowScores, model: RowScores, confidence: number) {
  const bound = (1 + confidence) / 2;
  const [low, high] = [pairedDrop(model, dense, bound).upper, pairedDrop(dense, model, bound).upper];
  return { confidence, low: -low, high };
}
