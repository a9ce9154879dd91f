/**
 * One pass over few rows: slots that would stay empty take rows once more, and the answers that a row gets in several slots are averaged. That is
 * ensembling (MUX-PLM), as far as it is free.
 */
import { type FloatTensor, zerosLike } from '../base/index.ts';
import type { Encoding } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import { bucketOf } from './batches.ts';
import { addShare, batchFeeds, logitsOfRow, type Predictor } from './predictor.ts';

/** Which row stands in each slot of the whole groups that hold `rows`: [G·N] */
export function filledSlots(rows: number, instances: number): number[] {
  const slots = Math.ceil(rows / instances) * instances;
  return Array.from({ length: slots }, (_, slot) => slot % rows);
}

/** Logits of rows that go through together, in their order: [C] each, or [t, C] of its own t tokens. */
export async function runFilledPass(
  predictor: Predictor,
  encodings: readonly Encoding[],
  { padId, maxTokens }: { readonly padId: number; readonly maxTokens: number },
): Promise<readonly FloatTensor[]> {
  const lengths = encodings.map(({ ids }) => ids.length);
  const examples = filledSlots(encodings.length, instancesOf(predictor.config));
  const plan = { examples, weights: examples.map(() => 1 as const), tokens: bucketOf(Math.max(...lengths), maxTokens) };
  const batch = await predictor.run(batchFeeds(encodings, plan, padId));
  const logits: FloatTensor[] = [];
  examples.forEach((row, slot) => {
    const times = Math.ceil((examples.length - row) / encodings.length);
    const own = logitsOfRow(batch, slot, lengths[row] as number);
    logits[row] = addShare(logits[row] ?? zerosLike(own), own, 1 / times);
  });
  return logits;
}
