/**
 * Batches: rows of similar length together, so that little is padding. Lengths are rounded up to a few bucket sizes, because a training step is
 * compiled once per shape and a long row makes its neighbours long.
 */
import { assert } from '../base/index.ts';

/** Bucket sizes, in tokens. */
const BUCKETS = [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512] as const;

/** One batch: which examples, and how long its rows are. Consecutive rows share a group where a model multiplexes. */
export interface BatchPlan {
  readonly examples: readonly number[];
  /** 1 for rows that count; 0 for repeats that only fill the batch. */
  readonly weights: readonly (0 | 1)[];
  readonly tokens: number;
}

export interface BatchOptions {
  /** Rows per batch, fillers included. */
  readonly rows: number;
  readonly maxTokens: number;
}

/** The smallest bucket that holds a row of that length. */
export function bucketOf(length: number, maxTokens: number): number {
  return Math.min(BUCKETS.find((size) => size >= length) ?? maxTokens, maxTokens);
}

/** Cuts into batches; what is left over is returned. */
function fullBatches(examples: readonly number[], rows: number): { batches: number[][]; rest: number[] } {
  const count = Math.floor(examples.length / rows);
  const batches = Array.from({ length: count }, (_, at) => examples.slice(at * rows, (at + 1) * rows));
  return { batches, rest: examples.slice(count * rows) };
}

/** Fills the last batch by repeating its rows; repeats weigh nothing. */
function filled(examples: readonly number[], rows: number, tokens: number): BatchPlan {
  return {
    examples: Array.from({ length: rows }, (_, row) => examples[row % examples.length] as number),
    weights: Array.from({ length: rows }, (_, row) => (row < examples.length ? 1 : 0)),
    tokens,
  };
}

/**
 * Batches for examples in the given order. What does not fill a batch of its bucket joins the next longer one, so that only the very
 * last batch has fillers.
 */
export function planBatches(order: readonly number[], lengths: readonly number[], options: BatchOptions): BatchPlan[] {
  const { rows, maxTokens } = options;
  assert(rows > 0, 'at least one row per batch');
  const buckets = new Map<number, number[]>();
  for (const example of order) {
    const tokens = bucketOf(lengths[example] as number, maxTokens);
    const bucket = buckets.get(tokens);
    if (bucket === undefined) buckets.set(tokens, [example]);
    else bucket.push(example);
  }
  const sizes = [...buckets.keys()].sort((a, b) => a - b);
  const plans: BatchPlan[] = [];
  let left: number[] = [];
  for (const tokens of sizes) {
    const { batches, rest } = fullBatches([...left, ...(buckets.get(tokens) ?? [])], rows);
    for (const examples of batches) plans.push(filled(examples, rows, tokens));
    left = rest;
  }
  if (left.length > 0) plans.push(filled(left, rows, sizes.at(-1) as number));
  return plans;
}

/** Without the groups that are fillers only: a pass of the model need not have them, where a step of training has as many rows as any. */
export function withoutFillerGroups(plan: BatchPlan, instances: number): BatchPlan {
  const real = plan.weights.filter((weight) => weight === 1).length;
  const rows = Math.ceil(real / instances) * instances;
  return { ...plan, examples: plan.examples.slice(0, rows), weights: plan.weights.slice(0, rows) };
}
