/** A BERT of a few thousand numbers with a batch for it: small enough for plain loops in float64, and for a GPU that is a simulation. */
import {
  type FloatTensor,
  float32,
  int64,
  type ParameterTree,
  random,
  sizeOf,
  type Tensor,
} from '../src/base/index.ts';
import { input } from '../src/graph/index.ts';
import { type BatchOptions, type BatchPlan, batchFeeds } from '../src/infer/index.ts';
import { type ModelConfig, tokenInputs } from '../src/model/index.ts';
import { modelShapes } from '../src/mux/index.ts';
import type { Feeds } from '../src/runtime/index.ts';
import type { ParameterGroup } from '../src/train/adamw.ts';
import { type EncodedSet, trainingFeeds } from '../src/train/encoded-set.ts';
import type { Phase } from '../src/train/fit.ts';
import { labelledBatches } from '../src/train/labelled-batches.ts';
import { labelObjective } from '../src/train/objectives.ts';
import type { StepPlan } from '../src/train/step.ts';

const [R, T, V, D, H, F, L] = [5, 6, 20, 8, 2, 12, 2];

export const tinyConfig: ModelConfig = {
  encoder: {
    vocabularySize: V,
    hiddenSize: D,
    headSize: D / H,
    layers: Array.from({ length: L }, () => ({ heads: H, intermediateSize: F })),
    maxPositions: T + 2,
    typeVocabularySize: 2,
    layerNormEpsilon: 1e-12,
    dropout: 0.1,
  },
  labels: ['a', 'b', 'c'],
  featureSize: D,
};

/** Parameters large enough that every part of a model shows in its results; norms scale by about 1. */
export function loudParameters(config: ModelConfig, seed: number): ParameterTree {
  return new Map(
    Array.from(modelShapes(config), ([name, shape]): [string, FloatTensor] => {
      const draws = random(seed, name);
      const centre = name.endsWith('LayerNorm.weight') ? 1 : 0;
      const values = Float32Array.from({ length: sizeOf(shape) }, () => centre + 0.4 * draws.normal());
      return [name, float32(values, shape)];
    }),
  );
}

/** Texts of different lengths, at least one token each, with padding that has ids too, and their last tokens in a second segment. */
export function raggedTexts(rows: number, tokens: number, seed = 1): Feeds {
  const draws = random(seed, 'ragged texts', rows, tokens);
  const lengths = Array.from({ length: rows }, () => 1 + draws.integer(tokens));
  const cells = (value: (row: number, at: number) => number): Tensor =>
    int64(
      Array.from({ length: rows * tokens }, (_, cell) => value(Math.floor(cell / tokens), cell % tokens)),
      [rows, tokens],
    );
  return {
    input_ids: cells(() => draws.integer(V)),
    attention_mask: cells((row, at) => Number(at < (lengths[row] ?? 0))),
    token_type_ids: cells((_, at) => Number(at > 2)),
  };
}

/** The largest difference of two lists of numbers of one length. */
export function worstDifference(left: ArrayLike<number>, right: ArrayLike<number>): number {
  if (left.length !== right.length) return Number.POSITIVE_INFINITY;
  return Array.from(left).reduce((worst, value, at) => Math.max(worst, Math.abs(value - (right[at] ?? Number.NaN))), 0);
}

/** Ids below 12, so that some words are never used. */
const USED_WORDS = 12;

/** Rows of 2 to T tokens, the later ones of each in the second segment. */
export function tinySet(rows = R, seed = 1): EncodedSet {
  const draws = random(seed, 'tiny set');
  const encodings = Array.from({ length: rows }, () => {
    const ids = Array.from({ length: 2 + draws.integer(T - 1) }, () => 1 + draws.integer(USED_WORDS - 1));
    return { ids, types: ids.map((_, at) => Number(at > 2)) };
  });
  return {
    encodings,
    lengths: encodings.map(({ ids }) => ids.length),
    task: 'sequence',
    labels: encodings.map((_, row) => [row % tinyConfig.labels.length]),
    positions: encodings.map(() => [0]),
    padId: 0,
  };
}

/** All rows of a set in one batch; the last one is a filler. */
export const tinyBatch: BatchPlan = { examples: [0, 1, 2, 3, 4], weights: [1, 1, 1, 1, 0], tokens: T };

/** What a step is fed: ids in terms of the batch's own words. */
export const localFeeds = (set: EncodedSet): Feeds => trainingFeeds(set, tinyBatch);

/** The same batch with ids of the whole vocabulary. */
export function globalFeeds(set: EncodedSet): Feeds {
  const labels = tinyBatch.examples.map((example) => set.labels[example]?.[0] as number);
  return {
    ...batchFeeds(set.encodings, tinyBatch, set.padId),
    'batch.labels': int64(labels, [R]),
    'batch.weights': float32(Float32Array.from(tinyBatch.weights), [R]),
  };
}

/** Small enough that every step is clipped. */
export const TINY_CLIP_NORM = 0.1;

/** Two groups, one that decays, clipped together. */
export const tinyGroups: readonly ParameterGroup[] = [
  {
    name: 'plain',
    has: (name) => /(bias|LayerNorm\.weight)$/.test(name),
    learningRate: 0.01,
    weightDecay: 0,
    isClipped: true,
  },
  { name: 'weights', has: () => true, learningRate: 0.01, weightDecay: 0.1, isClipped: true },
];

/** What the batches of `tinyPhase` are cut by. */
export const TINY_BATCHES: BatchOptions = { rows: 4, maxTokens: 16 };

/** Fine-tuning of the tiny BERT with dropout, on a set. */
export function tinyPhase(set: EncodedSet, epochs = 2): Phase {
  return {
    name: 'tiny',
    batches: labelledBatches(set, { ...TINY_BATCHES, epochs }),
    warmup: 0.25,
    dropout: 0.1,
    parameterGroups: tinyGroups,
    clipNorm: TINY_CLIP_NORM,
    frozen: new Map(),
    objective: labelObjective(tinyConfig),
  };
}

/** Fine-tuning of the tiny BERT on one batch. */
export function tinyPlan(parameters: ParameterTree): StepPlan {
  const batch = {
    inputs: tokenInputs(R, T),
    labels: input('batch.labels', [R], 'int64'),
    weights: input('batch.weights', [R]),
    teacherLogits: (classes: number) => input('batch.teacherLogits', [R, classes]),
  };
  return {
    trained: parameters,
    frozen: new Map(),
    parameterGroups: tinyGroups,
    clipNorm: TINY_CLIP_NORM,
    objective: (p) => labelObjective(tinyConfig)(batch, p, () => undefined),
  };
}
