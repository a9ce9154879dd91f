/** `prumux eval`: the quality of a model folder. */
import { openTextClassifier } from '../infer/index.ts';
import { encodeSet, evaluate, openEvaluation } from '../train/index.ts';
import { command } from './command.ts';
import { LABELLED_ROWS } from './common-options.ts';
import { option, optional, whole } from './option.ts';
import { qualityLines } from './result-lines.ts';

export default command({
  name: 'eval',
  description: 'Measure a classifier on labelled rows; a multiplexed one as mean and spread over shuffled groupings.',
  example: 'models/fast --data dev.tsv',
  operands: { name: 'model', description: 'model folder or Hub id' },
  options: {
    ...LABELLED_ROWS,
    groupings: option('shuffled groupings to average over', whole(), 5),
    maxTokens: optional('longest row, in tokens; longer ones are cut [as the model was trained]', whole(3)),
  },
  async run({ data, columns, groupings, maxTokens }, [model], { placement, seed }) {
    const classifier = await openTextClassifier(model, placement, maxTokens);
    const rows = await openEvaluation(data, classifier.predictor.config, columns);
    const set = encodeSet(rows, classifier.tokenizer, classifier.maxTokens);
    const evaluation = await evaluate(classifier.predictor, set, { maxTokens: classifier.maxTokens, seed, groupings });
    await classifier.close();
    return { ...evaluation, folder: model };
  },
  print: qualityLines,
});
