/** Telling words from features, at some positions of a batch: what masked-language modelling and token retrieval share. */
import { add, argMax, cast, equal, gather, input, logSumExp, mul, type Node, reduceSum, sub } from '../graph/index.ts';
import {
  type EncoderConfig,
  type ModelConfig,
  type ParameterShapes,
  type Parameters,
  type WordDecoder,
  wordDecoder,
  wordFeatures,
  wordHeadShapes,
  wordLogits,
} from '../model/index.ts';
import { featureShapes } from '../mux/index.ts';

/** Every parameter of an encoder, multiplexed or not, with the head that tells words. */
export function languageModelShapes(config: ModelConfig): ParameterShapes {
  return new Map([...featureShapes(config), ...wordHeadShapes(config)]);
}

/** Features of a batch, [R, T, D'], and U words to tell apart by them. */
export interface Reading {
  readonly features: Node;
  readonly decoder: WordDecoder;
  readonly encoder: EncoderConfig;
  readonly p: Parameters;
}

/** Name of the input that is added to the logits of candidates: [U] */
export const CORRECTIONS = 'candidates.corrections';

/** The words of the batch at hand, their logits corrected for how they were drawn. */
export function candidateDecoder(p: Parameters): WordDecoder {
  const { words, bias } = wordDecoder(p);
  return { words, bias: add(bias, input(CORRECTIONS, bias.shape)) };
}

/** For each position that is asked: -log P(word), and 1 where the word has the largest logit; [M] each. */
export interface Told {
  readonly losses: Node;
  readonly hits: Node;
}

/** The words at positions, which count through the R·T of the batch: [M], [M]. Targets are places among the words of the decoder. */
export function tellWords({ features, decoder, encoder, p }: Reading, positions: Node, targets: Node): Told {
  const read = wordFeatures(features, positions, encoder, p);
  const logits = wordLogits(read, decoder);
  // The logits of the targets, by a product of rows: cheaper than to pick them out of [M, U], and back.
  const products = reduceSum(mul(read, gather(decoder.words, targets)), [1]);
  const ofTargets = add(products, gather(decoder.bias, targets));
  return {
    losses: sub(logSumExp(logits), ofTargets),
    hits: cast(equal(argMax(logits), targets), 'float32'),
  };
}
