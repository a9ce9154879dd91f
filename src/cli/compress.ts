/** `prumux compress`: a dense classifier, multiplexed and pruned; or any classifier, pruned without training. */
import { PRECISIONS } from '../base/index.ts';
import { folderBytes, resolveModel } from '../model/index.ts';
import {
  type Compressed,
  type CompressOptions,
  compressClassifier,
  compressDefaults,
  compressWithoutTraining,
  type Evaluation,
  quantizeClassifier,
  type RunOptions,
  recipeTo,
  type TrainingFreeRecipe,
  trainingFreeDefaults,
} from '../train/index.ts';
import { type Context, command, trainingIn } from './command.ts';
import { DATA, dataSourceOf } from './common-options.ts';
import { choice, option, optional, required, text, toggle, type Values } from './option.ts';
import {
  COMPRESSION,
  compressSettingsOf,
  INSTANCES,
  PRUNING,
  RECOVERY,
  refuseAlone,
  refuseIdle,
  TARGET,
  targetOf,
} from './recipe-options.ts';
import { compressedLines, percent, vocabularyLine } from './result-lines.ts';
import { UsageError } from './usage-error.ts';

const options = {
  ...DATA,
  output: required(
    'model folder to write; of several sparsities or speeds, the folder of their folders',
    text('DIR'),
    'o',
  ),
  instances: optional(
    `inputs that share a forward pass [${compressDefaults.instances}; without training as many as MODEL takes]`,
    INSTANCES,
  ),
  ...TARGET,
  noTrain: option(
    'train no weight: minutes, for moderate sparsities; MODEL may be multiplexed, and options of multiplexing and training are refused',
    toggle,
    false,
  ),
  pruneVocabulary: option('drop words that no training text has; rare words of other texts are spelled', toggle, false),
  primed: optional(
    "multiplexed encoder of pretrain --instances N to start from, in place of the dense model's [fresh multiplexer]",
    text('DIR'),
  ),
  precision: option(
    'int8: also make onnx/model_quantized.onnx, measure it, and have the folder run in it',
    choice(PRECISIONS),
    'fp32',
  ),
  ...COMPRESSION,
};

type Asked = Values<typeof options>;

/** Throws a UsageError for options of multiplexing and training, where nothing is trained. */
function refuseTraining(asked: Asked, given: Context['given']): void {
  const { maxTokens: _, ...training } = COMPRESSION;
  const facts = { expected: 'nothing with --no-train', hint: 'Leave --no-train out to train.' };
  refuseIdle(Object.keys(training) as (keyof typeof training)[], asked, given, facts);
}

/** Throws a UsageError for options of pruning where nothing is pruned; what several inputs have learned then is not trained on, either. */
function refusePruning(asked: Asked, given: Context['given']): void {
  const { sparsity, instances = compressDefaults.instances } = asked;
  if (sparsity === undefined || sparsity.some((share) => share > 0)) return;
  const idle = instances === 1 ? PRUNING : [...PRUNING, ...RECOVERY];
  const hint = instances === 1 ? {} : { hint: 'How long it learns to take several inputs is --multiplex-epochs.' };
  refuseIdle(idle, asked, given, { expected: 'nothing at sparsity 0', ...hint });
}

/** The recipe of a run that trains nothing. Throws a UsageError for what only training can do. */
function trainingFreeRecipeOf({
  sparsity,
  speedup,
  primed,
  instances,
  maxTokens,
  pruneVocabulary,
}: Asked): TrainingFreeRecipe {
  const refuse = (flag: string, expected: string, got: string): never => {
    throw new UsageError(flag, {
      expected: `${expected} with --no-train`,
      got,
      hint: 'Leave --no-train out to train.',
    });
  };
  if (speedup !== undefined) refuse('--speedup', '--sparsity in its place', speedup.join(','));
  if (primed !== undefined) refuse('--primed', 'no encoder to start from', primed);
  if (sparsity !== undefined && sparsity.length > 1) refuse('--sparsity', 'one sparsity', sparsity.join(','));
  const [share = trainingFreeDefaults.sparsity] = sparsity ?? [];
  const asked = { sparsity: share, maxTokens, pruneVocabulary, ...(instances !== undefined && { instances }) };
  return { ...trainingFreeDefaults, ...asked };
}

