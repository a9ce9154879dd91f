/** What a compression starts from and learns from: classifiers in folders, and a teacher's answers to the training rows. */
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, type FloatTensor, partOf } from '../base/index.ts';
import { closing, DEFAULT_GROUPS, openPredictor, predictLogits } from '../infer/index.ts';
import { readModelFolder, requireParameters, resolveModel } from '../model/index.ts';
import { modelShapes } from '../mux/index.ts';
import type { TrainedModel } from './deliver.ts';
import type { EncodedSet } from './encoded-set.ts';
import type { Run } from './run-phase.ts';

/** A classifier of any number of inputs per pass. */
export async function readClassifier(model: string): Promise<TrainedModel> {
  const folder = await resolveModel(model);
  const classifier = await readModelFolder(folder);
  const shapes = modelShapes(classifier.config);
  requireParameters(shapes, classifier.parameters, join(folder, 'model.safetensors'));
  // Heads of other tasks that a checkpoint brings along are no part of the classifier.
  const parameters = new Map(Array.from(classifier.parameters).filter(([name]) => shapes.has(name)));
  return { ...classifier, parameters };
}

/** A dense classifier of one input at a time. */
export async function readTeacher(model: string): Promise<TrainedModel> {
  const teacher = await readClassifier(model);
  if (teacher.config.mux === undefined) return teacher;
  throw new ConfigError(model, {
    expected: 'a dense model of one input per pass as the teacher',
    got: `one of ${teacher.config.mux.instances} inputs`,
    hint: 'Give the model that it was compressed from.',
  });
}

/** The teacher is needed as long as its student is: it must not be replaced by it. */
export async function refuseOverwriting(model: string, output: string): Promise<void> {
  if (!existsSync(model) || !existsSync(output)) return;
  if ((await realpath(model)) !== (await realpath(output))) return;
  throw new ConfigError('output', { expected: 'another folder than the model that is compressed', got: output });
}

/** The logits of a model of any number of inputs for every row; neighbours are those of one grouping. */
export async function logitsOf(
  { config, parameters }: Pick<TrainedModel, 'config' | 'parameters'>,
  set: EncodedSet,
  maxTokens: number,
  { seed, placement, onProgress }: Pick<Run, 'seed' | 'placement' | 'onProgress'>,
): Promise<readonly FloatTensor[]> {
  const predictor = await openPredictor(config, parameters, placement);
  const told = partOf(onProgress, "the teacher's answers", 0, 1);
  const options = { padId: set.padId, maxTokens, groups: 4 * DEFAULT_GROUPS, grouping: seed, onProgress: told };
  return closing(predictor, (open) => predictLogits(open, set.encodings, options));
}
