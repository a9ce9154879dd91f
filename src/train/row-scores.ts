/** How a classifier does row by row, so that models can be compared on the rows where they differ. */
import type { Predictor } from '../infer/index.ts';
import type { EncodedSet } from './encoded-set.ts';
import { answersOf, type EvaluateOptions } from './evaluate.ts';
import { spreadOf } from './metrics.ts';
import { type RowScores, taskOf } from './task-table.ts';

/** The scores of rows, means over groupings, and how far their ratio differs between groupings. */
export interface ScoredRows extends RowScores {
  /** Sample standard deviation over groupings; 0 where one input goes alone. */
  readonly std: number;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function meanByRow(groupings: readonly (readonly number[])[]): number[] {
  return (groupings[0] ?? []).map((_, row) => sum(groupings.map((values) => values[row] ?? 0)) / groupings.length);
}

export async function scoreRows(predictor: Predictor, set: EncodedSet, options: EvaluateOptions): Promise<ScoredRows> {
  const { config } = predictor;
  const answers = await answersOf(predictor, set, options);
  const scores = answers.map((classes) => taskOf(config).rowScores(classes, set.labels, config.labels));
  return {
    hits: meanByRow(scores.map(({ hits }) => hits)),
    outOf: meanByRow(scores.map(({ outOf }) => outOf)),
    std: spreadOf(scores.map(({ hits, outOf }) => sum(hits) / Math.max(1, sum(outOf)))).std,
  };
}
