/** Answers to one row in different company, and how far apart they are. */
import { type FloatTensor, float32 } from '../base/index.ts';
import { scoresOf } from '../infer/index.ts';
import { predictions } from './metrics.ts';

/** Of one row: [C] */
export type Logits = Float32Array;

/** How far the answer to a row moved. */
export interface Change {
  readonly row: number;
  readonly isFlip: boolean;
  /** Largest change of a logit. */
  readonly logit: number;
  /** Change of the score of the class that was predicted before. */
  readonly score: number;
}

/** [n, C] as rows. */
export function logitsByRow({ data, shape }: FloatTensor): Logits[] {
  const [rows, classes] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => data.subarray(row * classes, (row + 1) * classes));
}

export function predictedClass(logits: Logits): number {
  return predictions(float32(logits, [1, logits.length]))[0] as number;
}

/** z_class - max of the other logits; below 0 where another class is predicted. */
export function marginOf(logits: Logits, label: number): number {
  return (logits[label] as number) - Math.max(...logits.filter((_, other) => other !== label));
}

export function changeOf(row: number, before: Logits, after: Logits): Change {
  const predicted = predictedClass(before);
  const scoreIn = (logits: Logits): number => scoresOf(logits)[predicted] as number;
  return {
    row,
    isFlip: predictedClass(after) !== predicted,
    logit: before.reduce((most, value, label) => Math.max(most, Math.abs(value - (after[label] as number))), 0),
    score: Math.abs(scoreIn(before) - scoreIn(after)),
  };
}

/** The largest change of each kind; 0 where there are none. */
export function largestChange(changes: readonly Change[]): Pick<Change, 'logit' | 'score'> {
  const most = (of: 'logit' | 'score'): number => changes.reduce((found, change) => Math.max(found, change[of]), 0);
  return { logit: most('logit'), score: most('score') };
}
