/** The loss of masked-language modelling. */
import type { Tensor } from '../base/index.ts';
import { input, type Node, weightedMean } from '../graph/index.ts';
import type { MaskedBatch } from './masking.ts';
import type { Candidates } from './sampled-softmax.ts';
import { type Reading, type Told, tellWords } from './word-prediction.ts';

/** What is known of each masked word of a batch: [M] each. */
export function tellMasked(reading: Reading): Told {
  const positions = input('masked.positions', ['M'], 'int64');
  return tellWords(reading, positions, input('masked.targets', ['M'], 'int64'));
}

/** Mean cross-entropy of the masked words: a scalar. */
export function maskedLoss(reading: Reading): Node {
  return weightedMean(tellMasked(reading).losses, input('masked.weights', ['M']));
}

/** Where the masked words are, and which; targets are places among the words that they are told from. */
export function maskedFeeds(
  { positions, weights }: MaskedBatch,
  { targets }: Pick<Candidates, 'targets'>,
): Record<string, Tensor> {
  return { 'masked.positions': positions, 'masked.targets': targets, 'masked.weights': weights };
}
