/** How a classifier does row by row, so that models can be compared on the rows where they differ. */
import type { Predictor } from '../infer/index.ts';
import type { EncodedSet } from './encoded-set.ts';
import { answersOf, type EvaluateOptions } from './evaluate.ts';
import { type RowScores, taskOf } from './task-table.ts';

/** The scores of rows, means over groupings, and those of each grouping: one, where one input goes alone. */
export interface ScoredRows extends RowScores {
  readonly groupings: readonly RowScores[];
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
    groupings: scores,
  };
}
