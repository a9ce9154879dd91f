/** The trials of `prumux auto`: compressions in folders of their own, those that are finished taken as they are. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GridPoint, ModelDetails, Trial } from '../auto/index.ts';
import { ConfigError } from '../base/index.ts';
import {
  compareThroughput,
  measuredRows,
  openTextClassifier,
  readTextClassifier,
  type StoredClassifier,
  throughputDefaults,
} from '../infer/index.ts';
import { fromHuggingFace, type ModelConfig, resolveModel } from '../model/index.ts';
import type { TrialQueue } from '../queue/index.ts';
import {
  type CompressionIdentity,
  type CompressRecipe,
  encodeSet,
  evaluate,
  isFinished,
  modelFingerprint,
  openData,
  openTexts,
  type RunOptions,
  readEvidence,
  readTeacher,
  recipeAt,
} from '../train/index.ts';

/** What all trials share. */
export interface Laboratory {
  readonly model: string;
  readonly recipe: CompressRecipe;
  readonly options: Omit<RunOptions, 'output'>;
  /** Where their folders go. */
  readonly folder: string;
  /** Who trains them. */
  readonly queue: TrialQueue;
  readonly data: CompressionIdentity['data'];
  readonly teacher: string;
  readonly maxPositions: number;
  /** Rows that accuracy is measured on. */
  readonly examples: number;
}

export async function openLaboratory(
  given: string,
  { recipe, options }: Pick<Laboratory, 'recipe' | 'options'>,
  /** The queue and the folder of a run that follows from just this. */
  openWorkplace: (follows: unknown) => Promise<Pick<Laboratory, 'queue' | 'folder'>>,
): Promise<Laboratory> {
  const model = await resolveModel(given);
  const files = await readTeacher(model);
  const { config } = files;
  if (config.task === 'tokens') {
    throw new ConfigError(model, {
      expected: 'a model that classifies whole texts',
      got: 'one that classifies tokens',
      hint: 'prumux compress takes it, to one point at a time.',
    });
  }
  const { train, evaluation } = await openData(options.source, config);
  const data = { train: train.checksum, evaluation: evaluation.checksum };
  const teacher = modelFingerprint(files);
  return {
    ...{ model, recipe, options, data, teacher },
    ...(await openWorkplace([recipe, options.seed, data, teacher])),
    maxPositions: config.encoder.maxPositions,
    examples: evaluation.examples.length,
  };
}

export function nameOf({ instances, sparsity }: GridPoint): string {
  return `n${instances}-s${sparsity}`;
}

/** The model itself as a trial, evaluated. */
export async function denseTrial({ model, recipe, options }: Laboratory): Promise<Trial> {
  const { source, placement, seed, onProgress } = options;
  const classifier = await openTextClassifier(model, placement, recipe.maxTokens);
  const { evaluation } = await openData(source, classifier.predictor.config);
  const set = encodeSet(evaluation, classifier.tokenizer, classifier.maxTokens);
  const { accuracy, accuracyStd } = await evaluate(classifier.predictor, set, {
    maxTokens: classifier.maxTokens,
    ...{ seed, onProgress },
  });
  const { parameters } = classifier;
  await classifier.close();
  const point = { instances: 1, sparsity: 0 };
  return { name: 'dense', folder: model, point, accuracy, accuracyStd, parameters, sparsity: 0 };
}

/**
 * Has a point trained, unless its folder has the finished model of the same recipe, seed, data and teacher. Pruned ones start from the
 * multiplexed model of as many instances, which is a trial by itself: however many start from it, it is trained once.
 */
export async function trainTrial(point: GridPoint, laboratory: Laboratory): Promise<Trial> {
  const { model, options, data, teacher, maxPositions, queue } = laboratory;
  const { seed, source } = options;
  const name = nameOf(point);
  const folder = join(laboratory.folder, name);
  const recipe: CompressRecipe = {
    ...recipeAt(laboratory.recipe, point),
    maxTokens: Math.min(laboratory.recipe.maxTokens, maxPositions),
  };
  if (!(await isFinished(folder, { recipe, seed, data, teacher }))) {
    const isPruned = point.instances > 1 && point.sparsity > 0;
    const start = isPruned ? { multiplexed: (await trainTrial({ ...point, sparsity: 0 }, laboratory)).folder } : {};
    await queue.train({ name, model, recipe, seed, source, output: folder, ...start });
  }
  const { evaluation, parameters, sparsity } = await readEvidence(folder);
  const { accuracy, accuracyStd } = evaluation;
  return { name, folder, point, accuracy, accuracyStd, parameters, sparsity };
}

/** Examples per second of models in their order, side by side on rows of the evaluation file. */
export async function measureTrials(trials: readonly Trial[], { options, recipe }: Laboratory): Promise<number[]> {
  const { source, placement, onProgress } = options;
  const texts = await openTexts(source.evaluation, source.columns);
  const sample = measuredRows(texts);
  const classifiers: StoredClassifier[] = [];
  for (const { folder } of trials) classifiers.push(await readTextClassifier(folder, recipe.maxTokens));
  const [{ tokenizer, encode, maxTokens }] = classifiers as [StoredClassifier];
  const contestants = classifiers.map(({ config, onnx }, at) => ({ name: trials[at]?.name ?? '', config, onnx }));
  const results = await compareThroughput(contestants, sample.map(encode), {
    ...throughputDefaults,
    ...{ maxTokens, placement, padId: tokenizer.padId, onProgress },
  });
  return results.map(({ examplesPerSecond }) => examplesPerSecond);
}

/** What a trial's model is made of, and how it was learned. */
export async function detailsOf({ folder }: Trial): Promise<ModelDetails> {
  const { encoder } = await configIn(folder);
  const { hiddenSize, layers } = encoder;
  const curves = existsSync(join(folder, 'run.json')) ? (await readEvidence(folder)).curves : {};
  return { hiddenSize, layers: layers.map((layer) => ({ ...layer })), curves };
}

async function configIn(folder: string): Promise<ModelConfig> {
  const path = join(folder, 'config.json');
  return fromHuggingFace(JSON.parse(await readFile(path, 'utf8')), path);
}
