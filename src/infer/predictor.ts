/** From tokenised texts to logits: one opened classifier, whatever it was pruned to and however many inputs share its passes. */
import { type FloatTensor, float32, type OnProgress, type ParameterTree, random, type Tensor } from '../base/index.ts';
import { type Encoding, type ModelConfig, padBatch } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import { type Feeds, openSession, type Placement, type Session } from '../runtime/index.ts';
import { type BatchPlan, planBatches } from './batches.ts';
import { exportClassifier } from './export.ts';
import { slotCopies } from './regrouping.ts';

/** A classifier that is open. */
export interface Predictor {
  readonly config: ModelConfig;
  /** How many runs are worth having in flight. */
  readonly streams: number;
  /** Logits of the rows of one batch, as `batchFeeds` lays them out: [R, C]. */
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

/** Logits of many texts, in their order: [n, C]. Rows of similar length go together; the last group is filled with repeats. */
export async function predictLogits(
  predictor: Predictor,
  encodings: readonly Encoding[],
  { padId, maxTokens, groups, grouping, ensemble = false, onProgress }: PredictOptions,
): Promise<FloatTensor> {
  const classes = predictor.config.labels.length;
  const logits = new Float32Array(encodings.length * classes);
  const indices = encodings.map((_, index) => index);
  const order = grouping === undefined ? indices : random(grouping, 'grouping').shuffle(indices);
  const lengths = encodings.map(({ ids }) => ids.length);
  const instances = instancesOf(predictor.config);
  const passes = planBatches(order, lengths, { rows: groups * instances, maxTokens })
    .map((plan) => trimmed(plan, instances))
    .flatMap((plan) => (ensemble ? slotCopies(plan, instances) : [plan]));
  const share = ensemble ? 1 / instances : 1;
  for (const [at, plan] of passes.entries()) {
    const { data } = await predictor.run(batchFeeds(encodings, plan, padId));
    plan.examples.forEach((example, row) => {
      if (plan.weights[row] === 0) return;
      const sums = logits.subarray(example * classes, (example + 1) * classes);
      for (const [label, sum] of sums.entries()) sums[label] = sum + share * (data[row * classes + label] as number);
    });
    onProgress?.('predicting', at + 1, passes.length);
  }
  return float32(logits, [encodings.length, classes]);
}

/** Without the groups that are fillers only. */
function trimmed(plan: BatchPlan, instances: number): BatchPlan {
  const real = plan.weights.filter((weight) => weight === 1).length;
  const rows = Math.ceil(real / instances) * instances;
  return { ...plan, examples: plan.examples.slice(0, rows), weights: plan.weights.slice(0, rows) };
}
