/**
 * `compress`: multiplexes and prunes a dense classifier, which is the teacher throughout (PruMUX, Su et al. 2023). Three phases: the
 * student learns to take N inputs at once; gates learn what to keep while the unpruned student teaches the layers; the sliced
 * model recovers. Departs from the paper: the hard labels and a teacher's logits, by default those of the N = 1 model, are kept in every
 * phase, and slicing comes before recovery, which is exact here and makes recovery as cheap as the model has become; for the same reason recovery learns from
 * answers alone, as layers would be taught by the unpruned student, which is many times the work.
 */
import { existsSync } from 'node:fs';
import { assert, countParameters, VERSION } from '../base/index.ts';
import { checkDestination, readModelFolder, type Tokenizer } from '../model/index.ts';
import { type Measure, realisedSparsity, wholeStructure } from '../prune/index.ts';
import {
  finish,
  type Gated,
  type Level,
  levelFolders,
  levelsOf,
  openGates,
  perLevel,
  prune,
} from './compress-levels.ts';
import { type Compression, distil, withoutRetrieval } from './compress-phases.ts';
import { type LabelledData, openData } from './data-source.ts';
import {
  compressedTitle,
  type Delivered,
  deliver,
  fingerprintOf,
  modelFingerprint,
  type TrainedModel,
} from './deliver.ts';
import { type EncodedSet, encodeSet, logitsFor } from './encoded-set.ts';
import type { Evaluation } from './evaluate.ts';
import { specialIdsOf } from './masking.ts';
import { readPrimed } from './primed.ts';
import { type Goal, type GoalFigures, openGoal } from './pruning-goal.ts';
import {
  checkAhead,
  type PruningSource,
  type PruningState,
  pruningFingerprint,
  readPruning,
  storedPruning,
} from './pruning-state.ts';
import { type AskedRecipe, type CompressRecipe, checkCompressRecipe } from './recipe.ts';
import { interruptible, type Run } from './run-phase.ts';
import { type Prepared, prepare, type VocabularyRecord, withSeenWords } from './seen-words.ts';
import { tellingStepsAhead } from './steps-ahead.ts';
import {
  checkedStudentConfig,
  classifierOnly,
  type Origins,
  recipeFor,
  type Student,
  startStudent,
  withoutUnusedSegments,
  withWordHead,
} from './student.ts';
import { keptLogits, logitsOf, readTeacher, refuseOverwriting } from './teacher.ts';
import { type RunOptions, runFolderOf } from './train-classifier.ts';

/** What a compression says about a model, beside what every delivery says. */
export interface Compressed extends Delivered, GoalFigures {
  readonly instances: number;
  /** What pruning aimed at. */
  readonly target: { readonly measure: Measure; readonly level: number };
  readonly teacher: Evaluation;
  readonly teacherParameters: number;
  /** Where the vocabulary was pruned. */
  readonly vocabulary?: VocabularyRecord;
  /** Realised share of the encoder's weights that is gone. */
  readonly sparsity: number;
  /** The level that gates were expected to be at when they were decided; what was missing or too much was decided by their order alone. */
  readonly settled?: number;
}

export interface CompressOptions extends RunOptions {
  /** The finished model of the same recipe at sparsity 0, where there is one: pruning starts from it. */
  readonly multiplexed?: string;
  /** The pruning of a lower level by such a recipe, to go on from. */
  readonly from?: PruningSource;
  /** Whether models come with the pruning that they were sliced from, for others to go on from. */
  readonly keepsPruning?: boolean;
  /** What else is done with the models before the run counts as finished: until then its checkpoints are kept. */
  readonly onDelivered?: (models: readonly Compressed[]) => Promise<void>;
}

/** What is read before anything is computed. */
interface Sources extends Origins {
  /** For this teacher. */
  readonly recipe: CompressRecipe;
  readonly data: LabelledData;
  readonly start?: PruningState;
}

/** Throws ConfigError for what this teacher, this primed encoder, or pruning under way cannot become. */
async function readSources(model: string, asked: AskedRecipe, { source, from }: CompressOptions): Promise<Sources> {
  const teacher = await readTeacher(model);
  const student = checkedStudentConfig(teacher.config, asked);
  const primed = asked.primed === undefined ? undefined : await readPrimed(asked.primed, student, teacher.tokenizer);
  const start = from && (await readPruning(from));
  if (start !== undefined) checkAhead(asked.target, start);
  return {
    teacher,
    ...(primed && { primed }),
    ...(start && { start }),
    recipe: recipeFor(teacher.config, asked),
    data: await openData(source, teacher.config),
  };
}

/** What a run is told apart by, beside recipe and seed; its models carry it. */
function identityOf({ teacher, primed, data, start }: Sources) {
  return {
    data: { train: data.train.checksum, evaluation: data.evaluation.checksum },
    teacher: modelFingerprint(teacher),
    ...(primed && { primed: modelFingerprint(primed) }),
    ...(start && { from: { measure: start.measure, level: start.level, fingerprint: pruningFingerprint(start) } }),
  };
}

