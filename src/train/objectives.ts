/** What phases minimise: the hard labels, and the distance to a teacher. */
import {
  argMax,
  attach,
  cast,
  crossEntropy,
  equal,
  type Node,
  type SiteHandler,
  weightedMean,
} from '../graph/index.ts';
import type { ModelConfig, Parameters } from '../model/index.ts';
import { classifier } from '../mux/index.ts';
import type { BatchNodes } from './fit.ts';
import type { Objective } from './step.ts';

/** Share of rows whose largest logit is the label's. */
export function accuracyOf(logits: Node, { labels, weights }: BatchNodes): Node {
  return weightedMean(cast(equal(argMax(logits), labels), 'float32'), weights);
}

/** Mean cross-entropy with the labels. */
export function labelLoss(logits: Node, { labels, weights }: BatchNodes): Node {
  return weightedMean(crossEntropy(logits, labels), weights);
}

/** Plain fine-tuning of a classifier. */
export function labelObjective(config: ModelConfig) {
  return (batch: BatchNodes, p: Parameters, dropout: SiteHandler): Objective => {
    const [logits] = attach([classifier(batch.inputs, config, p)], [dropout]) as [Node];
    return { loss: labelLoss(logits, batch), metrics: { accuracy: accuracyOf(logits, batch) } };
  };
}
