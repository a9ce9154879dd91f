/** `prumux auto`: the fastest model within an accuracy budget, delivered with its report. */
import { join } from 'node:path';
import { type Exploration, explore, gridOf } from '../auto/index.ts';
import { closing } from '../infer/index.ts';
import { checkDestination } from '../model/index.ts';
import { refuseOverwriting } from '../train/index.ts';
import { type Context, command, trainingIn } from './command.ts';
import { DATA, dataSourceOf } from './common-options.ts';
import { deliverChoice } from './deliver-choice.ts';
import { number, numbers, option, required, text, type Values } from './option.ts';
import { openWorkplace, QUEUE } from './queue-options.ts';
import { COMPRESSION, compressRecipeOf } from './recipe-options.ts';
import { explorationTable } from './result-lines.ts';
import { denseTrial, type Laboratory, measureTrials, nameOf, openLaboratory, trainTrial } from './trials.ts';

const options = {
  ...DATA,
  output: required('model folder to write; trials go into DIR.run', text('DIR'), 'o'),
  maxDrop: option('points of accuracy that may be lost', number({ least: 0 }, 'POINTS'), 2),
  instances: option('inputs per forward pass to try', numbers({ least: 1, isWhole: true }, 'N,N'), [1, 2, 4]),
  sparsities: option('sparsities to try', numbers({ least: 0, below: 1 }, 'S,S'), [0, 0.6, 0.8]),
  ...QUEUE,
  ...COMPRESSION,
};

async function search(values: Values<typeof options>, laboratory: Laboratory, context: Context): Promise<Exploration> {
  const { progress } = context;
  progress.title('evaluating the dense model');
  return explore({
    grid: gridOf(values.instances, values.sparsities),
    maxDrop: values.maxDrop,
    dense: await denseTrial(laboratory),
    train(point, at, count) {
      progress.title(`trial ${at + 1} of ${count}: ${nameOf(point)}`);
      return trainTrial(point, laboratory);
    },
    measure(trials) {
      progress.title(`measuring ${trials.length} models side by side`);
      return measureTrials(trials, laboratory);
    },
  });
}

export default command({
  name: 'auto',
  description: 'Find the fastest model that loses at most so many points of accuracy, and deliver it with a report.',
  example: 'models/dense --data train.tsv --eval dev.tsv --max-drop 2 -o models/fast',
  operands: { name: 'model', description: 'folder or Hub id of the dense classifier' },
  options,
  isResumable: true,
  async run(values, [model], context) {
    const { output } = values;
    await checkDestination(output);
    await refuseOverwriting(model, output);
    const local = `${output.replace(/[/\\]+$/, '')}.run`;
    const recipe = compressRecipeOf(values, { instances: 1, target: { measure: 'sparsity', levels: [0] } });
    const laboratory = await openLaboratory(
      model,
      { recipe, options: { source: dataSourceOf(values), ...trainingIn(context) } },
      (kind) => openWorkplace(values, { kind, local }, context),
    );
    const exploration = await closing(laboratory.queue, () => search(values, laboratory, context));
    const { chosen, frontier, trials, dense, verdict } = exploration;
    await deliverChoice(output, exploration, laboratory, context.commandLine);
    const report = join(output, 'report.html');
    // Nothing is predicted in this version: every point of the grid is trained and measured.
    return { chosen, verdict, dense, predicted: [], measured: trials, frontier, folder: output, report };
  },
  print: explorationTable,
});
