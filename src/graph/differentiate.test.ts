/** What the walker does around the rules: accumulation, sums over broadcast axes, and where gradients do not flow. */
import { describe, expect, it } from 'vitest';
import { evaluate, type Values } from '../../test/reference.kit.ts';
import { ShapeError } from '../base/index.ts';
import { add, exp, gradients, input, mul, type Node, reduceSum, stopGradient, topological } from './index.ts';

const values = (data: number[], ...shape: number[]): Values => ({ shape, data: Float64Array.from(data) });

function slopes(loss: Node, sources: readonly Node[], given: Readonly<Record<string, Values>>): number[][] {
  return evaluate(gradients(loss, sources), given).map(({ data }) => [...data]);
}

describe('gradients', () => {
  const x = input('x', [2]);
  const given = { x: values([3, 5], 2) };

  it('add up where a node is used more than once: d (x² + x + x) = 2x + 2', () => {
    const loss = reduceSum(add(add(mul(x, x), x), x), [0]);
    expect(slopes(loss, [x], given)).toEqual([[8, 12]]);
  });

  it('add up over paths through one node without walking it twice', () => {
    let y: Node = exp(x);
    for (let depth = 0; depth < 40; depth++) y = add(y, y);
    const [slope] = gradients(reduceSum(y, [0]), [x]) as [Node];
    expect(topological([slope]).length).toBeLessThan(200);
    const [[first = 0] = []] = slopes(reduceSum(y, [0]), [x], { x: values([0, 0], 2) });
    expect(first).toBe(2 ** 40);
  });

  it('sum over the axes along which an input was broadcast', () => {
    const [row, column, one] = [input('row', [3]), input('column', [2, 1]), input('one', [])];
    const w = input('w', [2, 3]);
    const loss = reduceSum(mul(add(add(row, column), one), w), [0, 1]);
    const weights = { w: values([1, 2, 3, 4, 5, 6], 2, 3) };
    const zeros = { row: values([0, 0, 0], 3), column: values([0, 0], 2, 1), one: values([0]) };
    expect(slopes(loss, [row, column, one], { ...weights, ...zeros })).toEqual([[5, 7, 9], [6, 15], [21]]);
  });

  it('have the shape of their source, also where all of its elements move alike', () => {
    const [slope] = gradients(reduceSum(x, [0]), [x]) as [Node];
    expect(slope.shape).toEqual([2]);
    expect(slopes(reduceSum(x, [0]), [x], given)).toEqual([[1, 1]]);
  });

  it('come in the order of the sources, which may lie inside the graph', () => {
    const y = exp(x);
    const z = input('z', [2]);
    const loss = reduceSum(mul(y, z), [0]);
    expect(slopes(loss, [z, y], { x: values([0, 0], 2), z: values([7, 9], 2) })).toEqual([
      [1, 1],
      [7, 9],
    ]);
  });

  it('do not flow past a stop, but do beside it', () => {
    const loss = reduceSum(mul(stopGradient(x), x), [0]);
    expect(slopes(loss, [x], given)).toEqual([[3, 5]]);
  });

  it('refuse a source that the loss does not depend on: it would never be trained', () => {
    const loss = reduceSum(x, [0]);
    expect(() => gradients(loss, [input('weight', [2])])).toThrow('a loss that depends on weight');
    expect(() => gradients(reduceSum(stopGradient(x), [0]), [x])).toThrow('a loss that depends on x');
    expect(() => gradients(loss, [exp(x)])).toThrow('a loss that depends on node');
  });

  it('refuse a loss that is not one number', () => {
    expect(() => gradients(x, [x])).toThrow(new ShapeError('gradients', { expected: 'a scalar loss', got: '[2]' }));
  });
});
