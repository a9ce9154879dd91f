/** Composed functions against their formulas in float64, and their gradients against finite differences. */
import { expect, it } from 'vitest';
import { difference, evaluate, finiteDifferences } from '../../test/reference.kit.ts';
import { logSumExp, rmsNorm } from './compose.ts';
import { gradients, input, mul, type Node, reduceSum } from './index.ts';

const x = input('x', [2, 3]);
const given = (values: readonly number[]) => ({ x: { shape: [2, 3], data: Float64Array.from(values) } });

it('logSumExp is log Σ exp x, for numbers whose exponential is too large, too', () => {
  const [y] = evaluate([logSumExp(x)], given([1000, 1001, 999, -5, 0, 2]));
  expect(y?.data[0]).toBeCloseTo(1001 + Math.log(Math.exp(-1) + 1 + Math.exp(-2)), 10);
  expect(y?.data[1]).toBeCloseTo(Math.log(Math.exp(-5) + 1 + Math.exp(2)), 10);
});

it('logSumExp has the gradient of its differences', () => {
  const loss = reduceSum(logSumExp(x), [0]);
  const values = given([0.3, -1, 2, 2, 2, -0.5]);
  const [slope] = evaluate(gradients(loss, [x]) as Node[], values);
  expect(slope && difference(slope, finiteDifferences(loss, 'x', values))).toBeLessThan(1e-7);
});

it('rmsNorm is x / √(mean x² + ε) times the scale, with the gradient of its differences', () => {
  const scale = input('scale', [3]);
  const values = {
    ...given([1, -2, 2, 0, 0, 3]),
    scale: { shape: [3], data: Float64Array.of(1, 10, -1) },
    w: { shape: [2, 3], data: Float64Array.of(1, 2, 3, 4, 5, 6) },
  };
  const y = rmsNorm(x, scale, 0.5);
  const [found] = evaluate([y], values);
  const root = Math.sqrt(3.5); // (1 + 4 + 4) / 3 + 0.5 = 9 / 3 + 0.5
  const expected = [1 / root, -20 / root, -2 / root, 0, 0, -3 / root];
  for (const [at, value] of expected.entries()) expect(found?.data[at]).toBeCloseTo(value, 12);
  const loss = reduceSum(mul(y, input('w', [2, 3])), [0, 1]);
  const [ofX, ofScale] = evaluate(gradients(loss, [x, scale]) as Node[], values);
  expect(ofX && difference(ofX, finiteDifferences(loss, 'x', values))).toBeLessThan(1e-7);
  expect(ofScale && difference(ofScale, finiteDifferences(loss, 'scale', values))).toBeLessThan(1e-7);
});
