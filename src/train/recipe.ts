/** Recipes: everything that decides what a run computes, as typed values with the defaults that the commands start from. */
import { ConfigError } from '../base/index.ts';
import { isPreset, type MuxConfig, type Task } from '../model/index.ts';
import { strategiesOf } from '../mux/index.ts';
import { MATCHINGS, type MatchingName, MEASURES, type Measure } from '../prune/index.ts';
import { MASKED_SHARE } from './masking.ts';

/** Fine-tuning of a dense classifier, of texts or of their tokens. */
export interface TrainRecipe {
  readonly task: Task;
  /** Preset, model folder or Hub id that the encoder starts from. */
  readonly encoder: string;
  /** Folder or Hub id of the tokenizer for a preset; by default a vocabulary is learned from the training texts. */
  readonly tokenizer?: string;
  readonly vocabularySize: number;
  readonly epochs: number;
  readonly learningRate: number;
  /** Rows per batch. */
  readonly rows: number;
  readonly maxTokens: number;
  readonly warmup: number;
  readonly weightDecay: number;
  readonly dropout: number;
}

const sharedDefaults: Omit<TrainRecipe, 'task'> = {
  encoder: 'mini',
  vocabularySize: 8000,
  epochs: 3,
  learningRate: 5e-4,
  rows: 32,
  maxTokens: 128,
  warmup: 0.06,
  weightDecay: 0.01,
  dropout: 0.1,
};

export const trainDefaults: TrainRecipe = { ...sharedDefaults, task: 'sequence' };

export const WORD_VECTORS = ['counts', 'random'] as const;

/** Masked-language modelling on plain text. Rows of a batch are those that the encoder sees: texts, or groups of N texts. */
export interface PretrainRecipe extends Omit<TrainRecipe, 'task'> {
  /** Batches, in place of epochs. */
  readonly steps?: number;
  /** Share of the tokens that are masked, and predicted; held-out text has BERT's 15 % masked, whatever it is. */
  readonly maskedShare: number;
  /** What the word vectors of a preset begin as: what counts of words nearby in the text give, or random, as if left out. A checkpoint has its own. */
  readonly wordVectors?: (typeof WORD_VECTORS)[number];
  /** Of an encoder that takes several texts at once. */
  readonly multiplexed?: MultiplexedPretraining;
}

export interface MultiplexedPretraining {
  readonly mux: Required<MuxConfig>;
  /** Batches of token retrieval alone, before words are masked; by default a share of those that follow. */
  readonly primeSteps?: number;
  /** Weight of token retrieval beside masked-language modelling. */
  readonly retrieval: number;
}

/** Batches of retrieval alone, as a share of those of masked-language modelling. */
export const PRIME_SHARE = 0.25;

/**
 * Without dropout: it slows the learning of an encoder that sees a text a few times only (ALBERT, Lan et al. 2020, section 4.8). The rate is
 * that of `mini`.
 */
export const pretrainDefaults: PretrainRecipe = {
  ...sharedDefaults,
  epochs: 1,
  learningRate: 1e-3,
  warmup: 0.05,
  dropout: 0,
  maskedShare: MASKED_SHARE,
  wordVectors: 'counts',
};

/** Narrow encoders bear larger steps; 1e-4 is BERT's. */
const PRETRAIN_LEARNING_RATES: Readonly<Record<string, number>> = { tiny: 1e-3, mini: 1e-3, small: 5e-4, base: 1e-4 };

/** The highest rate for a checkpoint to go on from. */
export const CHECKPOINT_PRETRAIN_RATE = 1e-4;

/** The highest rate for a preset, or for a checkpoint to go on from. */
export function pretrainLearningRate(encoder: string): number {
  return PRETRAIN_LEARNING_RATES[encoder] ?? CHECKPOINT_PRETRAIN_RATE;
}

/** The highest rate for an encoder that learns to take several texts at once: parts of it are fresh, whatever it starts from. */
export const MULTIPLEXED_PRETRAIN_RATE = 3e-4;

/** Weight of token retrieval beside another loss: the published 0.1 to 0.9 (DataMUX, Murahari et al. 2022). */
export const RETRIEVAL_WEIGHT = 0.1;

/** A pretrained encoder moves in small steps. */
export const PRETRAINED_LEARNING_RATE = 5e-5;

/** What pruning aims at; a model is made for each level, ascending, on the way to the last. */
export interface PruningTarget {
  readonly measure: Measure;
  /** Shares of the encoder's weights to be removed, 0 to below 1; or how many times as fast as the dense teacher to be. */
  readonly levels: readonly number[];
}

