/** How strategies start, against the properties that their definitions give them; and their sums, against plain loops in float64. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError, type FloatTensor, float32, random } from '../base/index.ts';
import { input } from '../graph/index.ts';
import { presetConfig } from '../model/index.ts';
import { compile, cpu } from '../runtime/index.ts';
import {
  chunkKeys,
  gaussianKeys,
  MULTIPLEXERS,
  type MuxSizes,
  orthogonalSignKeys,
  ownersOf,
  randomOrthogonal,
  strategiesOf,
} from './index.ts';

function sizesOf(instances: number, D: number, dimensions = [...Array(D).keys()]): MuxSizes {
  return { instances, hiddenSize: dimensions.length, featureSize: D, dimensions };
}

function rowsOf({ data, shape }: FloatTensor): number[][] {
  const width = shape.at(-1) ?? 1;
  return Array.from({ length: data.length / width }, (_, at) => [...data.slice(at * width, (at + 1) * width)]);
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, at) => sum + value * (b[at] ?? Number.NaN), 0);

/** Whether vectors have products of 1 with themselves and 0 with each other, to float32. */
function expectOrthonormal(vectors: readonly ArrayLike<number>[], digits = 5): void {
  vectors.forEach((a, i) => {
    vectors.forEach((b, j) => {
      expect(dot(a, b), `${i} with ${j}`).toBeCloseTo(Number(i === j), digits);
    });
  });
}

describe('keys', () => {
  it('of gaussian-hadamard have norm √(N·D), depend on the seed alone, and differ from instance to instance', () => {
    const keys = gaussianKeys(sizesOf(5, 64), 7);
    for (const key of rowsOf(keys)) expect(Math.hypot(...key)).toBeCloseTo(Math.sqrt(5 * 64), 5);
    expect(gaussianKeys(sizesOf(5, 64), 7)).toEqual(keys);
    expect(gaussianKeys(sizesOf(5, 64), 8)).not.toEqual(keys);
    expect(new Set(rowsOf(keys).map(String)).size).toBe(5);
  });

  it('of binary-hadamard give every dimension to one instance, in chunks of ⌊D/N⌋, the rest to the last', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 9, max: 40 }), (N, D) => {
        const counts = rowsOf(chunkKeys(sizesOf(N, D))).map((key) => key.reduce((sum, value) => sum + value));
        const chunk = Math.floor(D / N);
        expect(counts).toEqual([...Array(N - 1).fill(N * chunk), N * (D - (N - 1) * chunk)]);
      }),
    );
  });

  it.each([gaussianKeys, orthogonalSignKeys, chunkKeys])('keep the variance of what they mix: %o', (keysOf) => {
    const [N, D] = [6, 384];
    const keys = keysOf(sizesOf(N, D), 5);
    // Of embeddings with unit variance, 1/N Σ vᵢ ⊙ xᵢ has in dimension d the variance Σᵢ v²ᵢd / N².
    const sumOfSquares = keys.data.reduce((sum: number, value: number) => sum + value * value, 0);
    expect(sumOfSquares / N ** 2 / D).toBeCloseTo(1, 5);
  });

  it('keep their owners when dimensions are pruned', () => {
    expect(ownersOf(sizesOf(3, 8))).toEqual([0, 0, 1, 1, 2, 2, 2, 2]);
    expect(ownersOf(sizesOf(3, 8, [1, 4, 5, 7]))).toEqual([0, 2, 2, 2]);
    expect(() => ownersOf(sizesOf(9, 8))).toThrow('instances: expected at most the 8 hidden dimensions');
  });

  it.each([8, 24, 128, 768])('of orthogonal-keys are signs times √N, mutually orthogonal, D = %i', (D) => {
    const keys = orthogonalSignKeys(sizesOf(7, D), 3);
    expectOrthonormal(rowsOf(keys).map((key) => Array.from(key, (value) => value / Math.sqrt(7 * D))));
    for (const value of keys.data) expect(Math.abs(value)).toBeCloseTo(Math.sqrt(7), 6);
    expect(orthogonalSignKeys(sizesOf(7, D), 4)).not.toEqual(keys);
  });

  it('of orthogonal-keys are refused where there are not as many', () => {
    expect(() => orthogonalSignKeys(sizesOf(5, 12), 1)).toThrow(
      new ConfigError('instances', {
        expected: 'at most 4, the largest power of two that divides the hidden size 12',
        got: '5',
        hint: 'Take gaussian-hadamard keys.',
      }),
    );
  });
});

