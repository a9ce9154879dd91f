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
  ConfigError,
  countParameters,
  type FloatTensor,
  float32,
  type ParameterTree,
  parameterOf,
  random,
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
import { checkMux, frozenNames, initialModel, longestRow, modelShapes } from '../mux/index.ts';
import {
  gateName,
  gateNoise,
  hardGatesAt,
  initialLogAlpha,
  initialMultipliers,
  initialProjection,
  LOG_ALPHA_LIMIT,
  prunableSize,
  realisedSparsity,
  slicePruned,
  targetSparsity,
  uniformShape,
} from '../prune/index.ts';
import type { CurvePoint } from './checkpoint.ts';
import { drawRegrouping, regroupingFeeds } from './consistency.ts';
import { openData } from './data-source.ts';
import { type Delivered, deliver, fingerprintOf, modelFingerprint, type TrainedModel } from './deliver.ts';
import { type EncodedSet, encodeSet } from './encoded-set.ts';
import { type Evaluation, evaluateParameters } from './evaluate.ts';
import { countSteps, type Phase } from './fit.ts';
import { labelledBatches } from './labelled-batches.ts';
import { distilObjective, pruneObjective, TEACHER } from './objectives.ts';
import { type CompressRecipe, checkCompressRecipe } from './recipe.ts';
import { type Run, runPhase } from './run-phase.ts';
import type { TrainState } from './step.ts';
import { taskOf } from './task-table.ts';
import { CLIP_NORM, type RunOptions, runFolderOf, weightGroups } from './train-classifier.ts';

/** What a compression says about its model, beside what every delivery says. */
export interface Compressed extends Delivered {
  readonly teacher: Evaluation;
  readonly teacherParameters: number;
  /** Realised share of the encoder's weights that is gone. */
  readonly sparsity: number;
}

export interface CompressOptions extends RunOptions {
  /** The finished model of the same recipe at sparsity 0, where there is one: pruning starts from it. */
  readonly multiplexed?: string;
}

/** What the phases of a compression share. */
interface Compression {
  readonly recipe: CompressRecipe;
  readonly set: EncodedSet;
  readonly teacherLogits: readonly FloatTensor[];
  readonly run: Run;
  readonly curves: Record<string, readonly CurvePoint[]>;
}

/** A model on its way. */
interface Student {
  readonly config: ModelConfig;
  readonly parameters: ParameterTree;
}

function phaseBase(
  name: 'multiplex' | 'prune' | 'recover',
  { recipe, set, teacherLogits, run }: Compression,
): Omit<Phase, 'objective' | 'frozen'> {
  const { groups, instances, maxTokens, warmup, dropout, weightDecay } = recipe;
  return {
    name,
    batches: labelledBatches(set, {
      epochs: recipe.epochs[name],
      rows: groups * instances,
      maxTokens,
      teacherLogits,
    }),
    warmup,
    dropout,
    parameterGroups: weightGroups(recipe.learningRate[name], weightDecay),
    clipNorm: CLIP_NORM,
    feeds: (step) =>
      recipe.losses.consistency === 0
        ? {}
        : regroupingFeeds(drawRegrouping(groups, instances, random(run.seed, 'regrouping', name, step))),
  };
}

/** Parameters that are trained, and those that never are. */
function divide({ config, parameters }: Student): { trained: ParameterTree; frozen: ParameterTree } {
  const never = frozenNames(config);
  const entries = Array.from(parameters);
  return {
    trained: new Map(entries.filter(([name]) => !never.has(name))),
    frozen: new Map(entries.filter(([name]) => never.has(name))),
  };
}

/** Runs a phase that learns from logits and labels: multiplexing before pruning, recovery after it. */
async function distil(name: 'multiplex' | 'recover', student: Student, compression: Compression): Promise<Student> {
  const { trained, frozen } = divide(student);
  const phase: Phase = {
    ...phaseBase(name, compression),
    frozen,
    objective: distilObjective(student.config, compression.recipe.losses),
  };
  const { parameters, curve } = await runPhase(phase, trained, compression.run);
  compression.curves[name] = curve;
  return { config: student.config, parameters: new Map([...frozen, ...parameters]) };
}

/** A gate moves by about its learning rate per step, and has 6 to go from open to shut: in a short run the published 0.01 is too slow. */
function gateLearningRate(steps: number): number {
  return Math.max(0.01, 20 / steps);
}

/** With 0.999 the strong pull towards the target would be remembered for a thousand steps, and gates could not return from beyond it. */
const GATE_BETA2 = 0.98;

/**
 * Holds gates within their limits, and the last feed-forward open where the budget allows: classifying texts computes it for one position per
 * group, so that its weights cost nearly nothing, and pruning them would be sparsity without speed. It may take half of what is kept.
 */
function constrainGates(config: ModelConfig, sparsity: number): (state: TrainState) => void {
  const { D, F, L } = uniformShape(config.encoder);
  const isCheap = taskOf(config).wanted === 'first';
  const isAffordable = isCheap && (2 * D * F) / prunableSize(config.encoder) <= (1 - sparsity) / 2;
  return ({ parameters }) => {
    for (const [name, { data }] of parameters) {
      if (!name.startsWith('gates.')) continue;
      for (let at = 0; at < data.length; at++) {
        data[at] = Math.min(LOG_ALPHA_LIMIT, Math.max(-LOG_ALPHA_LIMIT, data[at] as number));
      }
    }
    if (!isAffordable) return;
    parameters.get(gateName('ffn'))?.data.fill(LOG_ALPHA_LIMIT, L - 1);
    parameters.get(gateName('intermediate'))?.data.fill(LOG_ALPHA_LIMIT, (L - 1) * F);
  };
}