/** The origins with the words that the student keeps, and the teacher's quality. */
async function prepareOrigins(
  { teacher, primed, recipe, data }: Sources,
  run: Run,
): Promise<Omit<Prepared, 'model'> & { readonly origins: Origins }> {
  const { pruneVocabulary, maxTokens } = recipe;
  const { model, ...told } = await prepare(teacher, data, pruneVocabulary, { ...run, maxTokens });
  if (primed === undefined) return { ...told, origins: { teacher: model } };
  const start = pruneVocabulary ? withSeenWords(primed, data.train) : primed;
  return { ...told, origins: { teacher: model, primed: start } };
}

/** The dense model of as many inputs as are wanted: trained, or found. */
async function multiplex(start: Student, origins: Origins, compression: Compression, found?: string): Promise<Student> {
  const { recipe, run } = compression;
  if (recipe.instances === 1) return start;
  if (found !== undefined) return readModelFolder(found);
  const trained = recipe.losses.retrieval > 0 ? withWordHead(start, origins, run.seed) : start;
  return classifierOnly(await distil('multiplex', trained, compression));
}

/** Pruning and recovery learn from the logits of the teacher that the recipe names. */
async function withTeacher(multiplexed: Student, compression: Compression): Promise<Compression> {
  const { recipe, set, run } = compression;
  if (recipe.teacher === 'dense' || recipe.instances === 1) return compression;
  const answer = () => logitsOf(multiplexed, set, recipe.maxTokens, run);
  return { ...compression, teacherLogits: await keptLogits('answers-multiplexed', set, run.folder, answer) };
}

/** What the models of a run share. */
interface Occasion extends Pick<Prepared, 'vocabulary'>, Pick<Sources, 'start'>, Pick<CompressOptions, 'keepsPruning'> {
  readonly teacher: TrainedModel;
  readonly teacherEvaluation: Evaluation;
  /** The student's. */
  readonly tokenizer: Tokenizer;
  readonly evaluationSet: EncodedSet;
  readonly identity: ReturnType<typeof identityOf>;
  readonly recipe: CompressRecipe;
  readonly run: Run;
  readonly goal: Goal;
}

/** The share of the teacher's weights that is gone. */
function sparsityOf({ config }: Student, { shares }: Level, { teacher }: Occasion): number {
  return shares.to > 0 ? realisedSparsity(teacher.config.encoder, wholeStructure(config.encoder)) : 0;
}

/** The pruning that a model was sliced from, where it is to be kept, with what the evidence says of it. */
function keptPruning({ trained }: Gated, { value, shares }: Level, { recipe, keepsPruning }: Occasion) {
  if (!keepsPruning || shares.to <= 0) return undefined;
  const state: PruningState = { measure: recipe.target.measure, level: value, trained };
  return { stored: storedPruning(state), evidence: { pruning: { fingerprint: pruningFingerprint(state) } } };
}

/** A model of a level, what it was sliced from, and how both were learned. */
interface Recovered extends Pick<Compression, 'curves'> {
  readonly student: Student;
  readonly gated: Gated;
}

async function deliverLevel(
  { student, gated, curves }: Recovered,
  level: Level,
  occasion: Occasion,
): Promise<Compressed> {
  const { teacher, tokenizer, teacherEvaluation, identity, vocabulary, evaluationSet, recipe, run, goal } = occasion;
  const { maxTokens, instances } = recipe;
  const { seed, placement, onProgress } = run;
  const sparsity = sparsityOf(student, level, occasion);
  const told = {
    target: { measure: recipe.target.measure, level: level.value },
    ...(vocabulary && { vocabulary }),
    ...{ sparsity, ...(level.shares.to > 0 && gated.settled !== undefined && { settled: gated.settled }) },
    ...(await goal.figures(level.value, student)),
  };
  const kept = keptPruning(gated, level, occasion);
  const delivered = await deliver(
    { ...student, tokenizer },
    {
      folder: level.folder,
      ...(kept && { pruning: kept.stored }),
      ...{ evaluationSet, maxTokens, seed, placement, onProgress },
      evidence: {
        ...{ command: 'compress', recipe, data: identity.data },
        teacher: { fingerprint: identity.teacher, evaluation: teacherEvaluation },
        ...(identity.primed && { primed: { fingerprint: identity.primed } }),
        ...(identity.from && { from: identity.from }),
        ...kept?.evidence,
        ...{ ...told, curves },
      },
      title: compressedTitle(student.config, sparsity),
    },
  );
  const teacherParameters = countParameters(teacher.parameters);
  return { ...delivered, ...told, instances, teacher: teacherEvaluation, teacherParameters };
}

