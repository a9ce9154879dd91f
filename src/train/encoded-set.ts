/** A data set as token ids, ready for batches. */
import { type FloatTensor, float32, int64, type Tensor } from '../base/index.ts';
import { type BatchPlan, batchFeeds } from '../infer/index.ts';
import type { Encoding, Tokenizer } from '../model/index.ts';
import type { Dataset } from './dataset.ts';

export interface EncodedSet {
  readonly encodings: readonly Encoding[];
  readonly lengths: readonly number[];
  readonly labels: readonly number[];
  readonly padId: number;
}

export function encodeSet(dataset: Dataset, tokenizer: Tokenizer, maxTokens: number): EncodedSet {
  const encodings = dataset.examples.map(({ text, pair }) => tokenizer.encode(text, pair, maxTokens));
  return {
    encodings,
    lengths: encodings.map(({ ids }) => ids.length),
    labels: dataset.examples.map(({ label }) => label),
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

/** What a training step is fed of a batch: token ids in terms of the batch's own words, labels, row weights, teacher's logits. */
export function trainingFeeds(set: EncodedSet, plan: BatchPlan, teacher?: FloatTensor): Record<string, Tensor> {
  const inputs = batchFeeds(set.encodings, plan, set.padId);
  const { words, local } = localise(inputs.input_ids as Tensor);
  const rows = plan.examples.length;
  const feeds: Record<string, Tensor> = {
    ...inputs,
    input_ids: local,
    'batch.words': words,
    'batch.labels': int64(
      plan.examples.map((example) => set.labels[example] as number),
      [rows],
    ),
    'batch.weights': float32(Float32Array.from(plan.weights), [rows]),
  };
  if (teacher !== undefined) feeds['batch.teacherLogits'] = rowsOf(teacher, plan.examples);
  return feeds;
}

function rowsOf(table: FloatTensor, rows: readonly number[]): FloatTensor {
  const width = table.shape[1] as number;
  const data = new Float32Array(rows.length * width);
  rows.forEach((from, to) => {
    data.set(table.data.subarray(from * width, (from + 1) * width), to * width);
  });
  return float32(data, [rows.length, width]);
}
