/** Numbers against test/parity/prune.json: PyTorch, papers.md 5.3 and 8. */
import { describe, expect, it } from 'vitest';
import parity from '../../test/parity/prune.json' with { type: 'json' };
import { float32, sizeOf } from '../base/index.ts';
import { constant, gradients, type Node, scalar } from '../graph/index.ts';
import { type EncoderConfig, parametersFrom, presetConfig } from '../model/index.ts';
import { compile, cpu } from '../runtime/index.ts';
import { GATE_FAMILIES, type GateFamily, type GateNodes, gateName, gateShapes } from './gates.ts';
import { initialMultipliers, lagrangian, MULTIPLIER_SHAPES, targetAt } from './lagrangian.ts';
import { expectedSize, expectedSparsity, prunableSize, realisedSparsity } from './sparsity.ts';

const { baseSparsity, smallSparsity } = parity;
const base = presetConfig('base');
const small: EncoderConfig = {
  ...presetConfig('tiny'),
  hiddenSize: smallSparsity.dims.D,
  headSize: smallSparsity.dims.D / smallSparsity.dims.H,
  layers: Array.from({ length: smallSparsity.dims.L }, () => ({
    heads: smallSparsity.dims.H,
    intermediateSize: smallSparsity.dims.F,
  })),
};

async function valuesOf(outputs: Readonly<Record<string, Node>>): Promise<Record<string, number[]>> {
  const session = await compile({ outputs }, cpu(1));
  const results = await session.run({});
  await session.close();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]));
}

function logAlphaOf(config: EncoderConfig, values: (family: GateFamily, size: number) => readonly number[]): GateNodes {
  const nodes = GATE_FAMILIES.map((family) => {
    const shape = gateShapes(config).get(gateName(family)) ?? [];
    return [family, constant(float32(values(family, sizeOf(shape)), shape))] as const;
  });
  return Object.fromEntries(nodes) as GateNodes;
}

const smallLogAlpha = logAlphaOf(small, (family) => smallSparsity.logAlpha[family].data);

function expectGradients(
  got: Readonly<Record<string, number[]>>,
  expected: Readonly<Record<GateFamily, { data: number[] }>>,
): void {
  for (const family of GATE_FAMILIES) {
    expected[family].data.forEach((value, at) => {
      expect(got[family]?.[at]).toBeCloseTo(value, 6);
    });
  }
}

describe('BERT-base', () => {
  it('has 85,017,600 weights that pruning counts', () => {
    expect(prunableSize(base)).toBe(85_017_600);
    expect(prunableSize(base)).toBe(baseSparsity.prunableSize);
  });

  it.each(Object.entries(baseSparsity.cases))('expects the published sparsity: %s', async (_, expected) => {
    const logAlpha = logAlphaOf(base, (family, size) => new Array(size).fill(expected.logAlpha[family]));
    const got = await valuesOf({ size: expectedSize(base, logAlpha), sparsity: expectedSparsity(base, logAlpha) });
    // Sums of 3,072 probabilities, one after another in single precision, are good to 3e-6.
    expect((got.size?.[0] ?? 0) / expected.expectedSize).toBeCloseTo(1, 5);
    expect(got.sparsity?.[0]).toBeCloseTo(expected.sparsity, 5);
  });

  it('counts what hard gates keep: a quarter of the heads and units, half of the dimensions', () => {
    const indices = (length: number): number[] => Array.from({ length }, (_, at) => at);
    const layers = base.layers.map(() => ({ heads: indices(3), intermediate: indices(768) }));
    // 12 layers · (3 heads · 4 · 64 + 768 units · 2) · 384 dimensions = 10,616,832
    const expected = 1 - 10_616_832 / 85_017_600;
    expect(realisedSparsity(base, { hidden: indices(384), layers })).toBeCloseTo(expected, 12);
  });
});

describe('a small encoder with random logAlpha', () => {
  it('has the expected sparsity and gradients of PyTorch', async () => {
    expect(prunableSize(small)).toBe(smallSparsity.prunableSize);
    const sparsity = expectedSparsity(small, smallLogAlpha);
    const families = GATE_FAMILIES.map((family) => smallLogAlpha[family]);
    const slopes = gradients(sparsity, families);
    const named = Object.fromEntries(GATE_FAMILIES.map((family, at) => [family, slopes[at] as Node]));
    const got = await valuesOf({ sparsity, ...named });
    expect(got.sparsity?.[0]).toBeCloseTo(smallSparsity.sparsity, 6);
    expectGradients(got, smallSparsity.sparsityGradients);
  });

  it('has the Lagrangian and gradients of PyTorch', async () => {
    const expected = smallSparsity.lagrangian;
    const lambdas = [scalar(expected.lambda1), scalar(expected.lambda2)];
    const p = parametersFrom(new Map([...MULTIPLIER_SHAPES.keys()].map((name, at) => [name, lambdas[at] as Node])));
    const value = lagrangian(expectedSparsity(small, smallLogAlpha), expected.target, p);
    const slopes = gradients(value, [...GATE_FAMILIES.map((family) => smallLogAlpha[family]), ...lambdas]);
    const names = [...GATE_FAMILIES, 'lambda1', 'lambda2'];
    const got = await valuesOf({ value, ...Object.fromEntries(names.map((name, at) => [name, slopes[at] as Node])) });
    expect(got.value?.[0]).toBeCloseTo(expected.value, 6);
    expect(got.lambda1?.[0]).toBeCloseTo(expected.lambda1Gradient, 6);
    expect(got.lambda2?.[0]).toBeCloseTo(expected.lambda2Gradient, 6);
    expectGradients(got, expected.gradients);
  });
});

it('starts both multipliers at 0', () => {
  expect([...initialMultipliers().values()].map(({ data }) => data[0])).toEqual([0, 0]);
});

it('raises the target linearly and then holds it', () => {
  const targets = (from: number): number[] =>
    [0, 1, 4, 9].map((step) => targetAt(step, { from, to: 0.8, warmupSteps: 4 }));
  expect(targets(0)).toEqual([0, 0.2, 0.8, 0.8]);
  expect(targets(0.5)).toEqual([0.5, 0.575, 0.8, 0.8]);
  expect(targetAt(0, { from: 0.5, to: 0.8, warmupSteps: 0 })).toBe(0.8);
});
