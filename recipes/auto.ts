/** A grid of SST-2 that is trained in full, to see how near the search comes to it: four numbers of inputs, four sparsities, two precisions. */
import { CORPORA, denseRun } from './multiplexing.ts';
import type { NamedRun } from './named-run.ts';

export const DENSE_RUN: NamedRun = denseRun('sst2');

const { data, eval: evaluation, maxTokens } = CORPORA.sst2;

export const GRID_RUN: NamedRun = {
  name: 'grid',
  argv: [
    ...['auto', `OUT/${DENSE_RUN.name}`, '--data', data, '--eval', evaluation, '--exhaustive', '--max-drop', '2'],
    ...['--instances', '1,2,4,8', '--sparsities', '0,0.6,0.8,0.9', '--max-tokens', String(maxTokens)],
    ...['--multiplex-epochs', '3', '--prune-epochs', '2', '--recover-epochs', '1', '-o', 'OUT/grid'],
  ],
};
