/**
 * Learning from the teacher's logits.
 * Paper: Structured Pruning Learns Compact and Accurate Models (CoFi; Xia et al. 2022), section 3.2 - https://arxiv.org/abs/2204.00408
 */
import { logSoftmax, mul, type Node, reduceSum, softmax, sub, weightedMean } from '../graph/index.ts';

export interface LogitDistillation {
  /** [R, C], or [R, T, C] of a model that classifies tokens. */
  readonly student: Node;
  /** Of the same shape. */
  readonly teacher: Node;
  /** What each row or token counts, [R] or [R, T]; 0 for rows that only fill a group. Not all zero. */
  readonly weights: Node;
  /** τ: softness of both distributions; 2 as published. */
  readonly temperature: number;
}

/** τ² Σ w KL(softmax(z_teacher / τ) ‖ softmax(z_student / τ)) / Σ w: a scalar; the factor keeps gradients alike for every τ. */
export function logitDistillation(options: LogitDistillation): Node {
  const { student, teacher, weights, temperature } = options;
  const softened = mul(teacher, 1 / temperature);
  const gap = sub(logSoftmax(softened), logSoftmax(mul(student, 1 / temperature)));
  const divergence = reduceSum(mul(softmax(softened), gap), [weights.shape.length]);
  return mul(weightedMean(divergence, weights), temperature ** 2);
}
