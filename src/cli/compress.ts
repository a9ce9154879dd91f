/** `prumux compress`: a dense classifier, multiplexed and pruned. */
import { compressClassifier } from '../train/index.ts';
import { command } from './command.ts';
import { DATA, dataSourceOf } from './common-options.ts';
import { option, optional, required, text } from './option.ts';
import { COMPRESSION, compressRecipeOf, INSTANCES, SPARSITY } from './recipe-options.ts';
import { percent, qualityLines } from './result-lines.ts';

export default command({
  name: 'compress',
  description: 'Multiplex and prune a dense classifier, which stays the teacher.',
  example: 'models/dense --data train.tsv --eval dev.tsv --instances 4 --sparsity 0.6 -o models/fast',
  operands: { name: 'model', description: 'folder or Hub id of the dense classifier' },
  options: {
    ...DATA,
    output: required('model folder to write', text('DIR'), 'o'),
    instances: option('inputs that share a forward pass', INSTANCES, 2),
    primed: optional(
      "multiplexed encoder of pretrain --instances N to start from, in place of the dense model's [fresh multiplexer]",
      text('DIR'),
    ),
    sparsity: option("share of the encoder's weights to remove", SPARSITY, 0.6),
    ...COMPRESSION,
  },
  isResumable: true,
  async run(values, [model], { progress, placement, seed, terminal }) {
    const { evaluation, teacher, teacherParameters, sparsity, parameters, parity } = await compressClassifier(
      model,
      { ...compressRecipeOf(values, values), ...(values.primed !== undefined && { primed: values.primed }) },
      {
        source: dataSourceOf(values),
        output: values.output,
        seed,
        placement,
        onStep: progress.step,
        onProgress: progress.work,
        interrupt: terminal.interrupt,
      },
    );
    return {
      ...evaluation,
      teacherAccuracy: teacher.accuracy,
      ...(teacher.spanF1 !== undefined && { teacherSpanF1: teacher.spanF1 }),
      instances: values.instances,
      sparsity,
      parameters,
      teacherParameters,
      parity,
      folder: values.output,
    };
  },
  print: (result) =>
    qualityLines(result) +
    `teacher     ${percent(result.teacherSpanF1 ?? result.teacherAccuracy)}, ${result.teacherParameters.toLocaleString('en')} parameters\n` +
    `structure   ${result.instances} inputs per pass, sparsity ${result.sparsity.toFixed(3)}\n`,
});
