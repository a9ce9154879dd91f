/** `prumux pretrain`: an encoder from plain text. */
import { isPreset, PRESETS, type PresetName } from '../model/index.ts';
import {
  CHECKPOINT_PRETRAIN_RATE,
  MULTIPLEXED_PRETRAIN_RATE,
  type MultiplexedPretraining,
  PRIME_SHARE,
  type Pretrained,
  type PretrainRecipe,
  pretrain,
  pretrainDefaults,
  pretrainLearningRate,
  RETRIEVAL_WEIGHT,
  SMALLEST_VOCABULARY,
  WORD_VECTORS,
} from '../train/index.ts';
import { type Context, command, trainingIn } from './command.ts';
import { choice, number, option, optional, required, text, texts, type Values, whole } from './option.ts';
import { INSTANCES, MULTIPLEXING, optimisation, refuseAlone, refuseIdle, rowLength } from './recipe-options.ts';
import { percent } from './result-lines.ts';
import { UsageError } from './usage-error.ts';

const options = {
  text: required('plain text files to learn from', texts('FILE…')),
  output: required('model folder to write', text('DIR'), 'o'),
  preset: optional(
    `shape of a fresh encoder [${pretrainDefaults.encoder}]`,
    choice(Object.keys(PRESETS) as PresetName[]),
  ),
  encoder: optional('model folder or Hub id to go on from, in place of a preset', text('NAME')),
  tokenizer: optional('tokenizer for a preset: a folder or Hub id [learned from the text]', text('NAME')),
  vocabularySize: option(
    'size of the vocabulary that is learned',
    whole(SMALLEST_VOCABULARY),
    pretrainDefaults.vocabularySize,
  ),
  epochs: option('passes over the text', number({ above: 0 }), pretrainDefaults.epochs),
  steps: optional('batches to learn from, in place of epochs', whole(0)),
  rows: option('rows per batch; with --instances N, groups of N rows', whole(), pretrainDefaults.rows),
  learningRate: optional(
    `highest learning rate [of a preset by its size, from 1e-3 for tiny to 1e-4 for base; with --encoder ${CHECKPOINT_PRETRAIN_RATE}, with it and --instances ${MULTIPLEXED_PRETRAIN_RATE}]`,
    number({ above: 0 }, 'RATE'),
  ),
  instances: option('inputs that share a forward pass', INSTANCES, 1),
  ...MULTIPLEXING,
  primeSteps: optional(
    `batches of token retrieval alone, before words are masked, for N > 1 [${PRIME_SHARE} times as many as those]`,
    whole(0),
  ),
  retrieval: optional(
    `weight of token retrieval beside masked words, for N > 1 [${RETRIEVAL_WEIGHT}]`,
    number({ least: 0 }, 'WEIGHT'),
  ),
  maskedShare: option(
    'share of the words that are masked, and predicted',
    number({ above: 0, below: 1 }, 'SHARE'),
    pretrainDefaults.maskedShare,
  ),
  wordVectors: optional(
    `what the words of a preset begin as: vectors from counts of words nearby in the text, or random ones [${pretrainDefaults.wordVectors}]`,
    choice(WORD_VECTORS),
  ),
  maxTokens: rowLength(pretrainDefaults),
  ...optimisation(pretrainDefaults),
};

/** What a multiplexed encoder has besides; nothing where one text goes alone. */
function multiplexedOf(values: Values<typeof options>): MultiplexedPretraining | undefined {
  const { instances, multiplexer, demultiplexer, prefillLayers, primeSteps, retrieval } = values;
  if (instances > 1) {
    return {
      mux: { instances, multiplexer, demultiplexer, prefillLayers },
      ...(primeSteps !== undefined && { primeSteps }),
      retrieval: retrieval ?? RETRIEVAL_WEIGHT,
    };
  }
  refuseAlone({ multiplexer, demultiplexer, prefillLayers });
  if (primeSteps === undefined && retrieval === undefined) return undefined;
  const flag = primeSteps === undefined ? '--retrieval' : '--prime-steps';
  const expected = 'nothing, as one text per pass has no neighbours to be told from';
  throw new UsageError(flag, { expected, got: String(primeSteps ?? retrieval), hint: 'Give --instances, too.' });
}

function usualRate(encoder: string, instances: number): number {
  return instances > 1 && !isPreset(encoder) ? MULTIPLEXED_PRETRAIN_RATE : pretrainLearningRate(encoder);
}

/** Throws a UsageError for what an encoder brings along. */
function refuseWithEncoder({ preset, tokenizer, wordVectors }: Values<typeof options>): void {
  for (const [flag, got] of Object.entries({ preset, tokenizer, 'word-vectors': wordVectors })) {
    if (got !== undefined) throw new UsageError(`--${flag}`, { expected: 'nothing, as --encoder has its own', got });
  }
}

function recipeOf(values: Values<typeof options>, given: Context['given']): PretrainRecipe {
  const { preset, tokenizer, steps, vocabularySize, epochs, rows, maxTokens, maskedShare } = values;
  const { warmup, weightDecay, dropout, wordVectors = pretrainDefaults.wordVectors } = values;
  if (values.encoder !== undefined) refuseWithEncoder(values);
  if (values.encoder !== undefined || tokenizer !== undefined) {
    refuseIdle(['vocabularySize'], values, given, { expected: 'nothing, as no vocabulary is learned' });
  }
  if (steps !== undefined) refuseIdle(['epochs'], values, given, { expected: 'nothing beside --steps' });
  const encoder = values.encoder ?? preset ?? pretrainDefaults.encoder;
  const multiplexed = multiplexedOf(values);
  return {
    encoder,
    ...(tokenizer !== undefined && { tokenizer }),
    ...(steps !== undefined && { steps }),
    ...(multiplexed && { multiplexed }),
    learningRate: values.learningRate ?? usualRate(encoder, values.instances),
    ...{ vocabularySize, epochs, rows, maxTokens, maskedShare, warmup, weightDecay, dropout },
    ...(wordVectors && { wordVectors }),
  };
}

function retrievalLine({ retrievalAccuracy, retrievalAccuracyBySlot }: Pretrained): string[] {
  if (retrievalAccuracy === null || retrievalAccuracyBySlot === null) return [];
  const [worst, best] = [Math.min(...retrievalAccuracyBySlot), Math.max(...retrievalAccuracyBySlot)];
  return [
    `retrieval   ${percent(retrievalAccuracy)} of the words, unmasked, told from the mixture; ` +
      `${percent(worst)} to ${percent(best)} by slot`,
  ];
}

function resultLines(result: Pretrained): string {
  const { loss, accuracy, positions, tokensPerSecond, parameters, folder } = result;
  const lines = [
    `loss        ${loss.toFixed(3)} over the whole vocabulary; ${percent(accuracy)} of ${positions} held-out masked words right`,
    ...retrievalLine(result),
    ...(tokensPerSecond === null ? [] : [`throughput  ${Math.round(tokensPerSecond)} tokens/s`]),
    `parameters  ${parameters.toLocaleString('en')}`,
    `model       ${folder}`,
  ];
  return `${lines.join('\n')}\n`;
}

export default command({
  name: 'pretrain',
  description:
    'Learn an encoder from plain text, for train to start from; with --instances one that is multiplexed, for compress.',
  example: '--text wikipedia.txt reviews.txt --preset mini -o models/encoder',
  options,
  isResumable: true,
  async run(values, _, context) {
    return pretrain(recipeOf(values, context.given), {
      text: values.text,
      output: values.output,
      ...trainingIn(context),
      onStep: (report) => context.progress.step(report, 'tokens'),
    });
  },
  print: resultLines,
});
