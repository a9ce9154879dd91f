/** Composed functions against their formulas in float64, and their gradients against finite differences. */
import { expect, it } from 'vitest';
import { difference, evaluate, finiteDifferences } from '../../test/reference.kit.ts';
import { logSumExp } from './compose.ts';
import { gradients, input, type Node, reduceSum } from './index.ts';

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
