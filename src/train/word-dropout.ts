/**
 * Word dropout: tokens hidden from a classifier while it trains, others at every visit, so that it does not learn rows by heart.
 * Paper: Deep Unordered Composition Rivals Syntactic Methods for Text Classification (Iyyer et al. 2015), section 3.1 -
 * https://aclanthology.org/P15-1162
 * Departs from the paper: a token is hidden behind [MASK] and keeps its place, as for a student that learns from a teacher's answers (Tang et al.
 * 2019, section 3.3 - https://arxiv.org/abs/1903.12136).
 */
import type { Random, Tensor } from '../base/index.ts';
import type { EncodedSet } from './encoded-set.ts';

/** Ids of which each, but for padding and special tokens, is [MASK] with the given probability: [R, T] -> [R, T] */
export function dropWords(
  ids: Tensor<'int64'>,
  probability: number,
  { padId, maskId, specialIds }: Pick<EncodedSet, 'padId' | 'maskId' | 'specialIds'>,
  draws: Random,
): Tensor<'int64'> {
  const kept = new Set([padId, ...specialIds].map(BigInt));
  const hidden = BigInt(maskId);
  const data = ids.data.map((id) => (!kept.has(id) && draws.uniform() < probability ? hidden : id));
  return { ...ids, data };
}
