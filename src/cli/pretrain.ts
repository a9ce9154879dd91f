/** `prumux pretrain`: an encoder from plain text. */
import { PRESETS, type PresetName } from '../model/index.ts';
import {
  type Pretrained,
  type PretrainRecipe,
  pretrain,
  pretrainDefaults,
  pretrainLearningRate,
} from '../train/index.ts';
import { command } from './command.ts';
import { choice, number, option, optional, required, text, texts, type Values, whole } from './option.ts';
import { optimisation } from './recipe-options.ts';
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
  vocabularySize: option('size of the vocabulary that is learned', whole(6), pretrainDefaults.vocabularySize),
  epochs: option('passes over the text', number({ above: 0 }), pretrainDefaults.epochs),
  steps: optional('batches to learn from, in place of epochs', whole()),
  rows: option('rows per batch', whole(), pretrainDefaults.rows),
  learningRate: optional(
    'highest learning rate [by the size of the encoder, from 1e-3 for tiny to 1e-4 for base]',
    number({ above: 0 }, 'RATE'),
  ),
  ...optimisation(pretrainDefaults),
};

function recipeOf(values: Values<typeof options>): PretrainRecipe {
  const { preset, tokenizer, steps, vocabularySize, epochs, rows, maxTokens, warmup, weightDecay, dropout } = values;
  if (values.encoder !== undefined && (preset !== undefined || tokenizer !== undefined)) {
    const flag = preset === undefined ? '--tokenizer' : '--preset';
    throw new UsageError(flag, { expected: 'nothing, as --encoder has its own', got: preset ?? String(tokenizer) });
  }
  const encoder = values.encoder ?? preset ?? pretrainDefaults.encoder;
  return {
    encoder,
    ...(tokenizer !== undefined && { tokenizer }),
    ...(steps !== undefined && { steps }),
    learningRate: values.learningRate ?? pretrainLearningRate(encoder),
    ...{ vocabularySize, epochs, rows, maxTokens, warmup, weightDecay, dropout },
  };
}

function resultLines({ loss, accuracy, positions, tokensPerSecond, parameters, folder }: Pretrained): string {
  const lines = [
    `loss        ${loss.toFixed(3)} over the whole vocabulary; ${percent(accuracy)} of ${positions} held-out masked words right`,
    ...(tokensPerSecond === null ? [] : [`throughput  ${Math.round(tokensPerSecond)} tokens/s`]),
    `parameters  ${parameters.toLocaleString('en')}`,
    `model       ${folder}`,
  ];
  return `${lines.join('\n')}\n`;
}

export default command({
  name: 'pretrain',
  description: 'Learn an encoder from plain text by masked-language modelling, for train to start from.',
  example: '--text wikipedia.txt reviews.txt --preset mini -o models/encoder',
  options,
  isResumable: true,
  async run(values, _, { progress, placement, seed, terminal }) {
    const pretrained = await pretrain(recipeOf(values), {
      text: values.text,
      output: values.output,
      seed,
      placement,
      onStep: progress.step,
      interrupt: terminal.interrupt,
    });
    // Retrieval of tokens is a matter of several inputs per pass.
    return { ...pretrained, retrievalAccuracy: null };
  },
  print: resultLines,
});
