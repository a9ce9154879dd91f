/** How good predictions are: accuracy, macro-averaged F1. */
import { assert, type FloatTensor } from '../base/index.ts';
import { requireNumbers } from '../infer/index.ts';

export interface Quality {
  /** Share that is right, 0 to 1. */
  readonly accuracy: number;
  /** Mean of the classes' F1 = 2 tp / (2 tp + fp + fn); a class that neither occurs nor is predicted is left out. */
  readonly macroF1: number;
}

/** Index of the largest logit of each row, the first of equals: [C] -> 1, [n, C] -> n. Throws a BackendError for logits that are no numbers. */
export function predictions({ shape, data }: FloatTensor): number[] {
  const classes = shape.at(-1) as number;
  return Array.from({ length: data.length / classes }, (_, row) => {
    const values = data.subarray(row * classes, (row + 1) * classes);
    requireNumbers(values);
    return values.reduce((best, value, at) => (value > (values[best] as number) ? at : best), 0);
  });
}

export function qualityOf(predicted: readonly number[], labels: readonly number[], classes: number): Quality {
  assert(predicted.length === labels.length && labels.length > 0, 'one prediction per label');
  const right = predicted.filter((label, at) => label === labels[at]).length;
  const scores = Array.from({ length: classes }, (_, label) => f1(predicted, labels, label)).filter(
    (score) => score !== undefined,
  );
  return { accuracy: right / labels.length, macroF1: scores.reduce((sum, score) => sum + score, 0) / scores.length };
}

function f1(predicted: readonly number[], labels: readonly number[], label: number): number | undefined {
  let hits = 0;
  let misses = 0;
  predicted.forEach((guess, at) => {
    if (guess === label && labels[at] === label) hits++;
    else if (guess === label || labels[at] === label) misses++;
  });
  return hits + misses === 0 ? undefined : (2 * hits) / (2 * hits + misses);
}

/** Mean and sample standard deviation. */
export function spreadOf(values: readonly number[]): { readonly mean: number; readonly std: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0 };
}
