/**
 * What drives the expected savings, of weights or of time, to their target: a Lagrangian whose two multipliers ascend while everything else descends.
 * Paper: Structured Pruning Learns Compact and Accurate Models (CoFi; Xia et al. 2022), section 3.1, eq. 5 - https://arxiv.org/abs/2204.00408
 */
import { float32, type ParameterTree } from '../base/index.ts';
import { add, mul, type Node, sub } from '../graph/index.ts';
import type { ParameterShapes, Parameters } from '../model/index.ts';

const LAMBDA_1 = 'lagrangian.lambda1';
const LAMBDA_2 = 'lagrangian.lambda2';

/** Names of the multipliers; both are scalars. */
export const MULTIPLIER_SHAPES: ParameterShapes = new Map([
  [LAMBDA_1, []],
  [LAMBDA_2, []],
]);

/** Both start at 0. */
export function initialMultipliers(): ParameterTree {
  return new Map(Array.from(MULTIPLIER_SHAPES, ([name, shape]) => [name, float32([0], shape)]));
}

/** λ₁ (ŝ - t) + λ₂ (ŝ - t)² of the expected savings ŝ: scalars to a scalar. To be maximised over the multipliers. */
export function lagrangian(saved: Node, target: Node | number, p: Parameters): Node {
  const excess = sub(saved, target);
  return add(mul(p(LAMBDA_1), excess), mul(p(LAMBDA_2), mul(excess, excess)));
}

/** Shares to be saved: where the target starts, and where it rises to. */
export interface TargetSchedule {
  readonly from: number;
  readonly to: number;
  /** Steps over which the target rises linearly; with none it stands from the first step on. */
  readonly warmupSteps: number;
}

/** t = from + (to - from) · min(1, step / warmupSteps); steps count from 0. */
export function targetAt(step: number, { from, to, warmupSteps }: TargetSchedule): number {
  return step >= warmupSteps ? to : from + ((to - from) * step) / warmupSteps;
}
