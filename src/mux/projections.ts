/** Multiplexing by matrices: every instance goes through a matrix of its own, and the results are summed, or stand side by side. */
import { type FloatTensor, float32, type Random, random } from '../base/index.ts';
import { concat, dims, matmul, mul, product, reshape, slice, transpose } from '../graph/index.ts';
import { ownersOf } from './keys.ts';
import type { Multiplexer } from './strategy.ts';

/** row -= (row · other) other */
function subtractProjection(row: Float64Array, other: Float64Array): void {
  let product = 0;
  for (let at = 0; at < row.length; at++) product += (row[at] as number) * (other[at] as number);
  for (let at = 0; at < row.length; at++) row[at] = (row[at] as number) - product * (other[at] as number);
}

/**
 * A random orthogonal matrix by its rows (or by its first ones), evenly distributed over all of them (Haar): Gaussian rows made orthonormal by modified
 * Gram-Schmidt. That is the QR decomposition with a positive diagonal of R, which the even distribution asks for (Mezzadri 2007).
 */
export function randomOrthogonal(size: number, draws: Random, count = size): Float64Array[] {
  const rows: Float64Array[] = [];
  for (let at = 0; at < count; at++) {
    const row = Float64Array.from({ length: size }, () => draws.normal());
    for (const other of rows) subtractProjection(row, other);
    const norm = Math.hypot(...row);
    rows.push(row.map((value) => value / norm));
  }
  return rows;
}

/** That many random orthogonal matrices: [count, D, D] */
function orthogonalMatrices(count: number, D: number, draws: Random): FloatTensor {
  const values = new Float32Array(count * D * D);
  for (let matrix = 0; matrix < count; matrix++) {
    randomOrthogonal(D, draws).forEach((row, at) => {
      values.set(row, (matrix * D + at) * D);
    });
  }
  return float32(values, [count, D, D]);
}

/**
 * x_t = 1/√N Σᵢ xᵢ_t Wᵢ with random orthogonal Wᵢ (DataMUX, section 3.1). The sum over instances and dimensions is one product of matrices:
 * [B·T, N·D] x [N·D, D].
 */
export const randomRotations: Multiplexer = {
  shapes: ({ instances, hiddenSize: D }) => new Map([['mux.rotations', [instances, D, D]]]),
  initial: ({ instances, hiddenSize }, seed) =>
    new Map([['mux.rotations', orthogonalMatrices(instances, hiddenSize, random(seed, 'mux.rotations'))]]),
  frozen: ['mux.rotations'],
  multiplex(rows, { instances: N, B, p }) {
    const { T, D } = dims(rows, 'R T D');
    const together = transpose(reshape(rows, [B, N, T, D]), [0, 2, 1, 3]);
    const rotations = mul(reshape(p('mux.rotations'), [product([N, D]), D]), 1 / Math.sqrt(N));
    return reshape(matmul(reshape(together, [product([B, T]), product([N, D])]), rotations), [B, T, D]);
  },
};

/**
 * Every instance has a part of the mixture to itself: x_t = [P₁ x¹_t; …; P_N x^N_t], with Pᵢ of ⌊D/N⌋ rows, orthonormal at the start, trained.
 * Ours: nothing is added to anything, so that what is kept of an instance is kept undisturbed (ConcatPlexer, Han et al. 2023, does so for images).
 * The projections are the rows of one matrix, [D, D], as the last one has the remainder.
 */
export const subspaces: Multiplexer = {
  shapes: ({ hiddenSize: D }) => new Map([['mux.projections', [D, D]]]),
  initial: ({ hiddenSize: D }, seed) => {
    const { data } = orthogonalMatrices(1, D, random(seed, 'mux.projections'));
    return new Map([['mux.projections', float32(data, [D, D])]]);
  },
  frozen: [],
  multiplex(rows, context) {
    const { instances: N, B, p } = context;
    const { T, D } = dims(rows, 'R T D');
    const groups = reshape(rows, [B, N, T, D]);
    const owners = ownersOf(context);
    const parts = [...new Set(owners)].map((instance) => {
      const own = reshape(slice(groups, 1, instance, instance + 1), [product([B, T]), D]);
      const [start, end] = [owners.indexOf(instance), owners.lastIndexOf(instance) + 1];
      return matmul(own, slice(p('mux.projections'), 0, start, end), { transposeB: true });
    });
    return reshape(concat(parts, 1), [B, T, D]);
  },
};
