/** A data set as token ids, ready for batches. */
import { isDeepStrictEqual } from 'node:util';
import { type FloatTensor, float32, int64, sizeOf, type Tensor } from '../base/index.ts';
import { type BatchPlan, batchFeeds } from '../infer/index.ts';
import type { Encoding, Task, Tokenizer } from '../model/index.ts';
import type { Dataset, LabelledSet, TaggedDataset } from './dataset.ts';

export interface EncodedSet {
  readonly task: Task;
  readonly encodings: readonly Encoding[];
  readonly lengths: readonly number[];
  /** The classes of each row: one of a text, one per word of a sentence. */
  readonly labels: readonly (readonly number[])[];
  /** At which token of its row each label is learned and predicted; fewer than labels where words were cut off. */
  readonly positions: readonly (readonly number[])[];
  readonly padId: number;
}

/** Of a text: the place of [CLS]. */
const CLS_ONLY = [0];

type EncodedRows = Pick<EncodedSet, 'encodings' | 'labels' | 'positions'>;

function textRows({ examples }: Dataset, tokenizer: Tokenizer, maxTokens: number): EncodedRows {
  return {
    encodings: examples.map(({ text, pair }) => tokenizer.encode(text, pair, maxTokens)),
    labels: examples.map(({ label }) => [label]),
    positions: examples.map(() => CLS_ONLY),
  };
}

/** The first piece of a word carries its label. */
function sentenceRows({ examples }: TaggedDataset, tokenizer: Tokenizer, maxTokens: number): EncodedRows {
  const encodings = examples.map(({ words }) => tokenizer.encodeWords(words, maxTokens));
  return { encodings, labels: examples.map(({ labels }) => labels), positions: encodings.map(({ starts }) => starts) };
}

export function encodeSet(set: LabelledSet, tokenizer: Tokenizer, maxTokens: number): EncodedSet {
  const rows = set.task === 'tokens' ? sentenceRows(set, tokenizer, maxTokens) : textRows(set, tokenizer, maxTokens);
  return {
    task: set.task,
    ...rows,
    lengths: rows.encodings.map(({ ids }) => ids.length),
    padId: tokenizer.padId,
  };
}

/** The distinct ids of a batch, and the batch in terms of them: [U], [R, T]. */
export function localise(ids: Tensor): { readonly words: Tensor; readonly local: Tensor } {
  const rows = new Map<bigint, number>();
  const local = new BigInt64Array(ids.data.length);
  (ids.data as BigInt64Array).forEach((id, at) => {
    let row = rows.get(id);
    if (row === undefined) {
      row = rows.size;
      rows.set(id, row);
    }
    local[at] = BigInt(row);
  });
  return {
    words: { dtype: 'int64', shape: [rows.size], data: BigInt64Array.from(rows.keys()) },
    local: { dtype: 'int64', shape: ids.shape, data: local },
  };
}

/** The shape of a batch's labels: one per row, or one per token. */
const LABEL_SHAPES = {
  sequence: (rows) => [rows],
  tokens: (rows, tokens) => [rows, tokens],
} satisfies Record<Task, (rows: number, tokens: number) => readonly number[]>;

/** Labels of a plan's rows at their positions, and what they count: both [R] or [R, T]; what no label is for counts nothing. */
function labelFeeds(
  { labels, positions }: EncodedSet,
  plan: BatchPlan,
  shape: readonly number[],
): Record<string, Tensor> {
  const classes = new Int32Array(sizeOf(shape));
  const weights = new Float32Array(sizeOf(shape));
  const width = sizeOf(shape) / plan.examples.length;
  plan.examples.forEach((example, row) => {
    positions[example]?.forEach((position, at) => {
      classes[row * width + position] = labels[example]?.[at] as number;
      weights[row * width + position] = plan.weights[row] as number;
    });
  });
  return { 'batch.labels': int64(classes, shape), 'batch.weights': float32(weights, shape) };
}

/**
 * The logits of a set's rows at the tokens of the same rows in another vocabulary: of sentences, where a word may come to have other pieces, those of its first
 * piece at its first piece, which alone counts; [t, C] to [t', C].
 */
export function logitsFor(to: EncodedSet, logits: readonly FloatTensor[], from: EncodedSet): readonly FloatTensor[] {
  if (from.task !== 'tokens') return logits;
  return logits.map((own, row) => {
    const [places, wanted = []] = [from.positions[row] ?? [], to.positions[row]];
    if (isDeepStrictEqual(places, wanted)) return own;
    const classes = own.shape.at(-1) ?? 0;
    const data = new Float32Array((to.lengths[row] ?? 0) * classes);
    for (const [word, position] of wanted.entries()) {
      const start = (places[word] ?? 0) * classes;
      data.set(own.data.subarray(start, start + classes), position * classes);
    }
    return float32(data, [data.length / classes, classes]);
  });
}

/** Logits of each example side by side, the shorter ones padded with zeros: [C] each to [R, C], or [t, C] each to [R, T, C]. */
function logitFeed(logits: readonly FloatTensor[], examples: readonly number[], labelShape: readonly number[]): Tensor {
  const chosen = examples.map((example) => logits[example] as FloatTensor);
  const shape = [...labelShape, chosen[0]?.shape.at(-1) ?? 0];
  const data = new Float32Array(sizeOf(shape));
  chosen.forEach((each, row) => {
    data.set(each.data, (row * data.length) / chosen.length);
  });
  return float32(data, shape);
}

/** What a training step is fed of a batch: token ids in terms of the batch's own words, labels and their weights, teacher's logits. */
export function trainingFeeds(
  set: EncodedSet,
  plan: BatchPlan,
  teacher?: readonly FloatTensor[],
): Record<string, Tensor> {
  const inputs = batchFeeds(set.encodings, plan, set.padId);
  const { words, local } = localise(inputs.input_ids as Tensor);
  const shape = LABEL_SHAPES[set.task](plan.examples.length, plan.tokens);
  const feeds: Record<string, Tensor> = {
    ...inputs,
    input_ids: local,
    'batch.words': words,
    ...labelFeeds(set, plan, shape),
  };
  if (teacher !== undefined) feeds['batch.teacherLogits'] = logitFeed(teacher, plan.examples, shape);
  return feeds;
}
