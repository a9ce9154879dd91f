/**
 * `compress`: multiplexes and prunes a dense classifier, which is the teacher throughout (PruMUX, Su et al. 2023). Three phases: the
 * student learns to take N inputs at once; gates learn what to keep while the multiplexed dense model teaches the layers; the sliced
 * model recovers. Departs from the paper: the hard labels and the logits of the N = 1 teacher are kept in every phase, and slicing comes
 * before recovery, which is exact here and makes recovery as cheap as the model has become.
 */
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import {
  assert,
  ConfigError,
  countParameters,
  type FloatTensor,
  float32,
  parameterOf,
  sizeOf,
  VERSION,
} from '../base/index.ts';
import { closing, DEFAULT_GROUPS, openPredictor, predictLogits } from '../infer/index.ts';
import {
  checkDestination,
  type ModelConfig,
  readModelFolder,
  requireParameters,
  resolveModel,
} from '../model/index.ts';
import { checkMux, initialModel, longestRow, modelShapes } from '../mux/index.ts';
import { type Measure, realisedSparsity, uniformShape, wholeStructure } from '../prune/index.ts';
import { finish, type Level, levelFolders, levelsOf, openGates, perLevel, prune } from './compress-levels.ts';
import { type Compression, distil, type Student } from './compress-phases.ts';
import { openData } from './data-source.ts';
import { type Delivered, deliver, fingerprintOf, modelFingerprint, type TrainedModel } from './deliver.ts';
import { type EncodedSet, encodeSet } from './encoded-set.ts';
import { type Evaluation, evaluateParameters } from './evaluate.ts';
import { type Goal, type GoalFigures, openGoal } from './pruning-goal.ts';
import { type CompressRecipe, checkCompressRecipe } from './recipe.ts';
import type { Run } from './run-phase.ts';
import { taskOf } from './task-table.ts';
import { type RunOptions, runFolderOf } from './train-classifier.ts';

/** What a compression says about a model, beside what every delivery says. */
export interface Compressed extends Delivered, GoalFigures {
  /** What pruning aimed at. */
  readonly target: { readonly measure: Measure; readonly level: number };
  readonly teacher: Evaluation;
  readonly teacherParameters: number;
  /** Realised share of the encoder's weights that is gone. */
  readonly sparsity: number;
}

export interface CompressOptions extends RunOptions {
  /** The finished model of the same recipe at sparsity 0, where there is one: pruning starts from it. */
  readonly multiplexed?: string;
}

/**
 * Without the segments that no row of the data has: their vectors were never trained, and adding them is a pass over every embedded row.
 */
function withoutUnusedSegments({ config, parameters }: Student, { encodings }: EncodedSet): Student {
  const table = parameterOf(parameters, SEGMENTS);
  const used = 1 + encodings.reduce((most, { types }) => types.reduce((a, b) => Math.max(a, b), most), 0);
  const shape = [used, config.encoder.hiddenSize];
  const cut = float32(table.data.slice(0, sizeOf(shape)), shape);
  return {
    config: { ...config, encoder: { ...config.encoder, typeVocabularySize: used } },
    parameters: new Map([...parameters, [SEGMENTS, cut]]),
  };
}

const SEGMENTS = 'bert.embeddings.token_type_embeddings.weight';

function studentConfig(teacher: ModelConfig, { instances, maxTokens, mux }: CompressRecipe): ModelConfig {
  return { ...teacher, maxTokens, ...(instances > 1 && { mux: { instances, ...mux } }) };
}

/** The multiplexed student before training: the teacher's encoder, with a multiplexer where it takes several inputs. */
function startStudent(teacher: Student, recipe: CompressRecipe, seed: number): Student {
  const config = studentConfig(teacher.config, recipe);
  if (config.mux === undefined) return { config, parameters: teacher.parameters };
  return { config, parameters: initialModel(config, seed, teacher.parameters) };
}

/** The dense model of as many inputs as are wanted: trained, or found. */
async function multiplex(teacher: TrainedModel, compression: Compression, found?: string): Promise<Student> {
  const { recipe, run } = compression;
  const start = startStudent(withoutUnusedSegments(teacher, compression.set), recipe, run.seed);
  if (recipe.instances === 1) return start;
  return found === undefined ? distil('multiplex', start, compression) : readModelFolder(found);
}

