/** `prumux eval`: the quality of a model folder. */
import { openTextClassifier } from '../infer/index.ts';
import {
  checkIsolation,
  DEFAULT_PROBES,
  encodeSet,
  evaluate,
  measureIsolation,
  openEvaluation,
} from '../train/index.ts';
import { command } from './command.ts';
import { LABELLED_ROWS, refuseIdleColumns } from './common-options.ts';
import { ENSEMBLE, remarkOnEnsemble } from './ensemble-option.ts';
import { option, optional, toggle, whole } from './option.ts';
import { onlyModel, PRECISION } from './precision-option.ts';
import { ensembleLine, isolationLines, qualityLines } from './result-lines.ts';
import { UsageError } from './usage-error.ts';

export default command({
  name: 'eval',
  description: 'Measure a classifier on labelled rows; a multiplexed one as mean and spread over shuffled groupings.',
  example: 'models/fast --data dev.tsv',
  operands: { name: 'model', description: 'model folder or Hub id, as DIR or, of a precision, DIR:int8' },
  options: {
    ...LABELLED_ROWS,
    groupings: option('shuffled groupings to average over; a spread to quote takes at least 5', whole(), 5),
    ensemble: ENSEMBLE,
    precision: PRECISION,
    isolation: option(
      'of classifiers of texts: how far neighbours in a pass change answers, by chance (at least 5 groupings) and at worst',
      toggle,
      false,
    ),
    probes: optional(`with --isolation: rows that the worst neighbours are sought for [${DEFAULT_PROBES}]`, whole()),
    maxTokens: optional('longest row, in tokens; longer ones are cut [as the model was trained]', whole(3)),
  },
  async run(values, [operand], { placement, seed, progress, terminal }) {
    refuseIdleColumns(values.columns, values.data);
    if (values.probes !== undefined && !values.isolation) {
      throw new UsageError('--probes', { expected: 'nothing without --isolation', got: String(values.probes) });
    }
    const { model, precision: asked } = onlyModel(operand, values.precision);
    const classifier = await openTextClassifier(model, placement, values.maxTokens, asked);
    const { predictor, tokenizer, maxTokens, precision } = classifier;
    if (values.isolation) checkIsolation(predictor.config);
    const rows = await openEvaluation(values.data, predictor.config, values.columns);
    const set = encodeSet(rows, tokenizer, maxTokens);
    const { groupings, ensemble, probes = DEFAULT_PROBES } = values;
    const { work: onProgress } = progress;
    remarkOnEnsemble(ensemble, predictor.config, terminal);
    const evaluation = await evaluate(predictor, set, { maxTokens, seed, groupings, ensemble, onProgress });
    const isolation =
      values.isolation && (await measureIsolation(predictor, set, { maxTokens, seed, groupings, probes, onProgress }));
    await classifier.close();
    return { ...evaluation, ...(isolation && { isolation }), precision, folder: model };
  },
  print: (result) => qualityLines(result) + ensembleLine(result) + isolationLines(result.isolation, result.precision),
});
