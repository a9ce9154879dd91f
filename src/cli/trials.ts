/** The trials of `prumux auto`: compressions in folders of their own, those that are finished taken as they are. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DENSE,
  divideRows,
  type GridPoint,
  type ModelDetails,
  nameOf,
  type RowDivision,
  startOf,
  type Trial,
} from '../auto/index.ts';
import { assert, CheckpointError, countParameters, VERSION } from '../base/index.ts';
import { fromHuggingFace, type ModelConfig, resolveModel } from '../model/index.ts';
import { hasStart, type TrialQueue } from '../queue/index.ts';
import {
  type CompressionIdentity,
  type CompressSettings,
  checkCompressRecipe,
  checkedStudentConfig,
  type DataSource,
  fingerprintOf,
  isFinished,
  joinSets,
  type LabelledData,
  type LabelledSet,
  learningCurves,
  modelFingerprint,
  openData,
  RunFolder,
  type RunOptions,
  readEvidence,
  readTeacher,
  recipeAt,
  recipeFor,
  rowsSetAside,
  setAside,
} from '../train/index.ts';
import { WorkNotes } from './work-notes.ts';

/** What all trials share. */
export interface Laboratory {
  readonly model: string;
  readonly settings: CompressSettings;
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
  /** The evaluation rows, and then those of the training file that nothing was trained on. */
  readonly examples: LabelledSet;
  readonly rows: RowDivision;
  /** How many were set aside. */
  readonly setAside: number;
}

/** What a run is about: rows, without those that were set aside when the dense model was trained, if it was trained on the same file. */
async function openRows(
  model: string,
  source: DataSource,
  config: ModelConfig,
): Promise<LabelledData & { readonly source: DataSource }> {
  const whole = { ...(await openData(source, config)), source };
  const { setAside: count, train } = (await rowsSetAside(model)) ?? {};
  if (count === undefined || 2 * count > whole.train.examples.length) return whole;
  const { rest, aside } = setAside(whole.train, count);
  return rest.checksum === train ? { ...whole, train: rest, aside, source: { ...source, setAside: count } } : whole;
}

export async function openLaboratory(
  given: string,
  { settings, options }: Pick<Laboratory, 'settings' | 'options'>,
  /** The queue, and the folder of a run that follows from just this. */
  openWorkplace: (follows: unknown) => Promise<Pick<Laboratory, 'queue' | 'folder'>>,
): Promise<Laboratory> {
  const model = await resolveModel(given);
  const files = await readTeacher(model);
  const { config, parameters } = files;
  const { train, evaluation, aside, source } = await openRows(model, options.source, config);
  const data = { train: train.checksum, evaluation: evaluation.checksum };
  const count = aside?.examples.length ?? 0;
  const teacher = modelFingerprint(files);
  const { queue, folder } = await openWorkplace([VERSION, settings, options.seed, data, teacher]);
  return {
    ...{ model, settings, queue, folder, config, data, teacher },
    setAside: count,
    options: { ...options, source },
    examples: aside === undefined ? evaluation : joinSets(evaluation, aside),
    notes: new WorkNotes(new RunFolder(folder, 'auto')),
    denseParameters: countParameters(parameters),
    rows: divideRows(evaluation.examples.length, count, options.seed),
  };
}

/** Throws a ConfigError for a point that could not be trained, before hours are spent on others. */
export function checkPoint(point: GridPoint, { settings, config }: Laboratory): void {
  const recipe = recipeAt(settings, point);
  checkCompressRecipe(recipe);
  checkedStudentConfig(config, recipe);
}

/** The model itself as a trial. */
export function denseTrial({ model, denseParameters }: Laboratory): Trial {
  return { name: 'dense', folder: model, point: DENSE, parameters: denseParameters, sparsity: 0, seconds: 0 };
}

/** A point, the trial whose pruning it goes on from, and how long it is trained. */
export interface Route extends Pick<Trial, 'point' | 'from'> {
  /** Of the epochs of learning to take several inputs, where it is less than all. */
  readonly share?: number;
}

/** Of these epochs a short run takes so much: an eighth of the training it may save. */
const SHORT_RUN = 0.125;

/**
 * Of the epochs of pruning, where it goes on: about half of the way is done. Between any two levels ZipLM trains equally long, as
 * `compress --sparsity 0.6,0.8` does, whose levels share them.
 */
const WARM_SHARE = 0.5;

/** What a point's model follows from. */
function identityAt(
  { point, from, share = 1 }: Route,
  { settings, options, data, teacher, config }: Laboratory,
): CompressionIdentity {
  const { epochs, ...recipe } = recipeFor(config, recipeAt(settings, point));
  const multiplex = share * epochs.multiplex;
  const prune = from === undefined ? epochs.prune : WARM_SHARE * epochs.prune;
  return {
    recipe: { ...recipe, epochs: { ...epochs, multiplex, prune } },
    ...{ seed: options.seed, data, teacher },
    ...(from && { from: from.fingerprint }),
  };
}

