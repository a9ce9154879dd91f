/** Batches of masked text: to train on, each from the step's number alone, and to measure on, always the same. */
import { assert, random } from '../base/index.ts';
import type { Batches } from './batch-source.ts';
import { maskedFeeds } from './masked-language.ts';
import { type MaskedBatch, type Masking, maskBatch } from './masking.ts';
import { drawCandidates } from './sampled-softmax.ts';
import type { TextRows } from './text-corpus.ts';

export interface MaskedTextOptions {
  readonly rows: number;
  readonly tokens: number;
  readonly steps: number;
  readonly masking: Masking;
  /** Rows of the word table, which may be more than the tokenizer has words. */
  readonly vocabularySize: number;
}

/** Batches for training; one that ends an epoch goes on with the next one. */
export function maskedBatches(text: TextRows, options: MaskedTextOptions): Batches {
  const { rows, tokens, steps, masking, vocabularySize } = options;
  return (seed) => ({
    steps,
    async batch(step) {
      const encodings = Array.from({ length: rows }, (_, row) => text.trainingRow((step - 1) * rows + row, seed));
      const masked = maskBatch(encodings, tokens, masking, random(seed, 'masking', step));
      const candidates = drawCandidates(masked, vocabularySize, random(seed, 'candidates', step));
      const feeds = { ...maskedFeeds(masked, candidates), 'batch.words': candidates.words };
      return { rows, tokens, feeds, examples: rows };
    },
  });
}

/** Held-out text for measuring: so many rows at most, whatever the recipe, so that runs can be compared. */
const HELD_OUT_ROWS = 256;
const ROWS_PER_BATCH = 32;

export function heldOutBatches(text: TextRows, tokens: number, masking: Masking): [MaskedBatch, ...MaskedBatch[]] {
  const encodings = text.heldOutRows(HELD_OUT_ROWS);
  const rows = Math.min(ROWS_PER_BATCH, encodings.length);
  const batches = Array.from({ length: Math.floor(encodings.length / rows) }, (_, at) =>
    maskBatch(encodings.slice(at * rows, (at + 1) * rows), tokens, masking, random(0, 'held-out masking', at)),
  );
  const [first, ...others] = batches;
  assert(first !== undefined, 'a held-out batch');
  return [first, ...others];
}