/** The highest rate of each phase. */
export interface LearningRates {
  readonly multiplex: number;
  readonly prune: number;
  readonly recover: number;
}

const NARROW_RATES: LearningRates = { multiplex: 3e-4, prune: 3e-4, recover: 2e-4 };
/** Of BERT-base, as in the README of PruMUX (Su et al. 2023): 5e-5 for pruning; for recovery 1e-5 to 5e-5 were tried. */
const WIDE_RATES: LearningRates = { multiplex: 5e-5, prune: 5e-5, recover: 3e-5 };
const WIDE = 768;

/** Narrow encoders bear larger steps. */
export function usualLearningRates(hiddenSize: number): LearningRates {
  return hiddenSize < WIDE ? NARROW_RATES : WIDE_RATES;
}

/** The rates of a recipe for an encoder of that width. */
export function learningRatesFor(
  { learningRate }: Pick<AskedRecipe, 'learningRate'>,
  hiddenSize: number,
): LearningRates {
  const usual = usualLearningRates(hiddenSize);
  const { multiplex = usual.multiplex, prune = usual.prune, recover = usual.recover } = learningRate;
  return { multiplex, prune, recover };
}

/** Multiplexing and pruning of a dense classifier, its teacher. */
export interface CompressRecipe {
  /** Model folder of a multiplexed encoder that the student starts from, in place of the teacher's encoder and a fresh multiplexer. */
  readonly primed?: string;
  readonly instances: number;
  /** How they are mixed and told apart, and after how many layers they are mixed. */
  readonly mux: Required<Omit<MuxConfig, 'instances'>>;
  readonly target: PruningTarget;
  readonly epochs: { readonly multiplex: number; readonly prune: number; readonly recover: number };
  readonly learningRate: LearningRates;
  /** Groups per batch; rows are groups times instances. */
  readonly groups: number;
  readonly maxTokens: number;
  readonly warmup: number;
  readonly weightDecay: number;
  readonly dropout: number;
  /**
   * Weights of the losses: the teacher's logits, the unpruned student's layers, the hard labels, the same rows in a second grouping, and, while
   * the student learns to take several inputs, the retrieval of their tokens.
   */
  readonly losses: {
    readonly logits: number;
    readonly layers: number;
    readonly labels: number;
    readonly consistency: number;
    readonly retrieval: number;
    /** Softness of the distributions that the logits are compared as. */
    readonly temperature: number;
    /** Which layer learns from one of the unpruned student's. */
    readonly matching: MatchingName;
  };
  /** Whose logits pruning and recovery learn from: the dense model of one input per pass, or the one that takes as many as the student. */
  readonly teacher: TeacherName;
  /** Share of the pruning steps to a level over which the target rises to it. */
  readonly sparsityWarmup: number;
  /** Whether words that no training text has are dropped, before anything is trained. */
  readonly pruneVocabulary: boolean;
}

/** A recipe as it is asked for: rates that are left out follow from the width of the encoder, the length of rows from what the teacher was trained on. */
export interface AskedRecipe extends Omit<CompressRecipe, 'learningRate' | 'maxTokens'> {
  readonly maxTokens?: number | undefined;
  readonly learningRate: { readonly [Phase in keyof LearningRates]?: LearningRates[Phase] | undefined };
}

export const TEACHERS = ['dense', 'multiplexed'] as const;
export type TeacherName = (typeof TEACHERS)[number];

/** What a compression is told, to whatever point; what is left out follows from how many inputs share a pass. */
export interface CompressSettings extends Omit<AskedRecipe, 'instances' | 'target' | 'groups' | 'epochs'> {
  readonly groups?: number;
  readonly epochs: Omit<CompressRecipe['epochs'], 'multiplex'> & { readonly multiplex?: number };
}

/** Rows per batch, unless that were fewer groups than `LEAST_GROUPS`. */
const ROWS = 64;
const LEAST_GROUPS = 16;
/** Epochs of learning to take N inputs at once, at least. */
const LEAST_MULTIPLEX_EPOCHS = 3;

/**
 * Groups per batch: what more inputs need is steps, and an epoch has fewer of them the more share a pass, so batches are small. At N = 10 three
 * epochs in batches of 16 groups reached on SST-2 what ten in batches of 32 did not.
 */
export function usualGroups(instances: number): number {
  return Math.max(LEAST_GROUPS, Math.ceil(ROWS / instances));
}

/** As many epochs as inputs share a pass: so many steps as one epoch of one input has, in batches of as many groups. */
export function usualMultiplexEpochs(instances: number): number {
  return Math.max(LEAST_MULTIPLEX_EPOCHS, instances);
}

