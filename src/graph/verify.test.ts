/** The grammar of a graph against nodes that were broken by hand. */
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../base/index.ts';
import { add, cast, concat, input, matmul, reshape, slice, transpose } from './build.ts';
import { verify } from './verify.ts';

const x = input('x', ['B', 4]);
const w = input('w', [4, 3]);

describe('verify', () => {
  it('passes what the builders make', () => {
    expect(() => verify([add(matmul(x, w), input('b', [3]))])).not.toThrow();
  });

  it('finds a node of a shape that its inputs do not give, and names it', () => {
    const broken = { ...matmul(x, w), shape: ['B', 4] };
    expect(() => verify([add(broken, 1)])).toThrow(
      `matmul (node ${broken.id}): expected float32 [B, 3], got float32 [B, 4].`,
    );
  });

  it('finds a node of another type', () => {
    expect(() => verify([{ ...cast(x, 'int64'), dtype: 'int32' }])).toThrow('expected int64 [B, 4], got int32 [B, 4]');
  });

  it('finds a node whose inputs were exchanged for others', () => {
    expect(() => verify([{ ...matmul(x, w), inputs: [w, x] }])).toThrow(ShapeError);
  });

  it('finds two inputs of one name that differ', () => {
    expect(() => verify([add(input('x', [2]), input('x', [1]))])).toThrow(
      'input x: expected float32 [2], as elsewhere in this graph, got float32 [1]',
    );
    expect(() => verify([add(input('x', [2]), input('x', [2]))])).not.toThrow();
  });
});

describe('a builder refuses what does not fit', () => {
  it.each([
    ['matmul', 'inner sizes', () => matmul(w, w)],
    ['matmul', 'a vector', () => matmul(w, input('v', [3]))],
    ['add', 'types', () => add(x, input('n', ['B', 4], 'int64'))],
    ['reshape', 'element count', () => reshape(w, [5, 2])],
    ['reshape', 'symbols', () => reshape(x, [4, 'T'])],
    ['transpose', 'an axis twice', () => transpose(w, [0, 0])],
    ['transpose', 'an axis too few', () => transpose(w, [0])],
    ['slice', 'past the end', () => slice(w, 0, 2, 5)],
    ['slice', 'past what a symbolic axis surely has', () => slice(x, 0, 0, 2)],
    ['concat', 'another width', () => concat([w, input('v', [2, 4])], 0)],
  ])('%s: %s', (where, _, build) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(new RegExp(`^${where}: expected .+, got .+`));
  });
});
