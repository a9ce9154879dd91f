/**
 * The order in which an epoch visits the blocks of a text: i -> (a i + b) mod n with gcd(a, n) = 1, which is a permutation that needs no
 * memory and can be entered anywhere.
 */
import { random } from '../base/index.ts';

export interface BlockOrder {
  /** Distance, in places of the order, to what stands in for a block without text: it meets every place, and far from the neighbours. */
  readonly stride: number;
  /** The block at a place of the order. */
  at(place: number): number;
}

export function blockOrder(count: number, seed: number, epoch: number): BlockOrder {
  const draws = random(seed, 'blocks', epoch);
  let stride: number;
  do stride = 1 + draws.integer(count);
  while (greatestCommonDivisor(stride, count) > 1);
  const first = draws.integer(count);
  return {
    stride,
    // The product may exceed what a number holds exactly.
    at: (place) => Number((BigInt(stride) * BigInt(place) + BigInt(first)) % BigInt(count)),
  };
}

function greatestCommonDivisor(a: number, b: number): number {
  let [larger, smaller] = [a, b];
  while (smaller > 0) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}
