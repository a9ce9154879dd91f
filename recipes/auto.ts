/**
 * A grid of SST-2 that is trained in full: what allowed drops buy, and how near the search comes to it on the part of four sparsities. Chosen before
 * the runs, but for the last sparsity, which was added as drops hardly grew up to 0.9: some three and a half hours of two cores with AVX2; the dense
 * model is from scratch, so that nothing else has to be trained before.
 */
import { CORPORA } from './multiplexing.ts';
import { type NamedRun, words } from './named-run.ts';

const { data, eval: evaluation, maxTokens, rows, learningRate, studentLearningRate } = CORPORA.sst2;
const SOURCE = ['--data', data, '--eval', evaluation, '--max-tokens', String(maxTokens)];

/** The third epoch of `recipes/multiplexing.ts` gains nothing: training rows are at 0.97 then. */
export const DENSE_RUN: NamedRun = {
  name: 'dense',
  argv: [
    ...['train', ...SOURCE, ...words('--encoder mini --tokenizer DATA/bert-uncased')],
    ...words(`--rows ${rows} --epochs 2 --learning-rate ${learningRate} -o OUT/dense`),
  ],
};

/** Those of the grid that the search is compared with. */
export const COMPARED_SPARSITIES = [0, 0.6, 0.8, 0.9];

/** Each sparsity is pruned on from the one before, by half the epochs. */
export const GRID_RUN: NamedRun = {
  name: 'grid',
  argv: [
    ...['auto', `OUT/${DENSE_RUN.name}`, ...SOURCE, '--exhaustive', '--max-drop', '2'],
    ...words('--instances 1,2,4,8 --sparsities 0,0.6,0.8,0.9,0.95'),
    ...words(`--multiplex-epochs 3 --multiplex-learning-rate ${studentLearningRate}`),
    ...words('--prune-epochs 1 --recover-epochs 0.5 -o OUT/grid'),
  ],
};
