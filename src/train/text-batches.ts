/** Batches of text: to train on, each from the step's number alone, and to measure on, always the same. */
import { assert, type Random, random, type Tensor } from '../base/index.ts';
import type { Batches } from './batch-source.ts';
import { maskedFeeds } from './masked-language.ts';
import { type MaskedBatch, type Masking, maskBatch } from './masking.ts';
import { type Candidates, drawCandidates } from './sampled-softmax.ts';
import type { TextRows } from './text-corpus.ts';
import { CORRECTIONS } from './word-prediction.ts';

export interface TextBatchOptions {
  readonly rows: number;
  readonly tokens: number;
  readonly steps: number;
  readonly masking: Masking;
  /** Rows of the word table, which may be more than the tokenizer has words. */
  readonly vocabularySize: number;
}

/** Rows of text with words masked. */
export function maskedBatches(text: TextRows, options: TextBatchOptions): Batches {
  return textBatches(text, options, (batch, draws) => {
    const candidates = drawCandidates(batch, options.vocabularySize, draws);
    return { ...readFeeds(batch, candidates), ...maskedFeeds(batch, candidates) };
  });
}

/** Rows of text as they are. */
export function plainBatches(text: TextRows, options: TextBatchOptions): Batches {
  return textBatches(text, options, (batch, draws) =>
    readFeeds(batch, drawCandidates({ ...batch, ids: batch.original }, options.vocabularySize, draws)),
  );
}

/** Batches for training; one that ends an epoch goes on with the next one. `draws` are for candidates. */
function textBatches(
  text: TextRows,
  { rows, tokens, steps, masking }: TextBatchOptions,
  feedsOf: (batch: MaskedBatch, draws: Random) => Record<string, Tensor>,
): Batches {
  return (seed) => ({
    steps,
    async batch(step) {
      const encodings = Array.from({ length: rows }, (_, row) => text.trainingRow((step - 1) * rows + row, seed));
      const batch = maskBatch(encodings, tokens, masking, random(seed, 'masking', step));
      return { rows, tokens, feeds: feedsOf(batch, random(seed, 'candidates', step)), examples: rows };
    },
  });
}

/** What is read of a batch, in terms of its candidates. */
function readFeeds({ mask, types }: MaskedBatch, { ids, words, corrections }: Candidates): Record<string, Tensor> {
  return {
    ...{ input_ids: ids, attention_mask: mask, token_type_ids: types },
    'batch.words': words,
    [CORRECTIONS]: corrections,
  };
}

/** Held-out text for measuring: so many rows at most, whatever the recipe, so that runs can be compared. */
const HELD_OUT_ROWS = 256;
const ROWS_PER_BATCH = 32;

export interface HeldOutOptions {
  readonly tokens: number;
  readonly masking: Masking;
  readonly instances: number;
}

/** Whole groups of rows, all of them different ones. Throws a DataError where there are fewer than a group has: it would be measured on repeats. */
export function heldOutBatches(
  text: TextRows,
  { tokens, masking, instances }: HeldOutOptions,
): [MaskedBatch, ...MaskedBatch[]] {
  const encodings = text.heldOutRows(Math.max(HELD_OUT_ROWS, instances), instances);
  const rows = instances * Math.max(1, Math.floor(Math.min(ROWS_PER_BATCH, encodings.length) / instances));
  const batches = Array.from({ length: Math.floor(encodings.length / rows) }, (_, at) =>
    maskBatch(encodings.slice(at * rows, (at + 1) * rows), tokens, masking, random(0, 'held-out masking', at)),
  );
  const [first, ...others] = batches;
  assert(first !== undefined, 'a held-out batch');
  return [first, ...others];
}
