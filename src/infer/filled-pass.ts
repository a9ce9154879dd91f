/**
 * Rows that go through at once, as few or many as there are: in groups of similar length, each group in a run whose rows are hardly padded. Slots
 * that would stay empty take rows once more, and the answers that a row gets in several slots are averaged. That is ensembling (MUX-PLM), as
 * far as it is free.
 */
import { type FloatTensor, zerosLike } from '../base/index.ts';
import type { Encoding } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import { planBatches } from './batches.ts';
import { addShare, batchFeeds, logitsOfRow, type Predictor } from './predictor.ts';

/** Groups that go through together. */
export interface FilledRun {
  /** Which row stands in each slot: [B·N] */
  readonly slots: readonly number[];
  /** Of the longest row: the runtime takes any length, and a bucket's would be a tenth more to compute. */
  readonly tokens: number;
}

/** A run costs about as much by itself as so many more positions of a group do. */
const RUN_POSITIONS = 64;

/** Rows of these lengths as runs, the shortest first; of the last group, which is of the longest, rows are repeated. */
export function filledRuns(
  lengths: readonly number[],
  { instances, maxTokens }: { readonly instances: number; readonly maxTokens: number },
): FilledRun[] {
  const runs: { slots: number[]; tokens: number }[] = [];
  for (const { examples } of planBatches([...lengths.keys()], lengths, { rows: instances, maxTokens })) {
    const tokens = Math.min(maxTokens, Math.max(...examples.map((row) => lengths[row] as number)));
    const shorter = runs.at(-1);
    const padding = shorter === undefined ? 0 : (tokens - shorter.tokens) * (shorter.slots.length / instances);
    if (shorter === undefined || padding > RUN_POSITIONS) runs.push({ slots: [...examples], tokens });
    else {
      shorter.slots.push(...examples);
      shorter.tokens = Math.max(shorter.tokens, tokens);
    }
  }
  return runs;
}

/** What answers to rows took. */
export interface FilledAnswers {
  /** In the order of the rows: [C] each, or [t, C] of its own t tokens. */
  readonly logits: readonly FloatTensor[];
  /** Of all groups: G·N */
  readonly slots: number;
}

export async function answerFilled(
  predictor: Predictor,
  encodings: readonly Encoding[],
  { padId, maxTokens }: { readonly padId: number; readonly maxTokens: number },
): Promise<FilledAnswers> {
  const lengths = encodings.map(({ ids }) => ids.length);
  const runs = filledRuns(lengths, { instances: instancesOf(predictor.config), maxTokens });
  const times: number[] = [];
  for (const row of runs.flatMap(({ slots }) => slots)) times[row] = (times[row] ?? 0) + 1;
  const logits: FloatTensor[] = [];
  for (const { slots, tokens } of runs) {
    const plan = { examples: slots, weights: slots.map(() => 1 as const), tokens };
    const batch = await predictor.run(batchFeeds(encodings, plan, padId));
    slots.forEach((row, slot) => {
      const own = logitsOfRow(batch, slot, lengths[row] as number);
      logits[row] = addShare(logits[row] ?? zerosLike(own), own, 1 / (times[row] as number));
    });
  }
  return { logits, slots: runs.reduce((sum, run) => sum + run.slots.length, 0) };
}