/** The logits of a teacher of any number of inputs for every row; neighbours are those of one grouping. */
async function logitsOf(
  teacher: Student,
  set: EncodedSet,
  maxTokens: number,
  run: Run,
): Promise<readonly FloatTensor[]> {
  const predictor = await openPredictor(teacher.config, teacher.parameters, run.placement);
  const options = { padId: set.padId, maxTokens, groups: 4 * DEFAULT_GROUPS, grouping: run.seed };
  return closing(predictor, (open) => predictLogits(open, set.encodings, options));
}

/** Pruning and recovery learn from the logits of the teacher that the recipe names. */
async function withTeacher(multiplexed: Student, compression: Compression): Promise<Compression> {
  const { recipe, set, run } = compression;
  if (recipe.teacher === 'dense' || recipe.instances === 1) return compression;
  return { ...compression, teacherLogits: await logitsOf(multiplexed, set, recipe.maxTokens, run) };
}

/** A dense classifier of one input at a time. */
export async function readTeacher(model: string): Promise<TrainedModel> {
  const folder = await resolveModel(model);
  const teacher = await readModelFolder(folder);
  if (teacher.config.mux !== undefined) {
    const { instances } = teacher.config.mux;
    throw new ConfigError(folder, {
      expected: 'a dense model of one input per pass as the teacher',
      got: `one of ${instances} inputs`,
      hint: 'Give the model that it was compressed from.',
    });
  }
  const shapes = modelShapes(teacher.config);
  requireParameters(shapes, teacher.parameters, join(folder, 'model.safetensors'));
  // Heads of other tasks that a checkpoint brings along are no part of the classifier.
  const parameters = new Map(Array.from(teacher.parameters).filter(([name]) => shapes.has(name)));
  return { ...teacher, parameters };
}

/** The teacher is needed as long as its student is: it must not be replaced by it. */
export async function refuseOverwriting(model: string, output: string): Promise<void> {
  if (!existsSync(model) || !existsSync(output)) return;
  if ((await realpath(model)) !== (await realpath(output))) return;
  throw new ConfigError('output', { expected: 'another folder than the model that is compressed', got: output });
}

/** The data of a compression, encoded. */
interface CompressionData {
  readonly set: EncodedSet;
  readonly evaluationSet: EncodedSet;
  readonly checksums: { readonly train: string; readonly evaluation: string };
}

async function readData(
  teacher: TrainedModel,
  source: CompressOptions['source'],
  maxTokens: number,
): Promise<CompressionData> {
  const { train, evaluation } = await openData(source, teacher.config);
  return {
    set: encodeSet(train, teacher.tokenizer, maxTokens),
    evaluationSet: encodeSet(evaluation, teacher.tokenizer, maxTokens),
    checksums: { train: train.checksum, evaluation: evaluation.checksum },
  };
}

/** The recipe with rows as long as the student has positions for. Throws ConfigError for what this teacher cannot become. */
function recipeFor(teacher: TrainedModel, asked: CompressRecipe): CompressRecipe {
  const student = studentConfig(teacher.config, asked);
  checkMux(student);
  if (asked.target.levels.some((level) => level > 0)) uniformShape(teacher.config.encoder);
  return { ...asked, maxTokens: Math.min(asked.maxTokens, longestRow(student)) };
}

/** What the models of a run share. */
interface Occasion {
  readonly teacher: TrainedModel;
  readonly teacherId: string;
  readonly teacherEvaluation: Evaluation;
  readonly data: CompressionData;
  readonly recipe: CompressRecipe;
  readonly run: Run;
  readonly goal: Goal;
}

/** The share of the teacher's weights that is gone. */
function sparsityOf({ config }: Student, { shares }: Level, { teacher }: Occasion): number {
  return shares.to > 0 ? realisedSparsity(teacher.config.encoder, wholeStructure(config.encoder)) : 0;
}

