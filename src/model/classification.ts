/**
 * Heads over features, as Hugging Face defines them: `BertForSequenceClassification` pools [CLS] and applies one linear layer,
 * `BertForTokenClassification` has the linear layer alone. Multiplexed models have a demultiplexer where one text alone has the pooler.
 */
import { linear, type Node, site, tanh } from '../graph/index.ts';
import type { Parameters } from './bert.ts';
import { type ParameterShapes, poolerShapes } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';

/** Whether the classifier reads [CLS] through BERT's pooler. */
export function hasPooler({ task, mux }: ModelConfig): boolean {
  return mux === undefined && task !== 'tokens';
}

/** Width of what the classifier reads: what pooler and demultiplexer give, or the encoder's own states. */
function featureWidth({ task, mux, encoder, featureSize }: ModelConfig): number {
  return mux === undefined && task === 'tokens' ? encoder.hiddenSize : featureSize;
}

/** Parameters from states, or a demultiplexer's features, to classes. */
export function headShapes(config: ModelConfig): ParameterShapes {
  const { encoder, featureSize, labels } = config;
  return new Map([
    ...(hasPooler(config) ? poolerShapes(encoder.hiddenSize, featureSize) : []),
    ['classifier.weight', [labels.length, featureWidth(config)]],
    ['classifier.bias', [labels.length]],
  ]);
}

/** BERT's pooler over the state of [CLS]: [R, D] -> [R, D'] */
export function pool(states: Node, p: Parameters): Node {
  return tanh(linear(states, p('bert.pooler.dense.weight'), p('bert.pooler.dense.bias')));
}

/** Features to logits: [..., D] -> [..., C] */
export function classify(features: Node, p: Parameters): Node {
  return linear(site(features, 'features.dropout'), p('classifier.weight'), p('classifier.bias'));
}
