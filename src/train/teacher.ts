/** What a compression starts from and learns from: classifiers in folders, and a teacher's answers to the training rows. */
import { ConfigError, type FloatTensor, float32, parameterOf, partOf, sizeOf } from '../base/index.ts';
import { closing, DEFAULT_GROUPS, openPredictor, predictLogits, requireClassifier } from '../infer/index.ts';
import { isSameFolder, type ModelFiles, readModelFolder, resolveModel } from '../model/index.ts';
import { modelShapes } from '../mux/index.ts';
import type { RunFolder } from './checkpoint.ts';
import type { TrainedModel } from './deliver.ts';
import type { EncodedSet } from './encoded-set.ts';
import type { Run } from './run-phase.ts';

/** A classifier, from a folder that may hold more. */
function classifierIn(folder: string, files: ModelFiles): TrainedModel {
  requireClassifier(folder, files);
  const shapes = modelShapes(files.config);
  // Heads of other tasks that a checkpoint brings along are no part of the classifier.
  return { ...files, parameters: new Map(Array.from(files.parameters).filter(([name]) => shapes.has(name))) };
}

/** Reads a classifier of any number of inputs per pass. */
export async function readClassifier(model: string): Promise<TrainedModel> {
  const folder = await resolveModel(model);
  return classifierIn(folder, await readModelFolder(folder));
}

/** Reads a dense classifier of one input at a time. */
export async function readTeacher(model: string): Promise<TrainedModel> {
  const folder = await resolveModel(model);
  const files = await readModelFolder(folder);
  const { mux } = files.config;
  if (mux === undefined) return classifierIn(folder, files);
  throw new ConfigError(folder, {
    expected: 'a dense model of one input per pass as the teacher',
    got: `one of ${mux.instances} inputs`,
    hint: 'Give the model that it was compressed from.',
  });
}

/** What a model is made from, a teacher or an encoder, is not replaced by it: others may be made of it. */
export async function refuseOverwriting(model: string, output: string): Promise<void> {
  if (!(await isSameFolder(model, output))) return;
  throw new ConfigError('output', { expected: 'another folder than the model that it is made from', got: output });
}

/**
 * The logits of a model of any number of inputs for every row, averaged over its slots. Departs from PruMUX, where a multiplexed teacher reads the groups of
 * each batch: the logits of a row are made once, and are of the row rather than of the neighbours that it had in one grouping.
 */
export async function logitsOf(
  { config, parameters }: Pick<TrainedModel, 'config' | 'parameters'>,
  set: EncodedSet,
  maxTokens: number,
  { seed, placement, onProgress }: Pick<Run, 'seed' | 'placement' | 'onProgress'>,
): Promise<readonly FloatTensor[]> {
  const predictor = await openPredictor(config, parameters, placement);
  const told = partOf(onProgress, "the teacher's answers", 0, 1);
  const rows = { padId: set.padId, maxTokens, groups: 4 * DEFAULT_GROUPS };
  const options = { ...rows, grouping: seed, ensemble: true, onProgress: told };
  return closing(predictor, (open) => predictLogits(open, set.encodings, options));
}

/** Of texts [C] each, or of sentences [t, C] of their t tokens, one after the other: [Σ t, C]. A tensor for each would be mostly names. */
function joined(logits: readonly FloatTensor[]): FloatTensor {
  const classes = logits[0]?.shape.at(-1) ?? 0;
  const data = new Float32Array(logits.reduce((sum, each) => sum + each.data.length, 0));
  let start = 0;
  for (const each of logits) {
    data.set(each.data, start);
    start += each.data.length;
  }
  return float32(data, [data.length / classes, classes]);
}

function apart({ shape: [, classes = 0], data }: FloatTensor, { task, lengths }: EncodedSet): FloatTensor[] {
  let start = 0;
  return lengths.map((length) => {
    const shape = task === 'tokens' ? [length, classes] : [classes];
    const own = data.subarray(start, start + sizeOf(shape));
    start += own.length;
    return float32(own, shape);
  });
}

/** The logits that `make` gives for the rows of a set, kept in a run's folder as the result of a phase is. */
export async function keptLogits(
  name: string,
  set: EncodedSet,
  folder: RunFolder,
  make: () => Promise<readonly FloatTensor[]>,
): Promise<readonly FloatTensor[]> {
  const known = await folder.finished(name);
  if (known !== undefined) return apart(parameterOf(known.parameters, 'logits'), set);
  const logits = await make();
  await folder.saveFinished(name, { parameters: new Map([['logits', joined(logits)]]), curve: [] });
  return logits;
}
