/** Linear systems with a symmetric positive definite matrix, as normal equations have it: in float64, by Cholesky's decomposition. */
import { BackendError } from '../base/index.ts';

/** Σ aᵢ bᵢ over the first `count` elements. */
function dot(a: Float64Array, b: Float64Array, count: number): number {
  let sum = 0;
  for (let at = 0; at < count; at++) sum += (a[at] as number) * (b[at] as number);
  return sum;
}

/** The rows of the lower triangle L with A = L Lᵀ; what is above the diagonal stays 0. */
function cholesky(matrix: Float64Array, n: number): Float64Array[] {
  const lower = Array.from({ length: n }, () => new Float64Array(n));
  for (const [at, row] of lower.entries()) {
    for (let column = 0; column < at; column++) {
      const other = lower[column] as Float64Array;
      row[column] = ((matrix[at * n + column] as number) - dot(row, other, column)) / (other[column] as number);
    }
    const pivot = (matrix[at * n + at] as number) - dot(row, row, at);
    if (!(pivot > 0)) {
      const where = `least squares, row ${at} of ${n}`;
      throw new BackendError(where, { expected: 'a positive definite matrix', got: `a pivot of ${pivot}` });
    }
    row[at] = Math.sqrt(pivot);
  }
  return lower;
}

/**
 * x with A x = b: [n, n] row-major, [n] -> [n]. Direct, as n is some thousand at most and the n³ / 6 products take seconds: they do not depend on
 * the condition of A, for which conjugate gradients would want a preconditioner and a bound.
 */
export function solveSymmetric(matrix: Float64Array, vector: Float64Array): Float64Array {
  const n = vector.length;
  const lower = cholesky(matrix, n);
  const x = Float64Array.from(vector);
  for (const [at, row] of lower.entries()) x[at] = ((x[at] as number) - dot(row, x, at)) / (row[at] as number); // L y = b
  for (const [at, row] of [...lower.entries()].reverse()) {
    const solved = (x[at] as number) / (row[at] as number); // Lᵀ x = y
    x[at] = solved;
    for (let above = 0; above < at; above++) x[above] = (x[above] as number) - (row[above] as number) * solved;
  }
  return x;
}
