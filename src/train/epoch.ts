/** Epochs: the plan of one depends on the seed and its number alone, so a resumed run sees the same batches as an uninterrupted one. */
import { random } from '../base/index.ts';
import { type BatchOptions, type BatchPlan, planBatches } from '../infer/index.ts';

/** The batches of one epoch in a random order: examples are shuffled first, so partners and batches differ from epoch to epoch. */
export function planEpoch(lengths: readonly number[], options: BatchOptions, seed: number, epoch: number): BatchPlan[] {
  const draws = random(seed, 'epoch', epoch);
  const order = draws.shuffle(lengths.map((_, example) => example));
  return draws.shuffle(planBatches(order, lengths, options));
}
