/**
 * The words that a masked-language step tells its targets from: sampled softmax (Jean et al. 2015, "On Using Very Large Target Vocabulary for Neural
 * Machine Translation", section 3). Only their rows of the word table are read, trained and written, so a step costs the same with any vocabulary.
 *
 * Candidates are the words B of the batch, each with certainty, and k of the other V - |B| words, drawn uniformly without replacement. Given B,
 *
 *   Σ_B exp s + (V - |B|) / k · Σ_drawn exp s
 *
 * has the sum over the whole vocabulary as its expectation: the correction by -log Q is log((V - |B|) / k) on the logits of what was drawn and
 * 0 on words of the batch. Departs from the paper, whose proposal is one per partition of the corpus.
 */
import { float32, int64, type Random, type Tensor } from '../base/index.ts';
import { localise } from './encoded-set.ts';
import type { MaskedBatch } from './masking.ts';

/** Words beside those of the batch, at least. */
const NEGATIVES = 2048;
/** Candidates come in multiples of this, so that few shapes occur. */
const MULTIPLE = 512;

/** A batch in terms of its candidates. */
export interface Candidates {
  /** Distinct words of the vocabulary: [U] */
  readonly words: Tensor<'int64'>;
  /** What is added to their logits: [U] */
  readonly corrections: Tensor<'float32'>;
  /** The batch's token ids and targets as places in `words`: [R, T], [M] */
  readonly ids: Tensor<'int64'>;
  readonly targets: Tensor<'int64'>;
}

/** `wanted` is the least number of drawn words. */
export function drawCandidates(
  batch: Pick<MaskedBatch, 'ids' | 'targets'>,
  vocabularySize: number,
  draws: Random,
  wanted: number = NEGATIVES,
): Candidates {
  const cells = batch.ids.data.length;
  const both = new BigInt64Array(cells + batch.targets.data.length);
  both.set(batch.ids.data);
  both.set(batch.targets.data, cells);
  const { words, local } = localise({ dtype: 'int64', shape: [both.length], data: both });
  const own = Array.from(words.data, Number);
  const total = Math.min(vocabularySize, MULTIPLE * Math.ceil((own.length + wanted) / MULTIPLE));
  const drawn = drawOthers(new Set(own), total - own.length, vocabularySize, draws);
  const correction = Math.log((vocabularySize - own.length) / drawn.length);
  const places = local.data as BigInt64Array;
  return {
    words: int64([...own, ...drawn], [total]),
    corrections: float32([...own.map(() => 0), ...drawn.map(() => correction)], [total]),
    ids: { ...batch.ids, data: places.slice(0, cells) },
    targets: { ...batch.targets, data: places.slice(cells) },
  };
}

/** So many distinct words that are not among the batch's own: the beginning of a Fisher-Yates shuffle of all such. */
function drawOthers(own: ReadonlySet<number>, count: number, vocabularySize: number, draws: Random): number[] {
  const others: number[] = [];
  for (let word = 0; word < vocabularySize; word++) if (!own.has(word)) others.push(word);
  for (let at = 0; at < count; at++) {
    const from = at + draws.integer(others.length - at);
    [others[at], others[from]] = [others[from] as number, others[at] as number];
  }
  return others.slice(0, count);
}
