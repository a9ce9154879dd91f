/**
 * Multiplexing by keys: every instance is multiplied by a key of its own, and the mean is taken (DataMUX, Murahari et al. 2022, section 3;
 * PruMUX, Su et al. 2023). Which keys, is what the strategies differ in.
 */
import type { FloatTensor } from '../base/index.ts';
import { type Dim, dims, mul, type Node, reduceMax, reduceMean, reshape } from '../graph/index.ts';
import type { Multiplexer, MuxSizes } from './strategy.ts';

/** x_t = 1/N Σᵢ vᵢ ⊙ xᵢ_t: [N*B, T, D], [N, D] -> [B, T, D]; N consecutive rows are a group. */
export function hadamardMean(x: Node, keys: Node, B: Dim): Node {
  const { T, D } = dims(x, 'R T D');
  const { N } = dims(keys, 'N D');
  return reduceMean(mul(reshape(x, [B, N, T, D]), reshape(keys, [N, 1, D])), [1]);
}

/** The Hadamard product with keys that start so and stay: teacher, student and inference share them. */
export function hadamard(initialKeys: (sizes: MuxSizes, seed: number) => FloatTensor): Multiplexer {
  const keys: Multiplexer['keys'] = ({ p }) => p('mux.keys');
  return {
    keys,
    shapes: ({ instances, hiddenSize }) => new Map([['mux.keys', [instances, hiddenSize]]]),
    initial: (sizes, seed) => new Map([['mux.keys', initialKeys(sizes, seed)]]),
    frozen: ['mux.keys'],
    multiplex: (rows, context) => hadamardMean(rows, keys(context), context.B),
  };
}

/** The same with everything trained (the papers' `learn_muxing`). */
export function learned(multiplexer: Multiplexer): Multiplexer {
  return { ...multiplexer, frozen: [] };
}

/**
 * A position of the group is attended where any of its instances has a token there: [N*B, T] -> [B, T].
 * Departs from the papers, whose code attends to padding too: answers would depend on how far a batch is padded.
 */
export function unionMask(mask: Node, N: number, B: Dim): Node {
  const { T } = dims(mask, 'R T');
  return reduceMax(reshape(mask, [B, N, T]), [1]);
}