/** Prunes to the levels one after the other, and delivers a model of each. */
async function compressToLevels(
  multiplexed: Student,
  compression: Compression,
  occasion: Occasion,
  levels: readonly Level[],
): Promise<readonly Compressed[]> {
  const { run, goal, start } = occasion;
  const pruning: Compression = { ...compression, recipe: perLevel(compression.recipe, levels) };
  let gated = openGates(multiplexed, pruning, start);
  const models: Compressed[] = [];
  for (const level of levels) {
    gated = await prune(gated, level, goal, pruning);
    const make = async (): Promise<Compressed> => {
      const own = { ...pruning, curves: { ...pruning.curves } }; // the recovery of one model is no part of the next one's history
      const student = await finish(gated, level, goal, own);
      return deliverLevel({ student, gated, curves: own.curves }, level, occasion);
    };
    const model = await run.folder.remembered(`delivered${level.suffix}`, make);
    models.push(existsSync(level.folder) ? model : await make());
  }
  return models;
}

/** The levels of a run. Throws a ConfigError for one that is out of reach, and leaves nothing that a run to another were refused for. */
async function reachableLevels(
  recipe: CompressRecipe,
  { budget }: Goal,
  output: string,
  { folder }: Run,
  start?: PruningState,
): Promise<readonly Level[]> {
  try {
    return levelsOf(recipe, budget, output, start);
  } catch (error) {
    await folder.removeUntrained();
    throw error;
  }
}

/** Rows to train on and to evaluate on, in a tokenizer's terms. */
function encodeBoth({ train, evaluation }: LabelledData, tokenizer: Tokenizer, maxTokens: number) {
  return [encodeSet(train, tokenizer, maxTokens), encodeSet(evaluation, tokenizer, maxTokens)] as const;
}

async function compressSources(
  sources: Sources,
  identity: Occasion['identity'],
  run: Run,
  options: CompressOptions,
): Promise<readonly Compressed[]> {
  const { teacher, recipe, data, start } = sources;
  const { maxTokens, target } = recipe;
  const { origins, evaluation: teacherEvaluation, ...before } = await prepareOrigins(sources, run);
  const { tokenizer } = origins.teacher;
  const [taught, teacherSet] = encodeBoth(data, teacher.tokenizer, maxTokens);
  const isShared = tokenizer === teacher.tokenizer;
  const [set, evaluationSet] = isShared ? [taught, teacherSet] : encodeBoth(data, tokenizer, maxTokens);
  const unpruned = withoutUnusedSegments(startStudent(origins, recipe, run.seed), set);
  // What is aimed at depends on no weight of the student: a speed out of reach is refused before anything is trained.
  const goal = await openGoal(target.measure, {
    teacher,
    teacherSet,
    student: unpruned,
    evaluationSet,
    maxTokens,
    run,
  });
  const levels = await reachableLevels(recipe, goal, options.output, run, start);
  const answer = () => logitsOf(teacher, taught, maxTokens, run);
  const prepared: Compression = {
    ...{ recipe, run, curves: {}, set },
    specialIds: specialIdsOf(tokenizer),
    teacherLogits: logitsFor(set, await keptLogits('answers', taught, run.folder, answer), taught),
  };
  const compression: Compression = {
    ...prepared,
    run: tellingStepsAhead(prepared, levels, options.multiplexed !== undefined),
  };
  const student = await multiplex(unpruned, origins, compression, options.multiplexed);
  const occasion: Occasion = {
    ...before,
    teacher,
    teacherEvaluation,
    tokenizer,
    evaluationSet,
    identity,
    recipe,
    run,
    goal,
    ...(start && { start }),
    keepsPruning: options.keepsPruning ?? false,
  };
  const pruning = await withTeacher(student, withoutRetrieval(compression));
  return compressToLevels(student, pruning, occasion, levels);
}

/**
 * Compresses a model folder into another one; or, to several levels, into a folder of folders, `s60`, `s80` and so on. All share the
 * multiplexing, and each is pruned on from the one before it. What is finished of an earlier run is not done again.
 */
export async function compressClassifier(
  model: string,
  asked: AskedRecipe,
  options: CompressOptions,
): Promise<readonly [Compressed, ...Compressed[]]> {
  checkCompressRecipe(asked);
  for (const folder of levelFolders(asked.target, options.output)) {
    await checkDestination(folder);
    await refuseOverwriting(model, folder);
    if (asked.primed !== undefined) await refuseOverwriting(asked.primed, folder);
  }
  const { output, seed } = options;
  const sources = await readSources(model, asked, options);
  const identity = identityOf(sources);
  const folder = runFolderOf(output, fingerprintOf('compress', VERSION, sources.recipe, identity, seed));
  const models = await compressSources(sources, identity, interruptible({ ...options, folder }), options);
  await options.onDelivered?.(models);
  await folder.remove();
  const [first, ...others] = models;
  assert(first !== undefined, 'a level of the target');
  return [first, ...others];
}
