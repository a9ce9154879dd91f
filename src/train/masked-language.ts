/** The loss of masked-language modelling, over candidates while training and over the whole vocabulary when it is measured. */
import type { ParameterTree, Tensor } from '../base/index.ts';
import {
  add,
  argMax,
  attach,
  cast,
  equal,
  gather,
  input,
  logSumExp,
  mul,
  type Node,
  reduceSum,
  sub,
  weightedMean,
} from '../graph/index.ts';
import {
  type EncoderConfig,
  maskedFeatures,
  maskedLanguageShapes,
  type Parameters,
  parameterInputs,
  parametersFrom,
  type TokenInputs,
  tokenInputs,
  wordDecoder,
  wordLogits,
} from '../model/index.ts';
import { compile, type Placement } from '../runtime/index.ts';
import type { Phase } from './fit.ts';
import type { MaskedBatch } from './masking.ts';
import type { Candidates } from './sampled-softmax.ts';

/** What is predicted of a batch: M positions among U words. */
interface MaskedNodes {
  readonly positions: Node;
  readonly targets: Node;
  readonly weights: Node;
  /** Added to the logits. */
  readonly corrections: Node;
}

function maskedInputs(words: Node): MaskedNodes {
  return {
    positions: input('masked.positions', ['M'], 'int64'),
    targets: input('masked.targets', ['M'], 'int64'),
    weights: input('masked.weights', ['M']),
    corrections: input('masked.corrections', words.shape),
  };
}

/** Mean cross-entropy of the masked words, and the share of them whose logit is the largest. */
function maskedLoss(inputs: TokenInputs, encoder: EncoderConfig, p: Parameters): { loss: Node; accuracy: Node } {
  const decoder = wordDecoder(p);
  const { positions, targets, weights, corrections } = maskedInputs(decoder.bias);
  const features = maskedFeatures(inputs, positions, encoder, p);
  const corrected = { words: decoder.words, bias: add(decoder.bias, corrections) };
  const logits = wordLogits(features, corrected);
  // The logits of the targets, by a product of rows: cheaper than to pick them out of [M, U], and back.
  const products = reduceSum(mul(features, gather(corrected.words, targets)), [1]);
  const ofTargets = add(products, gather(corrected.bias, targets));
  return {
    loss: weightedMean(sub(logSumExp(logits), ofTargets), weights),
    accuracy: weightedMean(cast(equal(argMax(logits), targets), 'float32'), weights),
  };
}

/** Training: the words are the candidates of the batch. */
export function maskedObjective(encoder: EncoderConfig): Phase['objective'] {
  return ({ inputs }, p, dropout) => {
    const [loss] = attach([maskedLoss(inputs, encoder, p).loss], [dropout]) as [Node];
    return { loss, metrics: {} };
  };
}

/** What a step, or a measurement, is fed of a batch; ids and targets are places in the words of the candidates. */
export function maskedFeeds(
  batch: MaskedBatch,
  { corrections, ids, targets }: Omit<Candidates, 'words'>,
): Record<string, Tensor> {
  return {
    input_ids: ids,
    attention_mask: batch.mask,
    token_type_ids: batch.types,
    'masked.positions': batch.positions,
    'masked.targets': targets,
    'masked.weights': batch.weights,
    'masked.corrections': corrections,
  };
}

/** How well masked words are told from all others of the vocabulary. */
export interface MaskedEvaluation {
  /** Mean cross-entropy in nats. */
  readonly loss: number;
  readonly accuracy: number;
  /** Masked positions that it is the mean of. */
  readonly positions: number;
}

/** The full softmax, without dropout, over batches of one shape. */
export async function evaluateMasked(
  encoder: EncoderConfig,
  parameters: ParameterTree,
  batches: readonly [MaskedBatch, ...MaskedBatch[]],
  placement: Placement,
): Promise<MaskedEvaluation> {
  const [{ rows, tokens }] = batches;
  const p = parametersFrom(parameterInputs(maskedLanguageShapes(encoder)));
  const session = await compile({ outputs: { ...maskedLoss(tokenInputs(rows, tokens), encoder, p) } }, placement);
  const corrections: Tensor<'float32'> = {
    dtype: 'float32',
    shape: [encoder.vocabularySize],
    data: new Float32Array(encoder.vocabularySize),
  };
  const sums = { loss: 0, accuracy: 0, positions: 0 };
  for (const batch of batches) {
    const feeds = maskedFeeds(batch, { corrections, ids: batch.ids, targets: batch.targets });
    const { loss, accuracy } = await session.run({ ...Object.fromEntries(parameters), ...feeds });
    const count = batch.weights.data.reduce((sum, weight) => sum + weight, 0);
    sums.loss += count * Number(loss?.data[0]);
    sums.accuracy += count * Number(accuracy?.data[0]);
    sums.positions += count;
  }
  await session.close();
  return {
    loss: sums.loss / sums.positions,
    accuracy: sums.accuracy / sums.positions,
    positions: sums.positions,
  };
}
