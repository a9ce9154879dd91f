/** Options that make up recipes, with the recipes' own defaults. */
import { DEMULTIPLEXERS, MULTIPLEXERS } from '../mux/index.ts';
import { MATCHINGS, type MatchingName } from '../prune/index.ts';
import {
  type CompressRecipe,
  type CompressSettings,
  compressDefaults,
  type LearningRates,
  type PruningTarget,
  RETRIEVAL_WEIGHT,
  SMALLEST_VOCABULARY,
  TEACHERS,
  trainDefaults,
  trainingFreeDefaults,
  usualGroups,
  usualLearningRates,
  usualMultiplexEpochs,
} from '../train/index.ts';
import { choice, number, numbers, type Option, option, optional, type Reader, type Values, whole } from './option.ts';
import { flagOf } from './parse-options.ts';
import { UsageError } from './usage-error.ts';

const epochs: Reader<number> = number({ above: 0 });
const rate: Reader<number> = number({ above: 0 }, 'RATE');
const weight: Reader<number> = number({ least: 0 }, 'WEIGHT');
const share: Reader<number> = number({ least: 0, below: 1 }, 'SHARE');

type Optimisation = Pick<CompressRecipe, 'warmup' | 'weightDecay' | 'dropout'>;

/** What every kind of training can be told. */
export const optimisation = ({ warmup, weightDecay, dropout }: Optimisation) => ({
  warmup: option('share of the steps over which the learning rate rises', share, warmup),
  weightDecay: option('decoupled weight decay', number({ least: 0 }, 'RATE'), weightDecay),
  dropout: option('probability of dropping a value while training', share, dropout),
});

const LONGEST = 'longest row, in tokens; longer ones are cut';

/** Of training that has no model to follow. */
export const rowLength = ({ maxTokens }: Pick<CompressRecipe, 'maxTokens'>): Option<number> =>
  option(LONGEST, whole(3), maxTokens);

/** What pruning aims at: one of the two, each a number or several. */
export const TARGET = {
  sparsity: optional(
    `share of the encoder's weights to remove; of several, as 0.6,0.8, a model each, in folders s60, s80 [${compressDefaults.target.levels}; without training one, ${trainingFreeDefaults.sparsity}]`,
    numbers({ least: 0, below: 1 }, 'S,S'),
  ),
  speedup: optional(
    "in place of --sparsity: how many times the dense model's throughput to reach on this machine; of several a model each, in folders x4, x8",
    numbers({ above: 0 }, 'X,X'),
  ),
};

export function targetOf({ sparsity, speedup }: Values<typeof TARGET>): PruningTarget {
  if (sparsity !== undefined && speedup !== undefined) {
    throw new UsageError('--speedup', { expected: 'either it or --sparsity', got: 'both' });
  }
  if (speedup !== undefined) return { measure: 'speedup', levels: speedup.toSorted((a, b) => a - b) };
  if (sparsity !== undefined) return { measure: 'sparsity', levels: sparsity.toSorted((a, b) => a - b) };
  return compressDefaults.target;
}

export const INSTANCES: Reader<number> = whole();

/** An option that takes the name of a table's row. */
function rowOf(table: Readonly<Record<string, unknown>>, description: string, fallback: string): Option<string> {
  const names = Object.keys(table);
  return option(`${description}: ${names.join(', ')}`, choice(names, 'NAME'), fallback);
}

/** How several inputs go through together. */
export const MULTIPLEXING = {
  multiplexer: rowOf(MULTIPLEXERS, 'how inputs are mixed', compressDefaults.mux.multiplexer),
  demultiplexer: rowOf(DEMULTIPLEXERS, 'how answers are told apart', compressDefaults.mux.demultiplexer),
  prefillLayers: option(
    'layers that inputs pass one by one before they are mixed',
    whole(0),
    compressDefaults.mux.prefillLayers,
  ),
};

/** Throws a UsageError for what only several inputs per pass have, where one goes alone. */
export function refuseAlone(asked: Values<typeof MULTIPLEXING> & Partial<Values<typeof COMPRESSION>>): void {
  const { consistency, retrieval } = compressDefaults.losses;
  const epochs = { multiplexEpochs: undefined, multiplexLearningRate: undefined };
  const usual = { ...compressDefaults.mux, ...epochs, consistency, retrieval };
  for (const name of Object.keys(usual) as (keyof typeof usual)[]) {
    const got = asked[name];
    if (got === undefined || got === usual[name]) continue;
    throw new UsageError(`--${flagOf(name)}`, { expected: 'nothing, as one input goes alone', got: String(got) });
  }
}

/** Options of pruning, and of what follows it. */
export const PRUNING = [
  'pruneEpochs',
  'pruneLearningRate',
  'sparsityWarmup',
  'layersWeight',
  'layerMatching',
  'teacher',
] as const;
export const RECOVERY = ['recoverEpochs', 'recoverLearningRate'] as const;

