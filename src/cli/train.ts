/** `prumux train`: a dense classifier from labelled rows. */
import { isPreset } from '../model/index.ts';
import { PRETRAINED_LEARNING_RATE, type TrainRecipe, trainClassifier, trainDefaults } from '../train/index.ts';
import { type Context, command, trainingIn } from './command.ts';
import { DATA, dataSourceOf } from './common-options.ts';
import { choice, number, option, optional, required, text, type Values, whole } from './option.ts';
import { refuseIdle, TRAINING } from './recipe-options.ts';
import { qualityLines } from './result-lines.ts';
import { UsageError } from './usage-error.ts';

const TASKS = ['sequence', 'tokens'] as const;

const options = {
  task: option('what is classified: a text as a whole, or each of its tokens', choice(TASKS), 'sequence'),
  ...DATA,
  setAside: option(
    'rows of --data that are not trained on, by which auto then chooses, too: 4000 tell half a point where --eval is small',
    whole(0),
    0,
  ),
  output: required('model folder to write', text('DIR'), 'o'),
  encoder: option('what to start from: tiny, mini, small, base, a model folder, a Hub id', text('NAME'), 'mini'),
  tokenizer: optional('tokenizer for a preset: a folder or Hub id [learned from the rows]', text('NAME')),
  learningRate: optional(
    `highest learning rate [${trainDefaults.learningRate}; ${PRETRAINED_LEARNING_RATE} for a pretrained encoder]`,
    number({ above: 0 }, 'RATE'),
  ),
  ...TRAINING,
};

function recipeOf(values: Values<typeof options>, given: Context['given']): TrainRecipe {
  const {
    task,
    encoder,
    tokenizer,
    learningRate,
    epochs,
    rows,
    vocabularySize,
    maxTokens,
    warmup,
    weightDecay,
    dropout,
  } = values;
  if (tokenizer !== undefined && !isPreset(encoder)) {
    throw new UsageError('--tokenizer', { expected: 'nothing, as a pretrained encoder has its own', got: tokenizer });
  }
  if (tokenizer !== undefined || !isPreset(encoder)) {
    refuseIdle(['vocabularySize'], values, given, { expected: 'nothing, as no vocabulary is learned' });
  }
  const usual = isPreset(encoder) ? trainDefaults.learningRate : PRETRAINED_LEARNING_RATE;
  return {
    task,
    encoder,
    ...(tokenizer !== undefined && { tokenizer }),
    learningRate: learningRate ?? usual,
    ...{ epochs, rows, vocabularySize, maxTokens, warmup, weightDecay, dropout },
  };
}

export default command({
  name: 'train',
  description: 'Fine-tune a dense classifier, the teacher of what follows.',
  example: '--data train.tsv --eval dev.tsv --encoder mini -o models/dense',
  options,
  isResumable: true,
  async run(values, _, context) {
    const { setAside } = values;
    const source = { ...dataSourceOf(values), ...(setAside > 0 && { setAside }) };
    const { evaluation, parameters, parity } = await trainClassifier(recipeOf(values, context.given), {
      source,
      output: values.output,
      ...trainingIn(context),
    });
    return { ...evaluation, parameters, parity, folder: values.output };
  },
  print: qualityLines,
});