/** Throws a UsageError for a speed that would be told of another model than the one that runs. */
function refuseTimedInt8({ speedup, precision }: Asked): void {
  if (speedup === undefined || precision === 'fp32') return;
  throw new UsageError('--precision', {
    expected: 'fp32 with --speedup, as that is what is timed',
    got: precision,
    hint: 'prumux quantize makes an int8 model of the result, and prumux bench tells how fast it is.',
  });
}

/** The models of a run: one for each sparsity or speed. */
async function compress(
  model: string,
  asked: Asked,
  { onDelivered, ...run }: RunOptions & Required<Pick<CompressOptions, 'onDelivered'>>,
): Promise<readonly [Compressed, ...Compressed[]]> {
  if (asked.noTrain) {
    const compressed = await compressWithoutTraining(model, trainingFreeRecipeOf(asked), run);
    await onDelivered([compressed]);
    return [compressed];
  }
  const { instances = compressDefaults.instances, pruneVocabulary, primed } = asked;
  if (instances === 1) refuseAlone(asked);
  const recipe = {
    ...recipeTo(compressSettingsOf(asked), { instances, target: targetOf(asked) }),
    ...{ pruneVocabulary, ...(primed !== undefined && { primed }) },
  };
  return compressClassifier(model, recipe, { ...run, onDelivered });
}

/** The int8 models beside those of the folders, where they are asked for: their quality, one after the other. */
async function quantizeAll(
  models: readonly Compressed[],
  { precision }: Asked,
  run: RunOptions,
): Promise<Evaluation[]> {
  const measured: Evaluation[] = [];
  if (precision === 'fp32') return measured;
  for (const { folder } of models) measured.push((await quantizeClassifier(folder, { ...run, output: folder })).int8);
  return measured;
}

/** A model in the JSON document. */
async function entryOf(
  { evaluation, target, sparsity, settled, speedup, parameters, parity, folder }: Compressed,
  int8: Evaluation | undefined,
) {
  const bytes = await folderBytes(folder);
  return {
    ...evaluation,
    ...(int8 && { int8 }),
    ...{
      target,
      sparsity,
      ...(settled !== undefined && { settled }),
      ...(speedup && { speedup }),
      parameters,
      bytes,
      parity,
      folder,
    },
  };
}

export default command({
  name: 'compress',
  description: 'Multiplex and prune a dense classifier, which stays the teacher; or prune one without training.',
  example: 'models/dense --data train.tsv --eval dev.tsv --instances 4 --sparsity 0.6 -o models/fast',
  operands: { name: 'model', description: 'folder or Hub id of the dense classifier' },
  options,
  isResumable: true,
  async run(values, [model], context) {
    if (values.noTrain) refuseTraining(values, context.given);
    refusePruning(values, context.given);
    refuseTimedInt8(values);
    const run = { source: dataSourceOf(values), output: values.output, ...trainingIn(context) };
    let int8: readonly Evaluation[] = [];
    const compressed = await compress(model, values, {
      ...run,
      async onDelivered(models) {
        int8 = await quantizeAll(models, values, run);
      },
    });
    const [{ teacher, teacherParameters, instances, vocabulary }] = compressed;
    const models = await Promise.all(compressed.map((entry, at) => entryOf(entry, int8[at])));
    return {
      ...(models.length === 1 ? models[0] : {}),
      teacherAccuracy: teacher.accuracy,
      ...(teacher.spanF1 !== undefined && { teacherSpanF1: teacher.spanF1 }),
      teacherParameters,
      teacherBytes: await folderBytes(await resolveModel(model)),
      instances,
      ...(vocabulary && { vocabulary }),
      models,
    };
  },
  print: ({ models, teacherSpanF1, teacherAccuracy, vocabulary, ...shared }) =>
    `${models.map((entry) => compressedLines({ ...entry, ...shared })).join('\n')}` +
    `teacher     ${percent(teacherSpanF1 ?? teacherAccuracy)}, ${shared.teacherParameters.toLocaleString('en')} parameters\n` +
    vocabularyLine(vocabulary),
});