/** Throws a UsageError for options among these that were given and would count for nothing. */
export function refuseIdle<Name extends string>(
  names: readonly Name[],
  asked: Readonly<Record<Name, unknown>>,
  given: ReadonlySet<string>,
  facts: { readonly expected: string; readonly hint?: string },
): void {
  const idle = names.filter((name) => given.has(name));
  if (idle.length === 0) return;
  const flags = idle.map((name) => `--${flagOf(name)}`).join(', ');
  throw new UsageError(flags, { ...facts, got: idle.map((name) => asked[name]).join(', ') });
}

/** What a rate is unless it is given: that of narrow encoders, and of BERT-base. */
function rateOf(phase: keyof LearningRates): string {
  const [narrow, wide] = [256, 768].map((hiddenSize) => usualLearningRates(hiddenSize)[phase]);
  return `highest learning rate of that phase [${narrow}; ${wide} of encoders as wide as BERT-base]`;
}

/** Compression, but for how many instances and what pruning aims at. */
export const COMPRESSION = {
  ...MULTIPLEXING,
  multiplexEpochs: optional(
    `epochs of learning to take N inputs at once [${usualMultiplexEpochs(1)}, or N where that is more]`,
    epochs,
  ),
  pruneEpochs: option(
    'epochs of learning what to keep, shared by all sparsities or speeds',
    epochs,
    compressDefaults.epochs.prune,
  ),
  recoverEpochs: option(
    'epochs of training what was kept, for each model; with one instance at sparsity 0, of distilling MODEL from itself',
    epochs,
    compressDefaults.epochs.recover,
  ),
  multiplexLearningRate: optional(rateOf('multiplex'), rate),
  pruneLearningRate: optional(rateOf('prune'), rate),
  recoverLearningRate: optional(rateOf('recover'), rate),
  groups: optional(
    `groups of N rows per batch [${usualGroups(1)} / N, at least ${usualGroups(Number.POSITIVE_INFINITY)}]`,
    whole(),
  ),
  logitsWeight: option("weight of the distance to the teacher's answers", weight, compressDefaults.losses.logits),
  layersWeight: option('weight of the distance to the layers before pruning', weight, compressDefaults.losses.layers),
  labelsWeight: option('weight of the labels', weight, compressDefaults.losses.labels),
  consistency: option(
    'weight of giving the same answer among other neighbours, for N > 1; above 0 a step costs nearly twice as much',
    weight,
    compressDefaults.losses.consistency,
  ),
  retrieval: option(
    `weight of telling the tokens of the inputs apart while learning to take N at once, for N > 1; published: ${RETRIEVAL_WEIGHT}`,
    weight,
    compressDefaults.losses.retrieval,
  ),
  temperature: option(
    'softness of the answers that are compared',
    number({ above: 0 }, 'T'),
    compressDefaults.losses.temperature,
  ),
  layerMatching: option(
    'which layer learns from one of those before pruning: the one of the same place, or the nearest that is left',
    choice(Object.keys(MATCHINGS) as MatchingName[]),
    compressDefaults.losses.matching,
  ),
  teacher: option(
    'whose answers pruning and recovery learn from: the dense model, or the one that takes N inputs',
    choice(TEACHERS),
    compressDefaults.teacher,
  ),
  sparsityWarmup: option(
    'share of pruning, to each sparsity or speed, over which the target rises',
    share,
    compressDefaults.sparsityWarmup,
  ),
  maxTokens: optional(`${LONGEST} [as MODEL was trained]`, whole(3)),
  ...optimisation(compressDefaults),
};

export const TRAINING = {
  epochs: option('passes over the training rows', number({ above: 0 }), trainDefaults.epochs),
  rows: option('rows per batch', whole(), trainDefaults.rows),
  vocabularySize: option(
    'size of the vocabulary that is learned for a preset',
    whole(SMALLEST_VOCABULARY),
    trainDefaults.vocabularySize,
  ),
  maxTokens: rowLength(trainDefaults),
  ...optimisation(trainDefaults),
};

/** What a compression is told, to whatever point. */
export function compressSettingsOf(values: Values<typeof COMPRESSION>): CompressSettings {
  const { multiplexEpochs: multiplex, groups, sparsityWarmup, maxTokens, warmup, weightDecay, dropout } = values;
  const { multiplexer, demultiplexer, prefillLayers } = values;
  const { pruneVocabulary } = compressDefaults;
  return {
    mux: { multiplexer, demultiplexer, prefillLayers },
    epochs: {
      ...(multiplex !== undefined && { multiplex }),
      ...{ prune: values.pruneEpochs, recover: values.recoverEpochs },
    },
    learningRate: {
      multiplex: values.multiplexLearningRate,
      prune: values.pruneLearningRate,
      recover: values.recoverLearningRate,
    },
    losses: {
      logits: values.logitsWeight,
      layers: values.layersWeight,
      labels: values.labelsWeight,
      consistency: values.consistency,
      retrieval: values.retrieval,
      temperature: values.temperature,
      matching: values.layerMatching,
    },
    teacher: values.teacher,
    ...(groups !== undefined && { groups }),
    ...{ sparsityWarmup, maxTokens, warmup, weightDecay, dropout, pruneVocabulary },
  };
}