const DEFAULT_INSTANCES = 2;

export const compressDefaults: AskedRecipe = {
  instances: DEFAULT_INSTANCES,
  mux: { multiplexer: 'gaussian-hadamard', demultiplexer: 'mlp', prefillLayers: 0 },
  target: { measure: 'sparsity', levels: [0.6] },
  epochs: { multiplex: usualMultiplexEpochs(DEFAULT_INSTANCES), prune: 3, recover: 2 },
  learningRate: {},
  groups: usualGroups(DEFAULT_INSTANCES),
  warmup: 0.06,
  weightDecay: 0.01,
  dropout: 0.1,
  losses: {
    ...{ logits: 0.5, layers: 0.5, labels: 0.5, consistency: 0, retrieval: 0 },
    ...{ temperature: 2, matching: 'nearest' },
  },
  teacher: 'dense',
  sparsityWarmup: 0.4,
  pruneVocabulary: false,
};

/** Pruning of a model as it is, of which no weight is trained. */
export interface TrainingFreeRecipe extends Pick<AskedRecipe, 'maxTokens' | 'pruneVocabulary'> {
  /** Share of the encoder's weights to be removed, 0 to below 1. */
  readonly sparsity: number;
  /** How many the model must take per pass, where that is asked for. */
  readonly instances?: number;
  /** Training rows that are looked at. */
  readonly examples: number;
}

/** As many examples as in the paper (Kwon et al. 2022). */
export const trainingFreeDefaults: TrainingFreeRecipe = {
  sparsity: 0.4,
  examples: 2048,
  pruneVocabulary: false,
};

/** What a number of a recipe may be. */
interface Range {
  readonly what: string;
  readonly holds: (value: number) => boolean;
}

const whole = (least: number): Range => ({
  what: `a whole number, ${least} or more`,
  holds: (value) => Number.isInteger(value) && value >= least,
});
const above0: Range = { what: 'a number above 0', holds: (value) => value > 0 && value < Number.POSITIVE_INFINITY };
const from0: Range = { what: 'a number, 0 or more', holds: (value) => value >= 0 && value < Number.POSITIVE_INFINITY };
const below1: Range = { what: 'a number from 0 to below 1', holds: (value) => value >= 0 && value < 1 };
const share: Range = { what: 'a number from 0 to 1', holds: (value) => value >= 0 && value <= 1 };

/** The shortest row: a token between [CLS] and [SEP]. */
const SHORTEST_ROW = 3;

const SHARED = { maxTokens: whole(SHORTEST_ROW), warmup: share, weightDecay: from0, dropout: below1 };
/** Special tokens, and a few letters. */
export const SMALLEST_VOCABULARY = 10;

const TRAIN = {
  ...SHARED,
  vocabularySize: whole(SMALLEST_VOCABULARY),
  epochs: above0,
  learningRate: above0,
  rows: whole(1),
};
const COMPRESS = { ...SHARED, instances: whole(1), groups: whole(1), sparsityWarmup: share };

function check<Ranges extends Readonly<Record<string, Range>>>(
  values: { readonly [Field in keyof Ranges]: number },
  ranges: Ranges,
  where = '',
): void {
  for (const field of Object.keys(ranges) as (keyof Ranges & string)[]) {
    const { what, holds } = ranges[field] as Range;
    if (!holds(values[field]))
      throw new ConfigError(`${where}${field}`, { expected: what, got: String(values[field]) });
  }
}

const LEVELS: Readonly<Record<Measure, Range>> = { sparsity: below1, speedup: above0 };

function checkTarget({ measure, levels }: PruningTarget): void {
  checkName(measure, MEASURES, 'target.measure');
  for (const level of levels) check({ [measure]: level }, { [measure]: LEVELS[measure] });
  const isAscending = levels.every((level, at) => level > (levels[at - 1] ?? -1));
  if (levels.length === 0 || !isAscending) {
    throw new ConfigError(measure, { expected: 'ascending levels, at least one', got: levels.join(', ') || 'none' });
  }
  const names = levels.map((level) => levelName(measure, level));
  const twice = names.find((name, at) => name === names[at - 1]);
  if (twice === undefined) return;
  const expected = 'levels that are told apart by the names of their folders';
  throw new ConfigError(measure, { expected, got: `${levels.join(', ')}, of which two are ${twice}` });
}

/** A level in names of folders and phases: s60 for a sparsity of 0.6, x8 for a speed-up of 8. */
export function levelName(measure: Measure, level: number): string {
  return measure === 'sparsity' ? `s${Number((100 * level).toFixed(4))}` : `x${level}`;
}

