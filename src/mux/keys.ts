/**
 * Keys: a vector per instance, with which its embeddings are multiplied. How the different kinds of them start. All are scaled so that the mean of N
 * keyed embeddings has the variance of one embedding. The published keys have a norm of 1 (DataMUX primes with 20), which leaves a mixture √(N·D) times
 * smaller; the positions and the segment that are added to it again are then larger than it, and ten inputs hardly learn (bench/RESULTS.md).
 */
import { assert, ConfigError, type FloatTensor, float32, type Random, random } from '../base/index.ts';
import type { MuxSizes } from './strategy.ts';

function keysOf(rows: readonly ArrayLike<number>[]): FloatTensor {
  const [first] = rows;
  assert(first !== undefined, 'keys for at least one instance');
  return float32(Float32Array.from(rows.flatMap((row) => Array.from(row))), [rows.length, first.length]);
}

const each = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));

/** vᵢ = √(N·D) gᵢ / ‖gᵢ‖, gᵢ ~ N(0, I): [N, D]. DataMUX (Murahari et al. 2022), section 3.1, but for the norm. */
export function gaussianKeys({ instances, hiddenSize }: MuxSizes, seed: number): FloatTensor {
  const draws = random(seed, 'mux.keys');
  return keysOf(
    each(instances, () => {
      const key = Float64Array.from({ length: hiddenSize }, () => draws.normal());
      const scale = Math.sqrt(instances * hiddenSize) / Math.hypot(...key);
      return key.map((value) => value * scale);
    }),
  );
}

/** Which instance owns each hidden dimension, [D]: of N chunks of ⌊D/N⌋ the i-th is the i-th instance's; the last one has the rest. */
export function ownersOf({ instances, featureSize, dimensions }: MuxSizes): number[] {
  const width = Math.floor(featureSize / instances);
  if (width === 0) {
    const expected = `at most the ${featureSize} hidden dimensions, which they share`;
    throw new ConfigError('instances', { expected, got: String(instances) });
  }
  return dimensions.map((dimension) => Math.min(instances - 1, Math.floor(dimension / width)));
}

/** N in the chunk of the instance, 0 elsewhere: [N, D]. DataMUX, section 3.1, which has 1; without its overlap of chunks. */
export function chunkKeys(sizes: MuxSizes): FloatTensor {
  const owners = ownersOf(sizes);
  const { instances } = sizes;
  return keysOf(each(instances, (instance) => owners.map((owner) => (owner === instance ? instances : 0))));
}

/** (-1)^(bits that both numbers have): an entry of the Walsh matrix, whose rows are mutually orthogonal. */
function walsh(row: number, column: number): number {
  let parity = 0;
  for (let common = row & column; common > 0; common >>= 1) parity ^= common & 1;
  return 1 - 2 * parity;
}

/**
 * Signs times √N, mutually orthogonal: [N, D]. Dimensions are cut into blocks of the largest power of two that divides D; in each, every
 * instance gets another row of the Walsh matrix, drawn anew. The same random signs on all keys make them look random and change no product.
 * Gaussian keys are orthogonal only on average: their products are of size 1/√D to their squares, and let instances interfere.
 */
export function orthogonalSignKeys({ instances, hiddenSize }: MuxSizes, seed: number): FloatTensor {
  const block = hiddenSize & -hiddenSize;
  if (instances > block) {
    const expected = `at most ${block}, the largest power of two that divides the hidden size ${hiddenSize}`;
    throw new ConfigError('instances', { expected, got: String(instances), hint: 'Take gaussian-hadamard keys.' });
  }
  const draws = random(seed, 'mux.keys');
  const rows = each(hiddenSize / block, () => draws.shuffle(each(block, (row) => row)));
  const signs = each(hiddenSize, () => sign(draws) * Math.sqrt(instances));
  const entry = (instance: number, dimension: number): number => {
    const row = rows[Math.floor(dimension / block)]?.[instance] ?? 0;
    return walsh(row, dimension % block) * (signs[dimension] ?? 0);
  };
  return keysOf(each(instances, (instance) => each(hiddenSize, (dimension) => entry(instance, dimension))));
}

const sign = (draws: Random): number => (draws.uniform() < 0.5 ? -1 : 1);
