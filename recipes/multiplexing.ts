/**
 * Multiplexing measured on real data, as commands that anybody can repeat: an encoder from plain text, a dense classifier per data set (SST-2 from
 * scratch, the small sets from that encoder), and students of N inputs per pass without any pruning. Settings were chosen before the runs; none was tuned on a figure that is reported.
 */
import { type NamedRun, words } from './named-run.ts';

/** What a dense classifier starts from. */
type Start = 'pretrained' | 'scratch';

interface Corpus {
  readonly data: string;
  readonly eval: string;
  readonly start: Start;
  readonly learningRate: number;
  /** Of the dense model, and of each student. */
  readonly epochs: number;
  readonly studentEpochs: (instances: number) => number;
  readonly rows: number;
  readonly maxTokens: number;
  readonly task?: 'tokens';
}

export const CORPORA = {
  sst2: {
    data: 'DATA/sst2/train.tsv',
    eval: 'DATA/sst2/dev.tsv',
    start: 'scratch',
    learningRate: 5e-4,
    epochs: 3,
    studentEpochs: (N) => (N < 4 ? 3 : N),
    rows: 64,
    maxTokens: 64,
  },
  banking77: {
    data: 'DATA/banking77/train.csv',
    eval: 'DATA/banking77/test.csv',
    start: 'pretrained',
    learningRate: 3e-4,
    epochs: 12,
    studentEpochs: () => 24,
    rows: 32,
    maxTokens: 64,
  },
  wnut17: {
    data: 'DATA/wnut17/train.conll',
    eval: 'DATA/wnut17/dev.conll',
    start: 'pretrained',
    learningRate: 3e-4,
    epochs: 10,
    studentEpochs: () => 15,
    rows: 32,
    maxTokens: 64,
    task: 'tokens',
  },
} as const satisfies Readonly<Record<string, Corpus>>;

export type CorpusName = keyof typeof CORPORA;

/** `mini` on both text files, 64 tokens a row as the classifiers read. */
export const ENCODER: NamedRun = {
  name: 'encoder',
  argv: words(
    'pretrain --text DATA/text/wikipedia.txt DATA/text/reviews.txt --preset mini --tokenizer DATA/bert-uncased ' +
      '--epochs 1.2 --max-tokens 64 --rows 32 --learning-rate 1e-3 -o OUT/encoder',
  ),
};

function rowsOf(corpus: CorpusName): readonly string[] {
  const { data, eval: evaluation, maxTokens } = CORPORA[corpus];
  return ['--data', data, '--eval', evaluation, '--max-tokens', String(maxTokens)];
}

/** The dense classifier of a data set; another start than its own is part of the name. */
export function denseRun(corpus: CorpusName, start: Start = CORPORA[corpus].start): NamedRun {
  const { epochs, rows, learningRate, task, ...own }: Corpus = CORPORA[corpus];
  const name = `${corpus}-n1${start === own.start ? '' : `-${start}`}`;
  const scratch = words('--encoder mini --tokenizer DATA/bert-uncased');
  const from = start === 'scratch' ? scratch : ['--encoder', 'OUT/encoder'];
  const more = words(`--rows ${rows} --epochs ${epochs} --learning-rate ${learningRate}`);
  const asTask = task === undefined ? [] : ['--task', task];
  return { name, argv: ['train', ...rowsOf(corpus), ...from, ...more, ...asTask, '-o', `OUT/${name}`] };
}

/** A student of N inputs per pass, unpruned; `variant` names what is special about it, by more options. */
export function studentRun(
  corpus: CorpusName,
  instances: number,
  variant = '',
  more: readonly string[] = [],
): NamedRun {
  const name = `${corpus}-n${instances}${variant && `-${variant}`}`;
  const { studentEpochs } = CORPORA[corpus];
  const point = words(`--instances ${instances} --sparsity 0 --multiplex-epochs ${studentEpochs(instances)}`);
  return { name, argv: ['compress', `OUT/${corpus}-n1`, ...rowsOf(corpus), ...point, ...more, '-o', `OUT/${name}`] };
}
