/** Pruning as a phase: gates, multipliers and weights, each with rates of its own, and a target that rises from what is saved already. */
import { type FloatTensor, float32, type ParameterTree, random } from '../base/index.ts';
import type { ModelConfig } from '../model/index.ts';
import {
  type Budget,
  clampLogAlpha,
  gateName,
  gateNoise,
  initialLogAlpha,
  initialMultipliers,
  initialProjection,
  LOG_ALPHA_LIMIT,
  type TargetSchedule,
  targetAt,
  uniformShape,
  wholeStructure,
} from '../prune/index.ts';
import type { ParameterGroup } from './adamw.ts';
import { countSteps, type Phase } from './fit.ts';
import { pruneObjective, UNPRUNED } from './objectives.ts';
import type { CompressRecipe } from './recipe.ts';
import type { TrainState } from './step.ts';
import { taskOf } from './task-table.ts';

/** A gate moves by about its learning rate per step, and has 6 to go from open to shut: a tenth of a phase. In a short run the published 0.01 is too slow. */
function gateLearningRate(steps: number): number {
  return Math.max(0.01, 60 / steps);
}

/**
 * Of the gates' rate; published as 1. Multipliers ascend while gates are on their way: as fast as these, they have gone far beyond what holds the target
 * when gates arrive, and come back too late, so that a phase ends with more shut than it was to save.
 */
const MULTIPLIER_RATE = 0.1;

/** With 0.999 the strong pull towards the target would be remembered for a thousand steps, and gates could not return from beyond it. */
const GATE_BETA2 = 0.98;

function gateGroups(rate: number): readonly ParameterGroup[] {
  const alike = { constant: true, weightDecay: 0, isClipped: false };
  return [
    { name: 'gates', has: (name) => name.startsWith('gates.'), ...alike, learningRate: rate, beta2: GATE_BETA2 },
    {
      name: 'multipliers',
      has: (name) => name.startsWith('lagrangian.'),
      ...alike,
      learningRate: MULTIPLIER_RATE * rate,
      maximize: true,
    },
  ];
}

/** The share of the whole cost that the last feed-forward has. */
function costOfLastFeedForward({ encoder }: ModelConfig, budget: Budget): number {
  const whole = wholeStructure(encoder);
  const without = whole.layers.map((layer, at) =>
    at === whole.layers.length - 1 ? { ...layer, intermediate: [] } : layer,
  );
  return budget.saved({ ...whole, layers: without }) - budget.saved(whole);
}

/**
 * Holds gates within their limits, and the last feed-forward open where the budget allows: classifying texts computes it for one position per
 * group, so that it costs nearly no time, and pruning it would be sparsity without speed. It may take half of what is kept.
 */
function constrainGates(config: ModelConfig, budget: Budget, share: number): (state: TrainState) => void {
  const { F, L } = uniformShape(config.encoder);
  const isCheap = taskOf(config).wanted === 'first';
  const isAffordable = isCheap && costOfLastFeedForward(config, budget) <= (1 - share) / 2;
  return ({ parameters }) => {
    clampLogAlpha(parameters);
    if (!isAffordable) return;
    parameters.get(gateName('ffn'))?.data.fill(LOG_ALPHA_LIMIT, L - 1);
    parameters.get(gateName('intermediate'))?.data.fill(LOG_ALPHA_LIMIT, (L - 1) * F);
  };
}

/** What pruning trains besides the weights, at its start. */
export function initialGates({ encoder }: ModelConfig, { losses }: CompressRecipe, seed: number): ParameterTree {
  return new Map([
    ...initialLogAlpha(encoder, seed, { openUnits: true }),
    ...initialMultipliers(),
    ...(losses.layers > 0 ? initialProjection(encoder.hiddenSize) : []),
  ]);
}

/** A student's parameters as those that teach the layers, in the graph of a step. */
export function asUnpruned(parameters: ParameterTree): ParameterTree {
  return new Map(Array.from(parameters, ([name, tensor]): [string, FloatTensor] => [`${UNPRUNED}${name}`, tensor]));
}

export interface Pruning {
  readonly config: ModelConfig;
  readonly recipe: CompressRecipe;
  readonly budget: Budget;
  /** Shares of the cost that are saved before and after it. */
  readonly shares: Pick<TargetSchedule, 'from' | 'to'>;
  readonly seed: number;
}

/** Adds to a phase over the weights what makes it prune. */
export function prunePhase(base: Omit<Phase, 'objective'>, { config, recipe, budget, shares, seed }: Pruning): Phase {
  const steps = countSteps(base);
  const schedule = { ...shares, warmupSteps: Math.round(recipe.sparsityWarmup * steps) };
  return {
    ...base,
    parameterGroups: [...gateGroups(gateLearningRate(steps)), ...base.parameterGroups],
    feeds: (step, ofSteps) => ({
      ...base.feeds?.(step, ofSteps),
      ...Object.fromEntries(gateNoise(config.encoder, random(seed, 'gates', base.name, step))),
      'prune.target': float32([targetAt(step - 1, schedule)], []),
    }),
    constrain: constrainGates(config, budget, shares.to),
    objective: pruneObjective(config, recipe.losses, budget),
  };
}
