/** Batches of a labelled set: epoch after epoch, each in an order of its own. */
import type { FloatTensor } from '../base/index.ts';
import type { BatchOptions, BatchPlan } from '../infer/index.ts';
import type { Batch, Batches } from './batch-source.ts';
import { type EncodedSet, trainingFeeds } from './encoded-set.ts';
import { planEpoch } from './epoch.ts';

export interface LabelledOptions extends BatchOptions {
  /** Passes over the set; a part of one, too. */
  readonly epochs: number;
  /** The teacher's logits for every example: [C], or [T, C] of its own tokens. */
  readonly teacherLogits?: readonly FloatTensor[];
}

export function labelledBatches(set: EncodedSet, options: LabelledOptions): Batches {
  const batchOf = (plan: BatchPlan): Batch => ({
    rows: plan.examples.length,
    tokens: plan.tokens,
    feeds: trainingFeeds(set, plan, options.teacherLogits),
    examples: plan.weights.filter((weight) => weight === 1).length,
  });
  return (seed) => {
    let epoch = 0;
    let plans = planEpoch(set.lengths, options, seed, epoch);
    const perEpoch = plans.length; // of every epoch
    return {
      steps: Math.ceil(options.epochs * perEpoch),
      async batch(step) {
        const wanted = Math.floor((step - 1) / perEpoch);
        if (wanted !== epoch) plans = planEpoch(set.lengths, options, seed, wanted);
        epoch = wanted;
        return batchOf(plans[(step - 1) % perEpoch] as BatchPlan);
      },
    };
  };
}
