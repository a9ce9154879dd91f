/**
 * Consistency: the rows of a batch go through a second time in other company, and how far each row's two answers are apart is a loss.
 * Paper: R-Drop: Regularized Dropout for Neural Networks (Liang et al. 2021), section 2 - https://arxiv.org/abs/2106.14448
 * Departs from the paper: the two passes differ in neighbours and slots, too, and not in dropout alone.
 */
import { int64, type Random, type Tensor } from '../base/index.ts';
import {
  type Dim,
  gather,
  input,
  logSoftmax,
  mul,
  type Node,
  reduceSum,
  softmax,
  sub,
  weightedMean,
} from '../graph/index.ts';
import { type Regrouping, regroup } from '../infer/index.ts';
import type { BatchNodes } from './fit.ts';

/** ½ (KL(p ‖ q) + KL(q ‖ p)) = ½ Σ (p - q) (log p - log q) of two answers to each row, as a weighted mean: [R, C], [R, C], [R] -> []; with [R, T] in place of [R] of tokens */
export function symmetricDivergence(one: Node, other: Node, weights: Node): Node {
  const gap = mul(sub(softmax(one), softmax(other)), sub(logSoftmax(one), logSoftmax(other)));
  return mul(weightedMean(reduceSum(gap, [weights.shape.length]), weights), 0.5);
}

const REGROUPED = 'batch.regrouped';

/** Rows as the second grouping has them: [R, ...] -> [R, ...] */
export function regrouped(rows: Node): Node {
  return gather(rows, input(REGROUPED, [rows.shape[0] as Dim], 'int64'));
}

/** A batch in its second grouping. */
export function regroupedBatch({ inputs, labels, weights, teacherLogits }: BatchNodes): BatchNodes {
  const { ids, mask, types } = inputs;
  return {
    inputs: { ids: regrouped(ids), mask: regrouped(mask), types: regrouped(types) },
    labels: regrouped(labels),
    weights: regrouped(weights),
    teacherLogits: (classes) => regrouped(teacherLogits(classes)),
  };
}

/**
 * A second grouping: every row in another slot, and in another group where there are several. Where there are more groups than slots, no two
 * rows stay together.
 */
export function drawRegrouping(groups: number, instances: number, draws: Random): Regrouping {
  const distances = draws.shuffle(Array.from({ length: groups - 1 }, (_, at) => at + 1));
  const shifts = Array.from({ length: instances }, (_, slot) => distances[slot % distances.length] ?? 0);
  return { groups, instances, rotation: 1 + draws.integer(instances - 1), shifts };
}

/** What a step with a second grouping is fed besides. */
export function regroupingFeeds(regrouping: Regrouping): Record<string, Tensor> {
  const order = regroup(regrouping);
  return { [REGROUPED]: int64(order, [order.length]) };
}
