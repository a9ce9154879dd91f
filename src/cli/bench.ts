/** `prumux bench`: throughput of models side by side in one run. */
import {
  compareThroughput,
  measuredRows,
  readTextClassifier,
  type StoredClassifier,
  throughputDefaults,
} from '../infer/index.ts';
import { instancesOf } from '../mux/index.ts';
import { openTexts } from '../train/index.ts';
import { command } from './command.ts';
import { ROWS, refuseIdleColumns } from './common-options.ts';
import { option, optional, text, whole } from './option.ts';
import { PRECISION, preciseModel } from './precision-option.ts';
import { table } from './result-lines.ts';

export default command({
  name: 'bench',
  description: 'Measure the throughput of models side by side: rounds take turns, medians count.',
  example: 'models/fast models/fast:int8 --baseline models/dense --data dev.tsv',
  operands: {
    name: 'model',
    description: 'model folders or Hub ids, as DIR or, of a precision, DIR:int8',
    isMany: true,
  },
  options: {
    baseline: optional('model that ratios refer to [the first one]', text('MODEL')),
    precision: PRECISION,
    ...ROWS,
    rounds: option('rounds that the median is of', whole(), throughputDefaults.rounds),
    maxTokens: optional('longest row, in tokens; longer ones are cut [as the model was trained]', whole(3)),
  },
  unheeded: ['seed'],
  async run({ baseline, precision: usual, data, columns, rounds, maxTokens }, models, { placement, progress }) {
    refuseIdleColumns(columns, data);
    const names = [...new Set([baseline ?? models[0], ...models])];
    const classifiers: StoredClassifier[] = [];
    for (const name of names) {
      const { model, precision } = preciseModel(name, usual);
      classifiers.push(await readTextClassifier(model, maxTokens, precision));
    }
    const texts = measuredRows(await openTexts(data, columns, classifiers[0]?.config.task));
    const contestants = classifiers.map(({ config, onnx, tokenizer, encode, maxTokens }, at) => ({
      name: names[at] as string,
      ...{ config, onnx },
      own: { encodings: texts.map(encode), padId: tokenizer.padId, maxTokens },
    }));
    const [{ own }] = contestants as [(typeof contestants)[0]];
    const results = await compareThroughput(contestants, own.encodings, {
      ...throughputDefaults,
      ...{ rounds, placement, padId: own.padId, maxTokens: own.maxTokens, onProgress: progress.work },
    });
    return {
      baseline: names[0] as string,
      examples: texts.length,
      results: results.map(({ name, ...result }, at) => {
        const { config, precision, parameters } = classifiers[at] as StoredClassifier;
        return { model: name, precision, ...result, instances: instancesOf(config), parameters };
      }),
    };
  },
  print: ({ results }) =>
    table([
      ['model', 'precision', 'examples/s', 'ratio', 'groups', 'streams', 'instances', 'parameters'],
      ...results.map(({ model, precision, examplesPerSecond, ratio, groups, streams, instances, parameters }) => [
        model,
        precision,
        examplesPerSecond.toFixed(0),
        `${ratio.toFixed(2)}x`,
        String(groups),
        String(streams),
        String(instances),
        parameters.toLocaleString('en'),
      ]),
    ]),
});
