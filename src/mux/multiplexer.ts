/**
 * Multiplexing: N embedded inputs become one. Gaussian Hadamard (DataMUX, Murahari et al. 2022, section 3; PruMUX, Su et al. 2023):
 * every instance is multiplied by a frozen random key of its own, and the mean is taken.
 */
import { type FloatTensor, float32, random } from '../base/index.ts';
import { type Dim, dims, mul, type Node, reduceMax, reduceMean, reshape } from '../graph/index.ts';

/** vᵢ = gᵢ / ‖gᵢ‖, gᵢ ~ N(0, I): [N, D]. Frozen: teacher, student and inference share them. */
export function gaussianKeys(instances: number, hiddenSize: number, seed: number): FloatTensor {
  const keys = new Float32Array(instances * hiddenSize);
  const draws = random(seed, 'mux.keys');
  for (let instance = 0; instance < instances; instance++) {
    const key = Float64Array.from({ length: hiddenSize }, () => draws.normal());
    const norm = Math.hypot(...key);
    keys.set(
      key.map((value) => value / norm),
      instance * hiddenSize,
    );
  }
  return float32(keys, [instances, hiddenSize]);
}

/** x_t = 1/N Σᵢ vᵢ ⊙ xᵢ_t: [N*B, T, D], [N, D] -> [B, T, D]; N consecutive rows are a group. */
export function hadamardMean(x: Node, keys: Node, B: Dim): Node {
  const { T, D } = dims(x, 'R T D');
  const { N } = dims(keys, 'N D');
  return reduceMean(mul(reshape(x, [B, N, T, D]), reshape(keys, [N, 1, D])), [1]);
}

/**
 * A position of the group is attended where any of its instances has a token there: [N*B, T] -> [B, T].
 * Departs from the papers, whose code attends to padding too: answers would depend on how far a batch is padded.
 */
export function unionMask(mask: Node, N: number, B: Dim): Node {
  const { T } = dims(mask, 'R T');
  return reduceMax(reshape(mask, [B, N, T]), [1]);
}