/** Tells results of one point, start, recipe, seed, data, teacher and version of this program from those of another. */
export function fingerprintAt(route: Route, laboratory: Laboratory): string {
  return fingerprintOf(VERSION, identityAt(route, laboratory)).slice(0, 12);
}

function routeName({ point, share }: Route): string {
  return share === undefined ? nameOf(point) : `${nameOf(point)}-short`;
}

/** How trials of a point are called while they run: all of its training, and a short run. */
export const trialsOf = (point: GridPoint): readonly string[] => [
  routeName({ point }),
  routeName({ point, share: SHORT_RUN }),
];

/** One for each start: which one a search comes by depends on its question, and on how many workers there are. */
function folderOf(route: Route, { folder }: Laboratory): string {
  const start = route.from === undefined ? '' : `-from-${route.from.fingerprint.slice(0, 8)}`;
  return join(folder, `${routeName(route)}${start}`);
}

/** Whether its model is there, and where it was pruned, what others go on from. */
async function isDone(route: Route, laboratory: Laboratory): Promise<boolean> {
  const folder = folderOf(route, laboratory);
  const identity = identityAt(route, laboratory);
  return hasStart(folder, identity.recipe) && isFinished(folder, identity);
}

/** A trial for others to go on from. */
async function startFrom({ name, folder }: Trial): Promise<Trial['from']> {
  const { pruning } = await readEvidence(folder);
  assert(pruning !== undefined, 'pruning that was kept');
  return { name, folder, fingerprint: pruning.fingerprint };
}

/** Throws a CheckpointError where the files of rows are others than this run has read. */
async function requireSameRows({ options, config, data }: Laboratory): Promise<void> {
  const { train, evaluation } = await openData(options.source, config);
  if (train.checksum === data.train && evaluation.checksum === data.evaluation) return;
  throw new CheckpointError(options.source.data, {
    expected: 'it and the evaluation file to be as they were when this run began',
    got: 'other rows',
    hint: 'Give the command again: finished trials of the former rows stay as they are.',
  });
}

/** Has a point's model made, from the multiplexed model of as many inputs where that is done. Tells what the queue tells of how long it took. */
async function compressTo(route: Route, laboratory: Laboratory): Promise<number | undefined> {
  if (await isDone(route, laboratory)) return undefined;
  const { model, options, queue } = laboratory;
  const { point, from } = route;
  await requireSameRows(laboratory);
  const multiplexed: Route = { point: startOf(point) };
  const isThere = point.sparsity > 0 && point.instances > 1 && (await isDone(multiplexed, laboratory));
  return queue.train({
    ...{ name: routeName(route), model, seed: options.seed, source: options.source },
    recipe: identityAt(route, laboratory).recipe,
    output: folderOf(route, laboratory),
    ...(isThere && { multiplexed: folderOf(multiplexed, laboratory) }),
    ...(from && { from }),
  });
}

/** Trains a point, unless its folder has the finished model of the same start, recipe, seed, data and teacher. */
export async function trainTrial(point: GridPoint, from: Trial | undefined, laboratory: Laboratory): Promise<Trial> {
  return trainBy({ point, ...(from && { from: await startFrom(from) }) }, laboratory);
}

/** A multiplexed model, unpruned, after a small share of its training; nothing where all of it was done and no short run before. */
export async function trainShortly(point: GridPoint, laboratory: Laboratory): Promise<(Trial & Route) | undefined> {
  const route = { point, share: SHORT_RUN };
  const isSpared = (await isDone({ point }, laboratory)) && !(await isDone(route, laboratory));
  return isSpared ? undefined : trainBy(route, laboratory);
}

async function trainBy(route: Route, laboratory: Laboratory): Promise<Trial & Route> {
  const name = routeName(route);
  const folder = folderOf(route, laboratory);
  const note = `${name}-trained-${fingerprintAt(route, laboratory)}`;
  const { result, seconds } = await laboratory.notes.kept('train', note, () => compressTo(route, laboratory));
  await compressTo(route, laboratory); // does nothing, unless the folder was removed after the note was taken
  const { parameters, sparsity } = await readEvidence(folder);
  return { ...route, ...{ name, folder, parameters, sparsity, seconds: result ?? seconds } };
}

/** What a trial's model is made of, and how it was learned. */
export async function detailsOf({ folder }: Trial): Promise<ModelDetails> {
  const path = join(folder, 'config.json');
  const { encoder } = fromHuggingFace(JSON.parse(await readFile(path, 'utf8')), path);
  const { hiddenSize, layers } = encoder;
  return { hiddenSize, layers: layers.map((layer) => ({ ...layer })), curves: await learningCurves(folder) };
}
