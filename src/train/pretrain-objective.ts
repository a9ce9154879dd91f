/** What pretraining minimises: masked-language modelling, token retrieval, or both. */
import { add, attach, mul, type Node } from '../graph/index.ts';
import type { ModelConfig } from '../model/index.ts';
import { features, instancesOf } from '../mux/index.ts';
import type { Phase } from './fit.ts';
import { maskedLoss } from './masked-language.ts';
import { retrieve } from './retrieval.ts';
import { candidateDecoder, type Reading } from './word-prediction.ts';

/** Weights of the losses; one of 0 is no part of the step. */
export interface PretrainLosses {
  readonly masked: number;
  readonly retrieval: number;
}

/** α_masked · L_masked + α_retrieval · L_retrieval; words are told from the candidates of the batch. */
export function pretrainObjective(config: ModelConfig, weights: PretrainLosses): Phase['objective'] {
  const { encoder } = config;
  return ({ inputs }, p, dropout) => {
    const reading: Reading = {
      features: features(inputs, config, p, 'all'),
      decoder: candidateDecoder(p),
      ...{ encoder, p },
    };
    const retrieval = weights.retrieval > 0 ? retrieve(reading, inputs.ids, instancesOf(config)) : undefined;
    const losses = [
      ...(weights.masked > 0 ? [mul(maskedLoss(reading), weights.masked)] : []),
      ...(retrieval ? [mul(retrieval.loss, weights.retrieval)] : []),
    ];
    const sum = losses.reduce((all, part) => add(all, part));
    const [loss, accuracy] = attach([sum, ...(retrieval ? [retrieval.accuracy] : [])], [dropout]) as [Node, Node?];
    return { loss, metrics: accuracy === undefined ? {} : { retrievalAccuracy: accuracy } };
  };
}