async function deliverLevel(
  student: Student,
  level: Level,
  occasion: Occasion,
  curves: Compression['curves'],
): Promise<Compressed> {
  const { teacher, teacherId, teacherEvaluation, data, recipe, run, goal } = occasion;
  const target = { measure: recipe.target.measure, level: level.value };
  const sparsity = sparsityOf(student, level, occasion);
  const figures = { target, sparsity, ...(await goal.figures(level.value, student)) };
  const inputs = recipe.instances === 1 ? 'one input' : `${recipe.instances} inputs`;
  const delivered = await deliver(
    { ...student, tokenizer: teacher.tokenizer },
    {
      folder: level.folder,
      evaluationSet: data.evaluationSet,
      ...{ maxTokens: recipe.maxTokens, seed: run.seed, placement: run.placement },
      evidence: {
        command: 'compress',
        ...{ recipe, data: data.checksums },
        teacher: { fingerprint: teacherId, evaluation: teacherEvaluation },
        ...{ ...figures, curves },
      },
      title: `${taskOf(teacher.config).modelNoun}, ${inputs} per pass, sparsity ${sparsity.toFixed(2)}`,
    },
  );
  const teacherParameters = countParameters(teacher.parameters);
  return { ...delivered, ...figures, teacher: teacherEvaluation, teacherParameters };
}

/** Prunes to the levels one after the other, and delivers a model of each. */
async function compressToLevels(
  multiplexed: Student,
  compression: Compression,
  occasion: Occasion,
  output: string,
): Promise<readonly Compressed[]> {
  const { recipe, run, goal } = occasion;
  const levels = levelsOf(recipe, goal.budget, output);
  const pruning: Compression = { ...compression, recipe: perLevel(recipe, levels) };
  let gated = openGates(multiplexed, pruning);
  const models: Compressed[] = [];
  for (const level of levels) {
    gated = await prune(gated, level, goal, pruning);
    const make = async (): Promise<Compressed> => {
      const own = { ...pruning, curves: { ...pruning.curves } }; // the recovery of one model is no part of the next one's history
      return deliverLevel(await finish(gated, level, goal, own), level, occasion, own.curves);
    };
    const model = await run.folder.remembered(`delivered${level.suffix}`, make);
    models.push(existsSync(level.folder) ? model : await make());
  }
  return models;
}

/**
 * Compresses a model folder into another one; or, to several levels, into a folder of folders, `s60`, `s80` and so on. All share the
 * multiplexing, and each is pruned on from the one before it. What is finished of an earlier run is not done again.
 */
export async function compressClassifier(
  model: string,
  asked: CompressRecipe,
  options: CompressOptions,
): Promise<readonly [Compressed, ...Compressed[]]> {
  checkCompressRecipe(asked);
  for (const folder of levelFolders(asked.target, options.output)) {
    await checkDestination(folder);
    await refuseOverwriting(model, folder);
  }
  const { source, output, seed, placement } = options;
  const teacher = await readTeacher(model);
  const recipe = recipeFor(teacher, asked);
  const { maxTokens } = recipe;
  const data = await readData(teacher, source, maxTokens);
  const { set, evaluationSet, checksums } = data;
  const teacherId = modelFingerprint(teacher);
  const folder = runFolderOf(output, fingerprintOf('compress', VERSION, recipe, checksums, seed, teacherId));
  const run: Run = { ...options, folder };
  const teacherEvaluation = await evaluateParameters(teacher.config, teacher.parameters, evaluationSet, {
    ...{ maxTokens, seed, placement },
  });
  const teacherLogits = await logitsOf(teacher, set, maxTokens, run);
  const compression: Compression = { recipe, set, teacherLogits, run, curves: {} };
  const student = await multiplex(teacher, compression, options.multiplexed);
  const goal = await openGoal(recipe.target.measure, { teacher, student, evaluationSet, maxTokens, run });
  const occasion: Occasion = { teacher, teacherId, teacherEvaluation, data, recipe, run, goal };
  const models = await compressToLevels(student, await withTeacher(student, compression), occasion, output);
  await folder.remove();
  const [first, ...others] = models;
  assert(first !== undefined, 'a level of the target');
  return [first, ...others];
}
