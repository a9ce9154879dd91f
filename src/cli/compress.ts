/** `prumux compress`: a dense classifier, multiplexed and pruned; or any classifier, pruned without training. */
import { folderBytes, resolveModel } from '../model/index.ts';
import {
  type Compressed,
  compressClassifier,
  compressDefaults,
  compressWithoutTraining,
  type RunOptions,
  trainingFreeDefaults,
} from '../train/index.ts';
import { command } from './command.ts';
import { DATA, dataSourceOf } from './common-options.ts';
import { option, optional, required, text, toggle, type Values } from './option.ts';
import { COMPRESSION, compressRecipeOf, INSTANCES, SPARSITY } from './recipe-options.ts';
import { megabytes, percent, qualityLines, vocabularyLine } from './result-lines.ts';

const options = {
  ...DATA,
  output: required('model folder to write', text('DIR'), 'o'),
  instances: optional(
    `inputs that share a forward pass [${compressDefaults.instances}; without training as many as MODEL takes]`,
    INSTANCES,
  ),
  primed: optional(
    "multiplexed encoder of pretrain --instances N to start from, in place of the dense model's [fresh multiplexer]",
    text('DIR'),
  ),
  sparsity: option("share of the encoder's weights to remove", SPARSITY, compressDefaults.sparsity),
  noTrain: option(
    'train no weight: minutes, for moderate sparsities; MODEL may be multiplexed, and options of training do nothing',
    toggle,
    false,
  ),
  pruneVocabulary: option('drop words that no training text has; rare words of other texts are spelled', toggle, false),
  ...COMPRESSION,
};

function compress(model: string, values: Values<typeof options>, run: RunOptions): Promise<Compressed> {
  const { instances, sparsity, maxTokens, pruneVocabulary, noTrain, primed } = values;
  if (noTrain) {
    const asked = { sparsity, maxTokens, pruneVocabulary, ...(instances !== undefined && { instances }) };
    return compressWithoutTraining(model, { ...trainingFreeDefaults, ...asked }, run);
  }
  const point = { instances: instances ?? compressDefaults.instances, sparsity };
  const start = { pruneVocabulary, ...(primed !== undefined && { primed }) };
  return compressClassifier(model, { ...compressRecipeOf(values, point), ...start }, run);
}

export default command({
  name: 'compress',
  description: 'Multiplex and prune a dense classifier, which stays the teacher; or prune one without training.',
  example: 'models/dense --data train.tsv --eval dev.tsv --instances 4 --sparsity 0.6 -o models/fast',
  operands: { name: 'model', description: 'folder or Hub id of the dense classifier' },
  options,
  isResumable: true,
  async run(values, [model], { progress, placement, seed, terminal }) {
    const { evaluation, teacher, ...compressed } = await compress(model, values, {
      source: dataSourceOf(values),
      output: values.output,
      seed,
      placement,
      onStep: progress.step,
      onProgress: progress.work,
      interrupt: terminal.interrupt,
    });
    return {
      ...evaluation,
      teacherAccuracy: teacher.accuracy,
      ...(teacher.spanF1 !== undefined && { teacherSpanF1: teacher.spanF1 }),
      ...compressed,
      bytes: await folderBytes(values.output),
      teacherBytes: await folderBytes(await resolveModel(model)),
    };
  },
  print: (result) =>
    qualityLines(result) +
    `teacher     ${percent(result.teacherSpanF1 ?? result.teacherAccuracy)}, ${result.teacherParameters.toLocaleString('en')} parameters\n` +
    `structure   ${result.instances} inputs per pass, sparsity ${result.sparsity.toFixed(3)}\n` +
    `size        ${megabytes(result.bytes)} on disk, of ${megabytes(result.teacherBytes)}\n` +
    vocabularyLine(result.vocabulary),
});
