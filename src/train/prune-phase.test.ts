/** Pruning as a phase: which gates are held open, and how gates and multipliers move, against their definitions. */
import { describe, expect, it } from 'vitest';
import { loudParameters, TINY_BATCHES, tinyConfig, tinyPhase, tinySet } from '../../test/tiny-bert.kit.ts';
import { float32, type ParameterTree, sizeOf } from '../base/index.ts';
import type { Task } from '../model/index.ts';
import { gateShapes, initialMultipliers, LOG_ALPHA_LIMIT, weightBudget } from '../prune/index.ts';
import { cpu } from '../runtime/index.ts';
import { countSteps, fit, type Phase } from './fit.ts';
import { labelledBatches } from './labelled-batches.ts';
import { initialGates, type Pruning, prunePhase } from './prune-phase.ts';
import { type CompressRecipe, compressDefaults } from './recipe.ts';
import { startState } from './step.ts';

const { encoder } = tinyConfig;
const [F, L] = [encoder.layers[0]?.intermediateSize ?? 0, encoder.layers.length];
const recipe: CompressRecipe = {
  ...compressDefaults,
  learningRate: { multiplex: 0.01, prune: 0.01, recover: 0.01 },
  maxTokens: TINY_BATCHES.maxTokens,
  sparsityWarmup: 0,
  losses: { ...compressDefaults.losses, layers: 0 },
};

const set = tinySet(22);
const teacherLogits = set.encodings.map((_, row) => float32([row % 2, 0, 1], [3]));
const { objective: _, ...base } = {
  ...tinyPhase(set),
  batches: labelledBatches(set, { ...TINY_BATCHES, epochs: 2, teacherLogits }),
};

function phaseTo(share: number, task: Task = 'sequence'): Phase {
  const budget = weightBudget(encoder);
  const pruning: Pruning = { config: { ...tinyConfig, task }, recipe, budget, shares: { from: 0, to: share }, seed: 1 };
  return prunePhase(base, pruning);
}

describe('gates', () => {
  const halfOpen = (): ParameterTree =>
    new Map(
      Array.from(gateShapes(encoder), ([name, shape]) => [name, float32(new Float32Array(sizeOf(shape)), shape)]),
    );

  // The last feed-forward is 2 · 12 · 8 of 1,000 weights that pruning counts, 0.192: half of what is left of 0.616 of them gone.
  it.each([
    ['sequence', 0.61, LOG_ALPHA_LIMIT],
    ['sequence', 0.62, 0],
    ['tokens', 0.1, 0],
  ] as const)('%s, to %f: of the last feed-forward are held at %f, and no others', (task, share, held) => {
    const state = startState(halfOpen());
    phaseTo(share, task).constrain?.(state);
    const valuesOf = (name: string): number[] => Array.from(state.parameters.get(`gates.${name}`)?.data ?? []);
    const expected = (before: number, last: number): unknown[] => [
      ...new Array(before).fill(0),
      ...new Array(last).fill(expect.closeTo(held, 6)),
    ];
    expect(valuesOf('ffn')).toEqual(expected(L - 1, 1));
    expect(valuesOf('intermediate')).toEqual(expected((L - 1) * F, F));
    for (const other of ['hidden', 'attention', 'heads']) expect(new Set(valuesOf(other))).toEqual(new Set([0]));
  });

  it('stay within their limits', () => {
    const state = startState(new Map([['gates.hidden', float32([-9, 0, 9], [3])]]));
    phaseTo(0.5, 'tokens').constrain?.(state);
    expect([...(state.parameters.get('gates.hidden')?.data ?? [])]).toEqual([
      ...[-LOG_ALPHA_LIMIT, 0, LOG_ALPHA_LIMIT].map((limit) => expect.closeTo(limit, 6)),
    ]);
  });
});

describe('the optimiser', () => {
  const steps = countSteps(base);
  const rate = 60 / steps; // above 0.01

  it('has groups of their own for gates and multipliers, which neither decay nor are clipped with the weights', () => {
    const { parameterGroups } = phaseTo(0.6);
    const groupOf = (name: string) => parameterGroups.find(({ has }) => has(name));
    const alike = { constant: true, weightDecay: 0, isClipped: false };
    for (const name of gateShapes(encoder).keys()) {
      expect(groupOf(name)).toMatchObject({ ...alike, learningRate: rate, beta2: 0.98 });
      expect(groupOf(name)?.maximize ?? false).toBe(false);
    }
    for (const name of initialMultipliers().keys()) {
      expect(groupOf(name)).toMatchObject({ ...alike, learningRate: 0.1 * rate, maximize: true });
      expect(groupOf(name)?.beta2).toBeUndefined();
    }
    expect(groupOf('classifier.weight')).toBe(base.parameterGroups[1]);
  });

  it('climbs with the multipliers, at full height from the first step on', async () => {
    const state = startState(new Map([...loudParameters(tinyConfig, 1), ...initialGates(tinyConfig, recipe, 1)]));
    for await (const { step } of fit(phaseTo(0.6), state, { seed: 1, placement: cpu(1) })) if (step === 1) break;
    const multiplier = (name: string): number => state.parameters.get(`lagrangian.${name}`)?.data[0] ?? Number.NaN;
    // Nothing is saved yet: λ₁ (ŝ - t) + λ₂ (ŝ - t)² rises where λ₁ falls and λ₂ rises, in Adam's first step by the rate.
    expect(multiplier('lambda1')).toBeCloseTo(-0.1 * rate, 4);
    expect(multiplier('lambda2')).toBeCloseTo(0.1 * rate, 4);
  });
});