function checkName(name: string, known: readonly string[], where: string): void {
  if (!known.includes(name)) throw new ConfigError(where, { expected: known.join(', '), got: name });
}

/** Throws a ConfigError for the first field that cannot be; field names are those of the recipe. */
export function checkTrainRecipe(recipe: TrainRecipe): void {
  check(recipe, TRAIN);
}

/** Throws a ConfigError for the first field that cannot be; field names are those of the recipe. */
export function checkPretrainRecipe(recipe: PretrainRecipe): void {
  const { encoder, wordVectors = 'random', steps = 1, multiplexed } = recipe;
  check(recipe, { ...TRAIN, maskedShare: share });
  checkName(wordVectors, WORD_VECTORS, 'wordVectors');
  check({ steps }, { steps: whole(0) });
  const primeSteps = multiplexed === undefined ? 0 : checkMultiplexed(multiplexed, steps);
  // Either phase may be left out, and both where counts are all that is wanted; these say nothing of instances.
  const isWhole = wordVectors === 'counts' && isPreset(encoder) && multiplexed === undefined;
  check({ steps: steps + primeSteps }, { steps: whole(isWhole ? 0 : 1) });
}

/** Gives the number of batches that prime. */
function checkMultiplexed({ mux, primeSteps, retrieval }: MultiplexedPretraining, steps: number): number {
  const least = primeSteps ?? Math.round(PRIME_SHARE * steps);
  strategiesOf(mux);
  check(mux, { instances: whole(2), prefillLayers: whole(0) }, 'mux.');
  check({ retrieval, primeSteps: least }, { retrieval: from0, primeSteps: whole(0) });
  return least;
}

/** Throws a ConfigError for the first field that cannot be; field names are those of the recipe. */
export function checkCompressRecipe(recipe: AskedRecipe): void {
  const { epochs, losses, mux } = recipe;
  check({ ...recipe, maxTokens: recipe.maxTokens ?? SHORTEST_ROW }, COMPRESS);
  checkTarget(recipe.target);
  strategiesOf(mux);
  check(mux, { prefillLayers: whole(0) }, 'mux.');
  check(epochs, { multiplex: above0, prune: above0, recover: above0 }, 'epochs.');
  check(learningRatesFor(recipe, WIDE), { multiplex: above0, prune: above0, recover: above0 }, 'learningRate.');
  const { matching, ...numbers } = losses;
  check(
    numbers,
    { logits: from0, layers: from0, labels: from0, consistency: from0, retrieval: from0, temperature: above0 },
    'losses.',
  );
  checkName(matching, Object.keys(MATCHINGS), 'losses.matching');
  checkName(recipe.teacher, TEACHERS, 'teacher');
  if (recipe.instances > 1) return;
  for (const name of Object.keys(AMONG_NEIGHBOURS) as (keyof typeof AMONG_NEIGHBOURS)[]) {
    if (losses[name] === 0) continue;
    const expected = '0 for one input per pass, which has no neighbours';
    throw new ConfigError(`losses.${name}`, { expected, got: String(losses[name]) });
  }
}

/** Throws a ConfigError for the first field that cannot be; field names are those of the recipe. */
export function checkTrainingFreeRecipe(recipe: TrainingFreeRecipe): void {
  const { sparsity, examples, maxTokens = SHORTEST_ROW } = recipe;
  check({ sparsity, examples, maxTokens }, { sparsity: below1, examples: whole(1), maxTokens: whole(SHORTEST_ROW) });
}

/** Losses that are about neighbours, at the weight that they have where there are none. */
const AMONG_NEIGHBOURS = { consistency: 0, retrieval: 0 } as const satisfies Partial<CompressRecipe['losses']>;

/** The recipe of a compression to that point. */
export function recipeTo(settings: CompressSettings, point: Pick<AskedRecipe, 'instances' | 'target'>): AskedRecipe {
  const { multiplex = usualMultiplexEpochs(point.instances), ...epochs } = settings.epochs;
  const { groups = usualGroups(point.instances) } = settings;
  return { ...settings, ...point, groups, epochs: { multiplex, ...epochs } };
}

/** The recipe to as much sparsity, without losses about neighbours where one input goes alone. */
export function recipeAt(
  settings: CompressSettings,
  { instances, sparsity }: { readonly instances: number; readonly sparsity: number },
): AskedRecipe {
  const recipe = recipeTo(settings, { instances, target: { measure: 'sparsity', levels: [sparsity] } });
  return instances === 1 ? { ...recipe, losses: { ...recipe.losses, ...AMONG_NEIGHBOURS } } : recipe;
}
