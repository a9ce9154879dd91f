/** Numbers against test/parity/prune.json: PyTorch, papers.md 5.2. */
import { expect, it } from 'vitest';
import parity from '../../test/parity/prune.json' with { type: 'json' };
import { ConfigError, float32, random } from '../base/index.ts';
import { constant, gradients, type Node, reduceSum } from '../graph/index.ts';
import { presetConfig } from '../model/index.ts';
import { compile, cpu } from '../runtime/index.ts';
import {
  clampLogAlpha,
  gateNoise,
  gateShapes,
  initialLogAlpha,
  keepProbability,
  keepProbabilityOf,
  LOG_ALPHA_LIMIT,
  sampleGate,
} from './gates.ts';

const { hardConcrete } = parity;
const tiny = presetConfig('tiny', 50);

async function valuesOf(outputs: Readonly<Record<string, Node>>): Promise<Record<string, number[]>> {
  const session = await compile({ outputs }, cpu(1));
  const results = await session.run({});
  await session.close();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]));
}

function expectClose(got: readonly number[] | undefined, expected: readonly number[], tolerance = 1e-5): void {
  expect(got).toHaveLength(expected.length);
  const worst = Math.max(...expected.map((value, at) => Math.abs((got?.[at] ?? Number.NaN) - value)));
  expect(worst).toBeLessThan(tolerance);
}

it('samples gates, and their gradients, as PyTorch does', async () => {
  const { logAlpha, uniform, sample, sampleGradient } = hardConcrete;
  const rows = logAlpha.data.flatMap((value) => uniform.data.map(() => value));
  const grid = constant(float32(rows, sample.shape));
  const gates = sampleGate(grid, constant(float32(uniform.data, [1, uniform.data.length])));
  const [gradient] = gradients(reduceSum(gates, [0, 1]), [grid]) as [Node];
  const got = await valuesOf({ gates, gradient });
  expectClose(got.gates, sample.data);
  expectClose(got.gradient, sampleGradient.data);
});

it('knows the probability that a gate is open, and its gradient, as PyTorch does', async () => {
  const { keepProbability: expected, keepProbabilityGradient } = hardConcrete;
  const logAlpha = constant(float32(hardConcrete.logAlpha.data, hardConcrete.logAlpha.shape));
  const probability = keepProbability(logAlpha);
  const [gradient] = gradients(reduceSum(probability, [0]), [logAlpha]) as [Node];
  const got = await valuesOf({ probability, gradient });
  expectClose(got.probability, expected.data);
  expectClose(got.gradient, keepProbabilityGradient.data);
  expectClose(hardConcrete.logAlpha.data.map(keepProbabilityOf), expected.data);
});

it('has the published probabilities at the clamp and at 0 (papers.md 8)', async () => {
  const gates = float32([-100, 0, 100], [3]);
  const weights = float32([-100, 100], [2]);
  clampLogAlpha(
    new Map([
      ['gates.hidden', gates],
      ['classifier.bias', weights],
    ]),
  );
  expect([...weights.data]).toEqual([-100, 100]);
  const got = await valuesOf({ p: keepProbability(constant(gates)) });
  expectClose(got.p, [0.04713, 0.83182, 0.99798]);
});

it('starts everything open except units, which the published start leaves at 0.83', () => {
  const published = initialLogAlpha(tiny, 1);
  expect([...published.keys()]).toEqual([...gateShapes(tiny).keys()]);
  for (const [name, { data, shape }] of published) {
    expect(shape).toEqual(gateShapes(tiny).get(name));
    if (name === 'gates.intermediate')
      expectClose([...data], new Array(data.length).fill(0), 0.06); // 6 deviations
    else expectClose([...data], new Array(data.length).fill(LOG_ALPHA_LIMIT));
  }
  const open = initialLogAlpha(tiny, 1, { openUnits: true }).get('gates.intermediate');
  expect(Math.min(...(open?.data ?? []))).toBeCloseTo(LOG_ALPHA_LIMIT, 5);
});

it('draws noise that is never 0 or 1, from a seed', () => {
  const noise = gateNoise(tiny, random(1, 'noise'));
  expect([...noise.keys()]).toEqual([...gateShapes(tiny, 'noise').keys()]);
  for (const { data } of noise.values()) {
    expect(Math.min(...data)).toBeGreaterThan(0);
    expect(Math.max(...data)).toBeLessThan(1);
  }
  expect(gateNoise(tiny, random(1, 'noise'))).toEqual(noise);
});

it('refuses an encoder whose layers differ', () => {
  const [first] = tiny.layers as [(typeof tiny.layers)[number]];
  const uneven = { ...tiny, layers: [first, { ...first, heads: 1 }] };
  expect(() => gateShapes(uneven)).toThrow(ConfigError);
  expect(() => gateShapes(uneven)).toThrow('got heads/units 2/512 1/512');
});