describe('random orthogonal matrices', () => {
  it('are orthogonal, and of another seed others', () => {
    const [one, other] = [randomOrthogonal(48, random(1)), randomOrthogonal(48, random(2))];
    expectOrthonormal(one, 12);
    expect(one).not.toEqual(other);
  });

  it('are evenly distributed: the trace has mean 0 and variance 1 (Diaconis and Shahshahani 1994)', () => {
    const traces = Array.from({ length: 4000 }, (_, seed) =>
      randomOrthogonal(4, random(seed, 'trace')).reduce((sum, row, at) => sum + (row[at] ?? 0), 0),
    );
    const mean = traces.reduce((sum, trace) => sum + trace, 0) / traces.length;
    const variance = traces.reduce((sum, trace) => sum + (trace - mean) ** 2, 0) / traces.length;
    expect(mean).toBeCloseTo(0, 1);
    expect(variance).toBeCloseTo(1, 1);
  });
});

/** What a multiplexer makes of rows [N·B, T, D] with its initial parameters, and these. */
async function mixtureOf(name: 'random-orthogonal' | 'subspace', N: number, rows: FloatTensor) {
  const [R = 0, T = 0, D = 0] = rows.shape;
  const multiplexer = MULTIPLEXERS[name];
  const parameters = multiplexer.initial(sizesOf(N, D), 1);
  const mixture = multiplexer.multiplex(input('rows', rows.shape), {
    ...sizesOf(N, D),
    B: R / N,
    mask: input('mask', [R, T], 'int64'),
    encoder: presetConfig('tiny'),
    p: (parameter) => input(parameter, parameters.get(parameter)?.shape ?? []),
  });
  const session = await compile({ outputs: { mixture }, weights: parameters }, cpu(1));
  const results = await session.run({ rows });
  await session.close();
  return { mixture: results.mixture as FloatTensor, parameters };
}

function normal(...shape: number[]): FloatTensor {
  const draws = random(5, ...shape);
  return float32(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => draws.normal()),
    shape,
  );
}

describe('mixtures', () => {
  const [N, B, T, D] = [3, 2, 2, 8];
  const rows = normal(N * B, T, D);
  /** Row of instance i in group b at position t. */
  const at = (b: number, i: number, t: number): number[] => rowsOf(rows)[(b * N + i) * T + t] ?? [];

  it('of random-orthogonal are 1/√N Σ xᵢ Wᵢ, all Wᵢ orthogonal', async () => {
    const { mixture, parameters } = await mixtureOf('random-orthogonal', N, rows);
    const matrices = rowsOf(parameters.get('mux.rotations') ?? rows);
    for (let i = 0; i < N; i++) expectOrthonormal(matrices.slice(i * D, (i + 1) * D));
    rowsOf(mixture).forEach((row, cell) => {
      const [b, t] = [Math.floor(cell / T), cell % T];
      row.forEach((value, d) => {
        const terms = [...Array(N).keys()].map((i) =>
          dot(
            at(b, i, t),
            matrices.slice(i * D, (i + 1) * D).map((w) => w[d] ?? 0),
          ),
        );
        expect(value).toBeCloseTo(terms.reduce((sum, term) => sum + term) / Math.sqrt(N), 5);
      });
    });
  });

  it('of subspace have each instance by its own orthonormal projection in its own dimensions', async () => {
    const { mixture, parameters } = await mixtureOf('subspace', N, rows);
    const projections = rowsOf(parameters.get('mux.projections') ?? rows);
    expectOrthonormal(projections);
    const owners = ownersOf(sizesOf(N, D));
    rowsOf(mixture).forEach((row, cell) => {
      const [b, t] = [Math.floor(cell / T), cell % T];
      row.forEach((value, d) => {
        expect(value).toBeCloseTo(dot(at(b, owners[d] ?? 0, t), projections[d] ?? []), 5);
      });
    });
  });
});

it('names the strategies that there are when another is asked for', () => {
  expect(() => strategiesOf({ multiplexer: 'toString', demultiplexer: 'rsa' })).toThrow(
    'multiplexer: expected gaussian-hadamard, gaussian-hadamard-learned',
  );
  expect(() => strategiesOf({ multiplexer: 'contextual', demultiplexer: 'rsb' })).toThrow(
    'demultiplexer: expected rsa, index, mlp, got rsb',
  );
});
