/** Sequence classification as Hugging Face's `BertForSequenceClassification` defines it: pooler over [CLS], then one linear layer. */
import { linear, type Node, site, tanh } from '../graph/index.ts';
import { attentionBias, embed, encode, firstToken, type Parameters, type TokenInputs, type Wanted } from './bert.ts';
import { type ParameterShapes, parameterShapes, poolerShapes } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';

/** The linear layer from features to classes. */
export function classifierShapes(classes: number, features: number): ParameterShapes {
  return new Map([
    ['classifier.weight', [classes, features]],
    ['classifier.bias', [classes]],
  ]);
}

/** Parameters of a classifier of one input at a time. */
export function sequenceClassifierShapes({ encoder, labels, featureSize }: ModelConfig): ParameterShapes {
  return new Map([
    ...parameterShapes(encoder),
    ...poolerShapes(encoder.hiddenSize, featureSize),
    ...classifierShapes(labels.length, featureSize),
  ]);
}

/** [R, T] -> logits [R, C] */
export function sequenceClassifier(inputs: TokenInputs, { encoder }: ModelConfig, p: Parameters, wanted: Wanted): Node {
  const states = encode(embed(inputs, encoder, p), attentionBias(inputs.mask), encoder, p, wanted);
  const pooled = tanh(linear(firstToken(states), p('bert.pooler.dense.weight'), p('bert.pooler.dense.bias')));
  return classify(pooled, p);
}

/** Features to logits: [R, D] -> [R, C] */
export function classify(features: Node, p: Parameters): Node {
  return linear(site(features, 'features.dropout'), p('classifier.weight'), p('classifier.bias'));
}
