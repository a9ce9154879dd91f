/**
 * Masked-language modelling as Hugging Face's `BertForMaskedLM` defines it: a transform of the states, then the word embeddings read backwards,
 * with a bias per word.
 */
import { add, dims, gather, gelu, layerNorm, linear, matmul, type Node, product, reshape } from '../graph/index.ts';
import type { Parameters } from './bert.ts';
import { type ParameterShapes, WORD_TABLE } from './checkpoint.ts';
import type { EncoderConfig, ModelConfig } from './config.ts';

const HEAD = 'cls.predictions';
/** [V] */
export const WORD_HEAD_BIAS = `${HEAD}.bias`;

/** The head's own parameters, from features to words; the decoder's matrix is the word embeddings. */
export function wordHeadShapes({ encoder, featureSize }: ModelConfig): ParameterShapes {
  const { hiddenSize: D, vocabularySize: V } = encoder;
  return new Map<string, readonly number[]>([
    [`${HEAD}.transform.dense.weight`, [D, featureSize]],
    [`${HEAD}.transform.dense.bias`, [D]],
    [`${HEAD}.transform.LayerNorm.weight`, [D]],
    [`${HEAD}.transform.LayerNorm.bias`, [D]],
    [WORD_HEAD_BIAS, [V]],
  ]);
}

/** Of some positions, what the decoder reads: [R, T, D'], [M] -> [M, D]. Positions count through the R·T of the batch. */
export function wordFeatures(features: Node, positions: Node, encoder: EncoderConfig, p: Parameters): Node {
  const { R, T, D } = dims(features, 'R T D');
  const chosen = gather(reshape(features, [product([R, T]), D]), positions);
  const named = (name: string): Node => p(`${HEAD}.transform.${name}`);
  const x = gelu(linear(chosen, named('dense.weight'), named('dense.bias')));
  return layerNorm(x, named('LayerNorm.weight'), named('LayerNorm.bias'), encoder.layerNormEpsilon);
}

/** The word embeddings and biases that logits are made with: [U, D], [U], of the whole vocabulary or of the candidates at hand. */
export interface WordDecoder {
  readonly words: Node;
  readonly bias: Node;
}

export function wordDecoder(p: Parameters): WordDecoder {
  return { words: p(WORD_TABLE), bias: p(WORD_HEAD_BIAS) };
}

/** Features to logits: [M, D] -> [M, U] */
export function wordLogits(features: Node, { words, bias }: WordDecoder): Node {
  return add(matmul(features, words, { transposeB: true }), bias);
}
