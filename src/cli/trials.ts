/** The trials of `prumux auto`: compressions in folders of their own, those that are finished taken as they are. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DENSE,
  divideRows,
  type GridPoint,
  isSamePoint,
  type ModelDetails,
  nameOf,
  type RowDivision,
  startOf,
  type Trial,
} from '../auto/index.ts';
import { countParameters } from '../base/index.ts';
import { fromHuggingFace, type ModelConfig, resolveModel } from '../model/index.ts';
import { longestRow } from '../mux/index.ts';
import type { TrialQueue } from '../queue/index.ts';
import {
  type CompressionIdentity,
  type CompressRecipe,
  fingerprintOf,
  isFinished,
  modelFingerprint,
  openData,
  RunFolder,
  type RunOptions,
  readEvidence,
  readTeacher,
  recipeAt,
  studentConfig,
} from '../train/index.ts';
import { WorkNotes } from './work-notes.ts';

/** What all trials share. */
export interface Laboratory {
  readonly model: string;
  readonly recipe: CompressRecipe;
  readonly options: Omit<RunOptions, 'output'>;
  /** Where their folders go. */
  readonly folder: string;
  /** Who trains them. */
  readonly queue: TrialQueue;
  readonly notes: WorkNotes;
  readonly data: CompressionIdentity['data'];
  readonly teacher: string;
  /** The dense model's. */
  readonly config: ModelConfig;
  readonly denseParameters: number;
  /** Of the evaluation rows. */
  readonly rows: RowDivision;
}

export async function openLaboratory(
  given: string,
  { recipe, options }: Pick<Laboratory, 'recipe' | 'options'>,
  /** The queue, and the folder of a run that follows from just this. */
  openWorkplace: (follows: unknown) => Promise<Pick<Laboratory, 'queue' | 'folder'>>,
): Promise<Laboratory> {
  const model = await resolveModel(given);
  const files = await readTeacher(model);
  const { config, parameters } = files;
  const { train, evaluation } = await openData(options.source, config);
  const data = { train: train.checksum, evaluation: evaluation.checksum };
  const teacher = modelFingerprint(files);
  const { queue, folder } = await openWorkplace([recipe, options.seed, data, teacher]);
  return {
    ...{ model, recipe, options, queue, folder, config, data, teacher },
    notes: new WorkNotes(new RunFolder(folder, 'auto')),
    denseParameters: countParameters(parameters),
    rows: divideRows(evaluation.examples.length, options.seed),
  };
}

/** The model itself as a trial. */
export function denseTrial({ model, denseParameters }: Laboratory): Trial {
  return { name: 'dense', folder: model, point: DENSE, parameters: denseParameters, sparsity: 0, seconds: 0 };
}

/** What a point's model follows from. */
function identityAt(point: GridPoint, { recipe, options, data, teacher, config }: Laboratory): CompressionIdentity {
  const asked = recipeAt(recipe, point);
  const maxTokens = Math.min(asked.maxTokens, longestRow(studentConfig(config, asked)));
  return { recipe: { ...asked, maxTokens }, seed: options.seed, data, teacher };
}

/** Tells results of one point, recipe, seed, data and teacher from those of another. */
export function fingerprintAt(point: GridPoint, laboratory: Laboratory): string {
  return fingerprintOf(identityAt(point, laboratory)).slice(0, 12);
}

function folderOf(point: GridPoint, { folder }: Laboratory): string {
  return join(folder, nameOf(point));
}

function isDone(point: GridPoint, laboratory: Laboratory): Promise<boolean> {
  return isFinished(folderOf(point, laboratory), identityAt(point, laboratory));
}

/** Has a point's model made, from the multiplexed model of as many inputs where that is done. */
async function compressTo(point: GridPoint, laboratory: Laboratory): Promise<void> {
  if (await isDone(point, laboratory)) return;
  const { model, options, queue } = laboratory;
  const start = startOf(point);
  const isThere = !isSamePoint(start, point) && point.instances > 1 && (await isDone(start, laboratory));
  await queue.train({
    ...{ name: nameOf(point), model, seed: options.seed, source: options.source },
    recipe: identityAt(point, laboratory).recipe,
    output: folderOf(point, laboratory),
    ...(isThere && { multiplexed: folderOf(start, laboratory) }),
  });
}

/** Trains a point, unless its folder has the finished model of the same recipe, seed, data and teacher. */
export async function trainTrial(point: GridPoint, laboratory: Laboratory): Promise<Trial> {
  const name = nameOf(point);
  const folder = folderOf(point, laboratory);
  const note = `${name}-trained-${fingerprintAt(point, laboratory)}`;
  const { seconds } = await laboratory.notes.kept('train', note, () => compressTo(point, laboratory));
  await compressTo(point, laboratory); // does nothing, unless the folder was removed after the note was taken
  const { parameters, sparsity } = await readEvidence(folder);
  return { ...{ name, folder, point, parameters, sparsity }, seconds };
}

/** What a trial's model is made of, and how it was learned. */
export async function detailsOf({ folder }: Trial): Promise<ModelDetails> {
  const path = join(folder, 'config.json');
  const { encoder } = fromHuggingFace(JSON.parse(await readFile(path, 'utf8')), path);
  const { hiddenSize, layers } = encoder;
  const curves = existsSync(join(folder, 'run.json')) ? (await readEvidence(folder)).curves : {};
  return { hiddenSize, layers: layers.map((layer) => ({ ...layer })), curves };
}
