/** `prumux compress`: a dense classifier, multiplexed and pruned. */
import { type Compressed, compressClassifier } from '../train/index.ts';
import { command } from './command.ts';
import { DATA, dataSourceOf } from './common-options.ts';
import { option, required, text } from './option.ts';
import { COMPRESSION, compressRecipeOf, INSTANCES, TARGET, targetOf } from './recipe-options.ts';
import { percent, qualityLines } from './result-lines.ts';

/** A model in the JSON document. */
function entryOf({ evaluation, sparsity, speedup, parameters, parity, folder }: Compressed) {
  return { ...evaluation, sparsity, ...(speedup !== undefined && { speedup }), parameters, parity, folder };
}

type Entry = ReturnType<typeof entryOf>;

function entryLines(entry: Entry, instances: number): string {
  const { sparsity, speedup } = entry;
  const speed =
    speedup === undefined
      ? ''
      : `speed-up    ${speedup.measured.toFixed(2)}x the dense model's throughput; asked ${speedup.asked}x, predicted ${speedup.predicted.toFixed(2)}x\n`;
  return `${qualityLines(entry)}structure   ${instances} inputs per pass, sparsity ${sparsity.toFixed(3)}\n${speed}`;
}

export default command({
  name: 'compress',
  description: 'Multiplex and prune a dense classifier, which stays the teacher.',
  example: 'models/dense --data train.tsv --eval dev.tsv --instances 4 --sparsity 0.6 -o models/fast',
  operands: { name: 'model', description: 'folder or Hub id of the dense classifier' },
  options: {
    ...DATA,
    output: required('model folder to write; of several sparsities, the folder of their folders', text('DIR'), 'o'),
    instances: option('inputs that share a forward pass', INSTANCES, 2),
    ...TARGET,
    ...COMPRESSION,
  },
  isResumable: true,
  async run(values, [model], { progress, placement, seed, terminal }) {
    const recipe = compressRecipeOf(values, { instances: values.instances, target: targetOf(values) });
    const compressed = await compressClassifier(model, recipe, {
      source: dataSourceOf(values),
      output: values.output,
      seed,
      placement,
      onStep: progress.step,
      interrupt: terminal.interrupt,
    });
    const [{ teacher, teacherParameters }] = compressed;
    const models = compressed.map(entryOf);
    return {
      ...(models.length === 1 ? models[0] : {}),
      teacherAccuracy: teacher.accuracy,
      ...(teacher.spanF1 !== undefined && { teacherSpanF1: teacher.spanF1 }),
      instances: values.instances,
      teacherParameters,
      models,
    };
  },
  print: ({ models, instances, teacherSpanF1, teacherAccuracy, teacherParameters }) =>
    `${models.map((entry) => entryLines(entry, instances)).join('\n')}` +
    `teacher     ${percent(teacherSpanF1 ?? teacherAccuracy)}, ${teacherParameters.toLocaleString('en')} parameters\n`,
});
