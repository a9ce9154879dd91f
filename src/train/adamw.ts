/**
 * AdamW (Loshchilov and Hutter, 2019) as graph functions, with the numbers of PyTorch's. The scalars of a step are inputs of the graph, so
 * that one compiled step serves the whole schedule.
 */
import { add, div, greater, input, mul, type Node, type Shape, sqrt, sub, sumSquares, where } from '../graph/index.ts';

export const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** How a group of parameters is trained. */
export interface ParameterGroup {
  readonly name: string;
  /** Whether a parameter of that name belongs here; the first group that says so has it. */
  readonly has: (parameter: string) => boolean;
  readonly learningRate: number;
  /** Keeps the rate as it is; by default it follows the phase's warm-up and decay. */
  readonly constant?: boolean;
  readonly weightDecay: number;
  /** Whether its gradients count in the norm of all that are clipped, and are scaled with them. */
  readonly isClipped: boolean;
  /** Decay of the mean of squared gradients; 0.999 unless told. Small for parameters whose gradients change scale during a run. */
  readonly beta2?: number;
  /** Climbs instead of descending. */
  readonly maximize?: boolean;
}

/** What changes from step to step, per group; fed as scalars. */
export interface StepScalars {
  /** η √(1-β₂ᵗ) / (1-β₁ᵗ), negative when climbing. */
  readonly rate: number;
  /** ε √(1-β₂ᵗ): the same quotient as PyTorch's, with one operation less per weight. */
  readonly epsilon: number;
  /** 1 - η·decay */
  readonly keep: number;
}

const beta2Of = (group: ParameterGroup): number => group.beta2 ?? ADAM.beta2;

export function stepScalars(group: ParameterGroup, scheduled: number, step: number): StepScalars {
  const eta = group.learningRate * (group.constant === true ? 1 : scheduled);
  const second = Math.sqrt(1 - beta2Of(group) ** step);
  return {
    rate: ((group.maximize === true ? -1 : 1) * (eta * second)) / (1 - ADAM.beta1 ** step),
    epsilon: ADAM.epsilon * second,
    keep: 1 - eta * group.weightDecay,
  };
}

/** The scalars of a group as inputs of the graph. */
export interface ScalarNodes {
  readonly rate: Node;
  readonly epsilon: Node;
  readonly keep: Node;
}

export function scalarInputs(group: string): ScalarNodes {
  const named = (name: string): Node => input(`${group}.${name}`, [], 'float32');
  return { rate: named('rate'), epsilon: named('epsilon'), keep: named('keep') };
}

/** min(1, max / (‖g‖ + 1e-6)) over all gradients together, as `clip_grad_norm_` has it. */
export function clipFactor(
  gradients: readonly Node[],
  maximum: number,
): { readonly norm: Node; readonly factor: Node } {
  const norm = sqrt(gradients.map(sumSquares).reduce((left, right) => add(left, right)));
  const factor = div(maximum, add(norm, 1e-6));
  return { norm, factor: where(greater(factor, 1), 1, factor) };
}

/** A parameter with its moments, before or after a step. */
export interface Moments {
  readonly value: Node;
  readonly first: Node;
  readonly second: Node;
}

/** What stands before a parameter's name in the names of its moments, in graphs and in checkpoints. */
export const MOMENT_PREFIX = { first: 'adam.first/', second: 'adam.second/' } as const;

export function momentInputs(name: string, shape: Shape): Moments {
  const named = (prefix: string): Node => input(`${prefix}${name}`, shape, 'float32');
  return { value: named(''), first: named(MOMENT_PREFIX.first), second: named(MOMENT_PREFIX.second) };
}

/** Multiplies by the factor of clipping, where there is one: the factor is folded into the constant beside it. */
function scaled(factor: Node | undefined, by: number, power: 1 | 2): Node | number {
  if (factor === undefined) return by;
  return mul(power === 1 ? factor : mul(factor, factor), by);
}

/** m' = β₁m + (1-β₁)cg,  v' = β₂v + (1-β₂)(cg)²,  w' = keep·w - rate·m'/(√v' + ε); c is the factor of clipping. */
export function adamw(
  before: Moments,
  gradient: Node,
  scalars: ScalarNodes,
  group: ParameterGroup,
  clip?: Node,
): Moments {
  const beta2 = beta2Of(group);
  const first = add(mul(before.first, ADAM.beta1), mul(gradient, scaled(clip, 1 - ADAM.beta1, 1)));
  const squared = mul(mul(gradient, gradient), scaled(clip, 1 - beta2, 2));
  const second = add(mul(before.second, beta2), squared);
  const update = mul(div(first, add(sqrt(second), scalars.epsilon)), scalars.rate);
  const kept = group.weightDecay > 0 ? mul(before.value, scalars.keep) : before.value;
  return { value: sub(kept, update), first, second };
}
