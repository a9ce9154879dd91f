/**
 * `compress`: multiplexes and prunes a dense classifier, which is the teacher throughout (PruMUX, Su et al. 2023). Three phases: the
 * student learns to take N inputs at once; gates learn what to keep while the unpruned student teaches the layers; the sliced
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
  partOf,
  random,
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
import { checkMux, longestRow, modelShapes } from '../mux/index.ts';
import {
  clampLogAlpha,
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
import { type Evaluation, evaluateModel } from './evaluate.ts';
import { countSteps, type Phase } from './fit.ts';
import { divide } from './frozen.ts';
import { labelledBatches } from './labelled-batches.ts';
import { specialIdsOf } from './masking.ts';
import { distilObjective, pruneObjective, UNPRUNED } from './objectives.ts';
import { readPrimed } from './primed.ts';
import { type CompressRecipe, checkCompressRecipe } from './recipe.ts';
import { withRetrieval } from './retrieval.ts';
import { type Run, runPhase } from './run-phase.ts';
import { pruneUnseenWords, type VocabularyRecord, withSeenWords } from './seen-words.ts';
import type { TrainState } from './step.ts';
import {
  classifierOnly,
  type Origins,
  type Student,
  startStudent,
  studentConfig,
  withoutUnusedSegments,
  withWordHead,
} from './student.ts';
import { taskOf } from './task-table.ts';
import { CLIP_NORM, type RunOptions, runFolderOf, weightGroups } from './train-classifier.ts';

/** What a compression says about its model, beside what every delivery says. */
export interface Compressed extends Delivered {
  readonly instances: number;
  readonly teacher: Evaluation;
  readonly teacherParameters: number;
  /** Where the vocabulary was pruned. */
  readonly vocabulary?: VocabularyRecord;
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
  /** [CLS] and [SEP]. */
  readonly specialIds: ReadonlySet<number>;
  readonly teacherLogits: readonly FloatTensor[];
  readonly run: Run;
  readonly curves: Record<string, readonly CurvePoint[]>;
}

