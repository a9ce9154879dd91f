/** Decisions worked out by hand from papers.md 5.2: P(z > 0) is 0.832 at logAlpha 0, 0.998 and 0.047 at the clamp. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type FloatTensor, float32, parameterOf, random, sizeOf } from '../base/index.ts';
import { type EncoderConfig, presetConfig } from '../model/index.ts';
import { weightBudget } from './budget.ts';
import { gateName, gateShapes, initialLogAlpha, LOG_ALPHA_LIMIT } from './gates.ts';
import { gateTensors, hardGates, hardGatesAt, keptByGates } from './hard-gates.ts';
import { realisedSparsity } from './sparsity.ts';

const OPEN = LOG_ALPHA_LIMIT;
const SHUT = -LOG_ALPHA_LIMIT;
const config: EncoderConfig = {
  ...presetConfig('tiny'),
  hiddenSize: 6,
  headSize: 2,
  layers: [
    { heads: 3, intermediateSize: 4 },
    { heads: 3, intermediateSize: 4 },
  ],
};

const logAlpha = new Map<string, FloatTensor>([
  [gateName('hidden'), float32([OPEN, SHUT, OPEN, OPEN, SHUT, OPEN], [6])],
  [gateName('attention'), float32([OPEN, OPEN], [2])],
  [gateName('heads'), float32([SHUT, OPEN, OPEN, SHUT, SHUT, SHUT], [2, 3])],
  [gateName('ffn'), float32([OPEN, SHUT], [2])],
  // Four units at 0: 3.33 are expected to be open, so three are kept, the first of equals.
  [gateName('intermediate'), float32([0, 0, 0, 0, OPEN, OPEN, OPEN, OPEN], [2, 4])],
]);

it('keeps as many of each as are expected to be open, the largest first', () => {
  expect(hardGates(config, logAlpha)).toEqual({
    hidden: [0, 2, 3, 5],
    layers: [
      { heads: [1, 2], intermediate: [0, 1, 2] },
      { heads: [], intermediate: [] },
    ],
  });
});

it('always keeps a hidden dimension', () => {
  const shut = new Map(logAlpha).set(gateName('hidden'), float32([-4.5, SHUT, -4, SHUT, SHUT, SHUT], [6]));
  expect(hardGates(config, shut).hidden).toEqual([2]);
});

it('keeps everything at an open start', () => {
  const { hidden, layers } = hardGates(config, initialLogAlpha(config, 1, { openUnits: true }));
  expect([hidden.length, ...layers.flatMap((layer) => [layer.heads.length, layer.intermediate.length])]).toEqual([
    6, 3, 4, 3, 4,
  ]);
});

it('gives gates of 0 and 1 that keep the same', () => {
  const gates = hardGates(config, logAlpha);
  const tensors = gateTensors(config, gates);
  expect(new Map(Array.from(tensors, ([name, { shape }]) => [name, shape]))).toEqual(gateShapes(config, 'hard'));
  expect([...parameterOf(tensors, 'gates.hard.heads').data]).toEqual([0, 1, 1, 0, 0, 0]);
  expect([...parameterOf(tensors, 'gates.hard.attention').data]).toEqual([1, 0]);
  expect(keptByGates(config, tensors)).toEqual(gates);
});

const mini = presetConfig('mini');

/** logAlpha as a run leaves it: most gates at the limits, some between; the share that is open varies. */
const learned = fc.tuple(fc.integer(), fc.double({ min: 0.05, max: 0.95, noNaN: true })).map(([seed, openShare]) => {
  const draws = random(seed, 'learned');
  const value = (): number => {
    if (draws.uniform() < 0.2) return 4 * draws.normal();
    return draws.uniform() < openShare ? OPEN : SHUT;
  };
  const bounded = (): number => Math.min(OPEN, Math.max(SHUT, value()));
  return new Map(
    Array.from(gateShapes(mini), ([name, shape]) => [
      name,
      float32(Float32Array.from({ length: sizeOf(shape) }, bounded), shape),
    ]),
  );
});

it('meets the sparsity that is asked for within 0.01, whatever the gates came to', () => {
  fc.assert(
    fc.property(learned, fc.constantFrom(0.4, 0.6, 0.8, 0.9, 0.95), (gates, target) => {
      const excess = realisedSparsity(mini, hardGatesAt(mini, gates, weightBudget(mini), target)) - target;
      expect(excess).toBeGreaterThanOrEqual(0);
      expect(excess).toBeLessThan(0.01);
    }),
    { numRuns: 30 },
  );
});

it('does so where no unit is left to make up for a head', () => {
  const draws = random(1, 'only heads');
  const wide = 1.5; // of hidden dimensions, of which some are undecided
  const logAlphaOf = (name: string): number => {
    if (name === gateName('hidden')) return wide * draws.normal() + 2;
    if (name === gateName('heads')) return draws.normal() - 1;
    return name === gateName('attention') ? OPEN : SHUT;
  };
  const gates = new Map(
    Array.from(gateShapes(mini), ([name, shape]) => {
      const values = Float32Array.from({ length: sizeOf(shape) }, () => logAlphaOf(name));
      return [name, float32(values, shape)];
    }),
  );
  for (const target of [0.9, 0.93, 0.95, 0.97]) {
    const decided = hardGatesAt(mini, gates, weightBudget(mini), target);
    expect(decided.layers.every(({ intermediate }) => intermediate.length === 0)).toBe(true);
    const excess = realisedSparsity(mini, decided) - target;
    expect(excess).toBeGreaterThanOrEqual(0);
    expect(excess).toBeLessThan(0.001);
  }
});

it('does so where a whole family ended at the same limit', () => {
  const gates = new Map(
    Array.from(gateShapes(mini), ([name, shape]) => {
      const shut = name === gateName('ffn') || name === gateName('intermediate');
      return [name, float32(new Float32Array(sizeOf(shape)).fill(shut ? SHUT : OPEN), shape)];
    }),
  );
  expect(realisedSparsity(mini, hardGatesAt(mini, gates, weightBudget(mini), 0.6))).toBeCloseTo(0.6, 2);
});