function prunePhase(student: Student, frozen: ParameterTree, compression: Compression): Phase {
  const { recipe, run } = compression;
  const base = phaseBase('prune', compression);
  const steps = countSteps(base);
  const rate = gateLearningRate(steps);
  const schedule = { sparsity: recipe.sparsity, warmupSteps: Math.round(recipe.sparsityWarmup * steps) };
  const feeds: Phase['feeds'] = (step, ofSteps) => ({
    ...base.feeds?.(step, ofSteps),
    ...Object.fromEntries(gateNoise(student.config.encoder, random(run.seed, 'gates', step))),
    'prune.target': float32([targetSparsity(step - 1, schedule)], []),
  });
  return {
    ...base,
    frozen,
    parameterGroups: [
      {
        name: 'gates',
        has: (name) => name.startsWith('gates.'),
        learningRate: rate,
        constant: true,
        weightDecay: 0,
        isClipped: false,
        beta2: GATE_BETA2,
      },
      {
        name: 'multipliers',
        has: (name) => name.startsWith('lagrangian.'),
        learningRate: rate,
        constant: true,
        weightDecay: 0,
        isClipped: false,
        maximize: true,
      },
      ...base.parameterGroups,
    ],
    feeds,
    constrain: constrainGates(student.config, recipe.sparsity),
    objective: pruneObjective(student.config, recipe.losses),
  };
}

/** Learns the gates, decides them, and cuts the model to what they keep. */
async function prune(student: Student, compression: Compression): Promise<Student & { readonly sparsity: number }> {
  const { recipe, run } = compression;
  const { encoder } = student.config;
  if (recipe.sparsity === 0) return { ...student, sparsity: 0 };
  const { trained, frozen } = divide(student);
  const teacher = Array.from(student.parameters, ([name, tensor]): [string, FloatTensor] => [
    `${TEACHER}${name}`,
    tensor,
  ]);
  const initial = new Map([
    ...trained,
    ...initialLogAlpha(encoder, run.seed, { openUnits: true }),
    ...initialMultipliers(),
    ...(recipe.losses.layers > 0 ? initialProjection(encoder.hiddenSize) : []),
  ]);
  const phase = prunePhase(student, new Map([...frozen, ...teacher]), compression);
  const { parameters, curve } = await runPhase(phase, initial, run);
  compression.curves.prune = curve;
  const gates = hardGatesAt(encoder, parameters, recipe.sparsity);
  const names = [...modelShapes(student.config).keys()];
  const pruned = new Map(names.map((name) => [name, (parameters.get(name) ?? frozen.get(name)) as FloatTensor]));
  return { ...slicePruned(student.config, pruned, gates), sparsity: realisedSparsity(encoder, gates) };
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

/** Compresses a model folder into another one. */
export async function compressClassifier(
  model: string,
  asked: CompressRecipe,
  options: CompressOptions,
): Promise<Compressed> {
  checkCompressRecipe(asked);
  await checkDestination(options.output);
  await refuseOverwriting(model, options.output);
  const { source, output, seed, placement } = options;
  const teacher = await readTeacher(model);
  const student = studentConfig(teacher.config, asked);
  checkMux(student);
  const recipe = { ...asked, maxTokens: Math.min(asked.maxTokens, longestRow(student)) };
  if (recipe.sparsity > 0) uniformShape(teacher.config.encoder);
  const { maxTokens } = recipe;
  const { train, evaluation } = await openData(source, teacher.config);
  const data = { train: train.checksum, evaluation: evaluation.checksum };
  const teacherId = modelFingerprint(teacher);
  const folder = runFolderOf(output, fingerprintOf('compress', VERSION, recipe, data, seed, teacherId));
  const run: Run = { ...options, folder };
  const set = encodeSet(train, teacher.tokenizer, maxTokens);
  const evaluationSet = encodeSet(evaluation, teacher.tokenizer, maxTokens);
  const teacherEvaluation = await evaluateParameters(teacher.config, teacher.parameters, evaluationSet, {
    maxTokens,
    seed,
    placement,
  });
  const compression: Compression = {
    recipe,
    set,
    teacherLogits: await logitsOf(teacher, set, maxTokens, run),
    run,
    curves: {},
  };

  const multiplexed = await multiplex(teacher, compression, options.multiplexed);
  const taught = await withTeacher(multiplexed, compression);
  const pruned = await prune(multiplexed, taught);
  const recovered = recipe.sparsity === 0 ? pruned : await distil('recover', pruned, taught);

  const delivered = await deliver(
    { ...recovered, tokenizer: teacher.tokenizer },
    {
      folder: output,
      evaluationSet,
      maxTokens,
      seed,
      placement,
      evidence: {
        command: 'compress',
        recipe,
        data,
        teacher: { fingerprint: teacherId, evaluation: teacherEvaluation },
        sparsity: pruned.sparsity,
        curves: compression.curves,
      },
      title: `${taskOf(teacher.config).modelNoun}, ${recipe.instances === 1 ? 'one input' : `${recipe.instances} inputs`} per pass, sparsity ${pruned.sparsity.toFixed(2)}`,
    },
  );
  await folder.remove();
  return {
    ...delivered,
    teacher: teacherEvaluation,
    teacherParameters: countParameters(teacher.parameters),
    sparsity: pruned.sparsity,
  };
}