function phaseBase(
  name: 'multiplex' | 'prune' | 'recover',
  { recipe, set, specialIds, teacherLogits, run }: Compression,
): Omit<Phase, 'objective' | 'frozen'> {
  const { groups, instances, maxTokens, warmup, dropout, weightDecay } = recipe;
  const rows = groups * instances;
  const batches = labelledBatches(set, { epochs: recipe.epochs[name], rows, maxTokens, teacherLogits });
  return {
    name,
    batches: recipe.losses.retrieval > 0 ? withRetrieval(batches, { instances, specialIds }) : batches,
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

/** Runs a phase that learns from logits and labels: multiplexing before pruning, recovery after it. */
async function distil(name: 'multiplex' | 'recover', student: Student, compression: Compression): Promise<Student> {
  const { trained, frozen } = divide(student.config, student.parameters);
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
    clampLogAlpha(parameters);
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
  const { trained, frozen } = divide(student.config, student.parameters);
  const unpruned = Array.from(student.parameters, ([name, tensor]): [string, FloatTensor] => [
    `${UNPRUNED}${name}`,
    tensor,
  ]);
  const initial = new Map([
    ...trained,
    ...initialLogAlpha(encoder, run.seed, { openUnits: true }),
    ...initialMultipliers(),
    ...(recipe.losses.layers > 0 ? initialProjection(encoder.hiddenSize) : []),
  ]);
  const phase = prunePhase(student, new Map([...frozen, ...unpruned]), compression);
  const { parameters, curve } = await runPhase(phase, initial, run);
  compression.curves.prune = curve;
  const gates = hardGatesAt(encoder, parameters, recipe.sparsity);
  const names = [...modelShapes(student.config).keys()];
  const pruned = new Map(names.map((name) => [name, (parameters.get(name) ?? frozen.get(name)) as FloatTensor]));
  return { ...slicePruned(student.config, pruned, gates), sparsity: realisedSparsity(encoder, gates) };
}

/** The dense model of as many inputs as are wanted: trained, or found. */
async function multiplex(origins: Origins, compression: Compression, found?: string): Promise<Student> {
  const { recipe, run, set } = compression;
  const start = withoutUnusedSegments(startStudent(origins, recipe, run.seed), set);
  if (recipe.instances === 1) return start;
  if (found !== undefined) return readModelFolder(found);
  const trained = recipe.losses.retrieval > 0 ? withWordHead(start, origins, run.seed) : start;
  return classifierOnly(await distil('multiplex', trained, compression));
}

/** Retrieval is for learning to tell instances apart: pruning and what follows go without it, and without its head. */
function withoutRetrieval(compression: Compression): Compression {
  const { recipe } = compression;
  return { ...compression, recipe: { ...recipe, losses: { ...recipe.losses, retrieval: 0 } } };
}

async function logitsOf(
  teacher: TrainedModel,
  set: EncodedSet,
  maxTokens: number,
  { placement, onProgress }: Pick<RunOptions, 'placement' | 'onProgress'>,
): Promise<readonly FloatTensor[]> {
  const predictor = await openPredictor(teacher.config, teacher.parameters, placement);
  const told = partOf(onProgress, "the teacher's answers", 0, 1);
  const options = { padId: set.padId, maxTokens, groups: 4 * DEFAULT_GROUPS, onProgress: told };
  return closing(predictor, (open) => predictLogits(open, set.encodings, options));
}

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

/** Compresses a model folder into another one. */
export async function compressClassifier(
  model: string,
  asked: CompressRecipe,
  options: CompressOptions,
): Promise<Compressed> {
  checkCompressRecipe(asked);
  await checkDestination(options.output);
  await refuseOverwriting(model, options.output);
  const { source, output, seed, placement, onProgress } = options;
  const teacher = await readTeacher(model);
  const student = studentConfig(teacher.config, asked);
  checkMux(student);
  const primed = asked.primed === undefined ? undefined : await readPrimed(asked.primed, student, teacher.tokenizer);
  const recipe = { ...asked, maxTokens: Math.min(asked.maxTokens, longestRow(student)) };
  if (recipe.sparsity > 0) uniformShape(teacher.config.encoder);
  const { maxTokens } = recipe;
  const { train, evaluation } = await openData(source, teacher.config);
  const data = { train: train.checksum, evaluation: evaluation.checksum };
  const teacherId = modelFingerprint(teacher);
  const origins = [teacherId, ...(primed ? [modelFingerprint(primed)] : [])];
  const folder = runFolderOf(output, fingerprintOf('compress', VERSION, recipe, data, seed, ...origins));
  const run: Run = { ...options, folder };
  const evaluating = { maxTokens, seed, placement, onProgress };
  const teacherEvaluation = await evaluateModel(teacher, evaluation, evaluating);
  const smaller = recipe.pruneVocabulary
    ? await pruneUnseenWords(teacher, { train, evaluation }, teacherEvaluation.accuracy, evaluating)
    : undefined;
  const start = smaller?.model ?? teacher;
  const primedStart = primed && smaller ? withSeenWords(primed, train) : primed;
  const compression: Compression = {
    recipe,
    set: encodeSet(train, start.tokenizer, maxTokens),
    specialIds: specialIdsOf(start.tokenizer),
    teacherLogits: await logitsOf(teacher, encodeSet(train, teacher.tokenizer, maxTokens), maxTokens, options),
    run,
    curves: {},
  };

  const multiplexed = await multiplex(
    { teacher: start, ...(primedStart && { primed: primedStart }) },
    compression,
    options.multiplexed,
  );
  const later = withoutRetrieval(compression);
  const pruned = await prune(multiplexed, later);
  const recovered = recipe.sparsity === 0 ? pruned : await distil('recover', pruned, later);

  const delivered = await deliver(
    { ...recovered, tokenizer: start.tokenizer },
    {
      folder: output,
      evaluationSet: encodeSet(evaluation, start.tokenizer, maxTokens),
      maxTokens,
      seed,
      placement,
      onProgress,
      evidence: {
        command: 'compress',
        recipe,
        data,
        teacher: { fingerprint: teacherId, evaluation: teacherEvaluation },
        ...(primed && { primed: { fingerprint: modelFingerprint(primed) } }),
        sparsity: pruned.sparsity,
        ...(smaller && { vocabulary: smaller.record }),
        curves: compression.curves,
      },
      title: `${taskOf(teacher.config).modelNoun}, ${recipe.instances === 1 ? 'one input' : `${recipe.instances} inputs`} per pass, sparsity ${pruned.sparsity.toFixed(2)}`,
    },
  );
  await folder.remove();
  return {
    ...delivered,
    instances: recipe.instances,
    ...(smaller && { vocabulary: smaller.record }),
    teacher: teacherEvaluation,
    teacherParameters: countParameters(teacher.parameters),
    sparsity: pruned.sparsity,
  };
}
