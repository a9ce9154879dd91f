/**
 * Token retrieval, which teaches a multiplexed model to keep its instances apart: at positions j of a group, the token of a random instance I is
 * told from what the demultiplexer makes of that instance there; L = -mean log P(w_j^I).
 * Paper: DataMUX (Murahari et al. 2022), section 3.1 - https://arxiv.org/abs/2202.09318
 *
 * Departs from the paper: the head is the one of masked-language modelling, where the paper has one of its own; words are told from candidates;
 * half of the positions are asked, as the logits of all would cost about what the encoder does; I is drawn among the instances that have a
 * token there; and nobody asks for [CLS] and [SEP], which stand in the same places of all rows, or for masked words, which have their own loss.
 */
import { assert, float32, int64, type Random, random, type Tensor } from '../base/index.ts';
import {
  clip,
  type Dim,
  dims,
  div,
  fixed,
  gather,
  input,
  mul,
  type Node,
  product,
  reduceSum,
  reshape,
} from '../graph/index.ts';
import type { Batch, Batches } from './batch-source.ts';
import { type Reading, tellWords } from './word-prediction.ts';

const ASKED_SHARE = 0.5;

/** Positions that are asked in a batch of so many cells, R·T: always as many, so that shapes are fixed. */
function askedCount(cells: number, instances: number): number {
  return Math.max(1, Math.round((ASKED_SHARE * cells) / instances));
}

/** Mean cross-entropy, and the share of tokens whose logit is the largest; scalars. */
export interface Retrieval {
  readonly loss: Node;
  readonly accuracy: Node;
}

/** Retrieval from the features of a batch; token ids, [R, T], are places among the words of the decoder. */
export function retrieve(reading: Reading, ids: Node, instances: number): Retrieval {
  const { R, T } = dims(ids, 'R T');
  const cells = product([R, T]);
  const M: Dim = askedCount(fixed('retrieve', cells), instances);
  const positions = input('retrieval.positions', [M], 'int64');
  const weights = input('retrieval.weights', [M]);
  const { losses, hits } = tellWords(reading, positions, gather(reshape(ids, [cells]), positions));
  // A batch of empty texts asks nothing.
  const count = clip(reduceSum(weights, [0]), 1, Number.MAX_SAFE_INTEGER);
  const mean = (values: Node): Node => div(reduceSum(mul(values, weights), [0]), count);
  return { loss: mean(losses), accuracy: mean(hits) };
}

export interface RetrievalOptions {
  readonly instances: number;
  /** [CLS] and [SEP], by their ids in the vocabulary. */
  readonly specialIds: ReadonlySet<number>;
}

/** The batches, with what retrieval asks in each of them. */
export function withRetrieval(batches: Batches, options: RetrievalOptions): Batches {
  return (seed) => {
    const source = batches(seed);
    return {
      steps: source.steps,
      async batch(step) {
        const batch = await source.batch(step);
        const asked = drawPositions(batch, options, random(seed, 'retrieval', step));
        return { ...batch, feeds: { ...batch.feeds, ...asked } };
      },
    };
  };
}

/** Positions and weights, [M] each; a weight is 0 where there are fewer tokens to ask for. */
function drawPositions(
  batch: Batch,
  { instances, specialIds }: RetrievalOptions,
  draws: Random,
): Record<string, Tensor> {
  const { rows, tokens } = batch;
  const isAskable = askable(batch, specialIds);
  const places: number[][] = [];
  for (let first = 0; first < rows; first += instances) {
    for (let position = 0; position < tokens; position++) {
      const cells = Array.from({ length: instances }, (_, slot) => (first + slot) * tokens + position);
      const found = cells.filter(isAskable);
      if (found.length > 0) places.push(found);
    }
  }
  const M = askedCount(rows * tokens, instances);
  const asked = draws
    .shuffle(places)
    .slice(0, M)
    .map((cells) => draws.pick(cells));
  return {
    'retrieval.positions': int64(
      Array.from({ length: M }, (_, at) => asked[at] ?? 0),
      [M],
    ),
    'retrieval.weights': float32(
      Float32Array.from({ length: M }, (_, at) => Number(at < asked.length)),
      [M],
    ),
  };
}

/** Whether a cell of the batch, of R·T, has a token to ask for. */
function askable({ feeds }: Batch, specialIds: ReadonlySet<number>): (cell: number) => boolean {
  const { input_ids: ids, attention_mask: mask, 'batch.words': words } = feeds;
  assert(ids !== undefined && mask !== undefined && words !== undefined, 'a batch of token ids');
  const masked = maskedCells(feeds);
  return (cell) =>
    Number(mask.data[cell]) === 1 && !masked.has(cell) && !specialIds.has(Number(words.data[Number(ids.data[cell])]));
}

function maskedCells({ 'masked.positions': positions, 'masked.weights': weights }: Batch['feeds']): Set<number> {
  const cells = Array.from(positions?.data ?? [], Number);
  return new Set(cells.filter((_, at) => weights?.data[at] === 1));
}
