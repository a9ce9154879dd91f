/** Least squares against a plain dense solve: the columns written out, and Gauss-Jordan elimination in float64. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32, random } from '../base/index.ts';
import { rescale } from './rescale.ts';
import { solveSymmetric } from './symmetric-solve.ts';

/** x with A x = b by Gauss-Jordan elimination with pivots. */
function eliminate(matrix: readonly (readonly number[])[], vector: readonly number[]): number[] {
  const rows = matrix.map((row, at) => [...row, vector[at] as number]);
  for (let column = 0; column < rows.length; column++) {
    const rest = rows.slice(column);
    const pivot = rest.reduce((best, row) => (Math.abs(row[column] ?? 0) > Math.abs(best[column] ?? 0) ? row : best));
    rows.splice(rows.indexOf(pivot), 1);
    rows.splice(column, 0, pivot);
    for (const row of rows) {
      if (row === pivot) continue;
      const factor = (row[column] as number) / (pivot[column] as number);
      for (const [at, value] of pivot.entries()) row[at] = (row[at] as number) - factor * value;
    }
  }
  return rows.map((row, at) => (row.at(-1) as number) / (row[at] as number));
}

const transposed = (rows: readonly (readonly number[])[]): number[][] =>
  (rows[0] ?? []).map((_, at) => rows.map((row) => row[at] as number));
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, at) => sum + value * (b[at] as number), 0);

function normals(rows: number, columns: number, seed: number): number[][] {
  const draws = random(seed, 'normals', rows, columns);
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => draws.normal()));
}

it('solves symmetric systems as elimination does', () => {
  const property = fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(1000), (n, seed) => {
    const factors = normals(n, n + 2, seed);
    const matrix = factors.map((row) => factors.map((other) => dot(row, other)));
    const [vector = []] = normals(1, n, seed + 1);
    const expected = eliminate(matrix, vector);
    const scale = Math.max(1, ...expected.map(Math.abs));
    solveSymmetric(Float64Array.from(matrix.flat()), Float64Array.from(vector)).forEach((value, at) => {
      expect((value - (expected[at] as number)) / scale).toBeCloseTo(0, 6);
    });
  });
  fc.assert(property, { numRuns: 50 });
});

it('refuses a matrix that is not positive definite', () => {
  expect(() => solveSymmetric(Float64Array.of(1, 2, 2, 1), Float64Array.of(1, 1))).toThrow('positive definite');
});

describe('rescale', () => {
  const [POSITIONS, D, DAMPING] = [9, 4, 1e-3];

  /** Moments of given outputs and residuals, by plain sums. */
  function momentsIn(z: readonly (readonly number[])[], r: readonly (readonly number[])[], weight: number[][]) {
    const columns = transposed(z);
    return {
      outputs: Float64Array.from(columns.flatMap((a) => columns.map((b) => dot(a, b)))),
      residual: Float64Array.from(columns, (column, e) =>
        column.reduce((sum, value, t) => sum + value * dot(r[t] ?? [], transposed(weight)[e] ?? []), 0),
      ),
      squares: Float64Array.of(r.flat().reduce((sum, value) => sum + value * value, 0)),
    };
  }

  it.each([
    ['heads of width 3', 3, 4, [0, 2, 3]],
    ['units', 1, 6, [1, 2, 5]],
  ])('is the ridge regression on what each of the %s adds to the states', (_, width, count, kept) => {
    const z = normals(POSITIONS, count * width, 1);
    const weight = normals(D, count * width, 2).map((row) => row.map(Math.fround));
    const r = normals(POSITIONS, D, 3).map((row) => row.map((value) => 0.3 * value));
    const added = kept.map((part) =>
      z.flatMap((row) => {
        const own = Array.from({ length: width }, (__, k) => part * width + k);
        return weight.map((ofDimension) =>
          own.reduce((s, e) => s + (row[e] as number) * (ofDimension[e] as number), 0),
        );
      }),
    );
    const gram = added.map((a) => added.map((b) => dot(a, b)));
    const damping = (DAMPING * gram.reduce((sum, row, at) => sum + (row[at] as number), 0)) / kept.length;
    const damped = gram.map((row, at) => row.map((value, other) => (other === at ? value + damping : value)));
    const delta = eliminate(
      damped,
      added.map((column) => dot(column, r.flat())),
    );
    const tensor = float32(weight.flat(), [D, count * width]);
    const { scales, left } = rescale(momentsIn(z, r, weight), tensor, kept, { count, width });
    kept.forEach((part, at) => {
      expect(scales[part]).toBeCloseTo(1 + (delta[at] as number), 5);
    });
    expect([...scales].filter((scale) => scale === 0)).toHaveLength(count - kept.length);
    const rest = r
      .flat()
      .map((value, at) => value - kept.reduce((s, __, j) => s + (delta[j] as number) * (added[j]?.[at] ?? 0), 0));
    expect(left).toBeCloseTo(dot(rest, rest) / dot(r.flat(), r.flat()), 5);
    expect(left).toBeLessThan(1);
  });

  it('leaves scales at 1 where one would be out of bounds', () => {
    const weight = normals(D, 2, 5);
    const z = normals(POSITIONS, 2, 6);
    const r = z.map(([first = 0]) => weight.map(([own = 0]) => 20 * first * own));
    const { scales, left } = rescale(momentsIn(z, r, weight), float32(weight.flat(), [D, 2]), [0, 1], {
      count: 2,
      width: 1,
    });
    expect([...scales]).toEqual([1, 1]);
    expect(left).toBe(1);
  });
});
