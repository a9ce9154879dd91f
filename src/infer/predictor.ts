/** From tokenised texts to logits: one opened classifier, whatever it was pruned to and however many inputs share its passes. */
import {
  type FloatTensor,
  float32,
  type OnProgress,
  type ParameterTree,
  random,
  sizeOf,
  type Tensor,
  zerosLike,
} from '../base/index.ts';
import { type Encoding, type ModelConfig, padBatch } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import { type Feeds, openSession, type Placement, type Session } from '../runtime/index.ts';
import { type BatchPlan, planBatches, withoutFillerGroups } from './batches.ts';
import { exportClassifier } from './export.ts';
import { slotCopies } from './regrouping.ts';

/** A classifier that is open. */
export interface Predictor {
  readonly config: ModelConfig;
  /** How many runs are worth having in flight. */
  readonly streams: number;
  /** Logits of the rows of one batch, as `batchFeeds` lays them out: [R, C], or [R, T, C] of a model that classifies tokens. */
  run(feeds: Feeds): Promise<FloatTensor>;
  close(): Promise<void>;
}

/** Wraps an open session; the folder's own ONNX file, or a fresh export. */
export function predictorOf(session: Session, config: ModelConfig): Predictor {
  return {
    config,
    streams: 1,
    run: async (feeds) => (await session.run(feeds)).logits as FloatTensor,
    close: () => session.close(),
  };
}

/** Works with something that is open and closes it, also when the work fails. */
export async function closing<T extends { close(): Promise<void> }, Result>(
  opened: T,
  work: (opened: T) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

/** Exports a model in memory and opens it. */
export async function openPredictor(
  config: ModelConfig,
  parameters: ParameterTree,
  placement: Placement,
): Promise<Predictor> {
  return predictorOf(await openSession(exportClassifier(config, parameters).bytes, placement), config);
}

/** Rows of a plan as the inputs of a model: ids, mask and segments [R, T]. */
export function batchFeeds(encodings: readonly Encoding[], plan: BatchPlan, padId: number): Record<string, Tensor> {
  const batch = padBatch(
    plan.examples.map((example) => encodings[example] as Encoding),
    padId,
    plan.tokens,
  );
  const shape = [batch.rows, batch.tokens];
  return {
    input_ids: { dtype: 'int64', shape, data: batch.ids },
    attention_mask: { dtype: 'int64', shape, data: batch.mask },
    token_type_ids: { dtype: 'int64', shape, data: batch.types },
  };
}

export interface PredictOptions {
  readonly padId: number;
  readonly maxTokens: number;
  /** Groups per forward pass. */
  readonly groups: number;
  /** Which rows share a group: another seed, other neighbours. Without one, rows keep their order. */
  readonly grouping?: number;
  /** Every row goes through every slot, with other neighbours where there are other groups, and its N answers are averaged. */
  readonly ensemble?: boolean;
  /** Told of every pass. */
  readonly onProgress?: OnProgress | undefined;
}

export const DEFAULT_GROUPS = 16;

/**
 * Logits of many texts, in their order: [C] each, or [t, C] of its own t tokens. Rows of similar length go together; the last group is filled with
 * repeats.
 */
export async function predictLogits(
  predictor: Predictor,
  encodings: readonly Encoding[],
  { padId, maxTokens, groups, grouping, ensemble = false, onProgress }: PredictOptions,
): Promise<readonly FloatTensor[]> {
  const logits: FloatTensor[] = [];
  const indices = encodings.map((_, index) => index);
  const order = grouping === undefined ? indices : random(grouping, 'grouping').shuffle(indices);
  const lengths = encodings.map(({ ids }) => ids.length);
  const instances = instancesOf(predictor.config);
  const passes = planBatches(order, lengths, { rows: groups * instances, maxTokens })
    .map((plan) => withoutFillerGroups(plan, instances))
    .flatMap((plan) => (ensemble ? slotCopies(plan, instances) : [plan]));
  const share = ensemble ? 1 / instances : 1;
  for (const [at, plan] of passes.entries()) {
    const batch = await predictor.run(batchFeeds(encodings, plan, padId));
    plan.examples.forEach((example, row) => {
      if (plan.weights[row] === 0) return;
      const own = logitsOfRow(batch, row, lengths[example] as number);
      logits[example] = addShare(logits[example] ?? zerosLike(own), own, share);
    });
    onProgress?.('predicting', at + 1, passes.length);
  }
  return logits;
}

/** One row of a batch, without the padding: [R, C] -> [C], or [R, T, C] -> [length, C] */
export function logitsOfRow(
  { shape: [rows = 0, ...rest], data }: FloatTensor,
  row: number,
  length: number,
): FloatTensor {
  const start = (row * data.length) / rows;
  const shape = rest.length === 1 ? rest : [length, ...rest.slice(1)];
  return float32(data.slice(start, start + sizeOf(shape)), shape);
}

/** sums + share · values, in place of the sums. */
export function addShare(sums: FloatTensor, values: FloatTensor, share: number): FloatTensor {
  for (const [at, sum] of sums.data.entries()) sums.data[at] = sum + share * (values.data[at] as number);
  return sums;
}
