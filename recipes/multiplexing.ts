/**
 * Multiplexing measured on real data, as commands that anybody can repeat: encoders from plain text, a dense classifier per data set from one of them,
 * and students of N inputs per pass without any pruning. The settings of students come from trials at N = 10 on SST-2 with another
 * teacher (see RESULTS.md), dropout of the dense model of SST-2 from trials with another encoder; those of Banking77 and WNUT-17 were chosen before the runs.
 */
import { type NamedRun, words } from './named-run.ts';

interface Corpus {
  readonly data: string;
  readonly eval: string;
  /** What its dense classifier starts from. */
  readonly encoder: 'encoder' | 'encoder-reviews';
  readonly dropout?: number;
  readonly learningRate: number;
  /** Of the dense model, and of each student. */
  readonly epochs: number;
  readonly studentEpochs: (instances: number) => number;
  readonly studentLearningRate: number;
  /** Per batch of a student: small batches, as what N inputs need is steps. */
  readonly groups: (instances: number) => number;
  readonly rows: number;
  readonly maxTokens: number;
  readonly task?: 'tokens';
}

export const CORPORA = {
  sst2: {
    data: 'DATA/sst2/train.tsv',
    eval: 'DATA/sst2/dev.tsv',
    encoder: 'encoder-reviews',
    dropout: 0.3,
    learningRate: 5e-4,
    epochs: 2,
    studentEpochs: (N) => (N < 10 ? 3 : 5),
    studentLearningRate: 5e-4,
    groups: (N) => (N < 4 ? 32 : 16),
    rows: 64,
    maxTokens: 64,
  },
  banking77: {
    data: 'DATA/banking77/train.csv',
    eval: 'DATA/banking77/test.csv',
    encoder: 'encoder',
    learningRate: 3e-4,
    epochs: 12,
    studentEpochs: () => 24,
    studentLearningRate: 5e-4,
    groups: () => 16,
    rows: 32,
    maxTokens: 64,
  },
  wnut17: {
    data: 'DATA/wnut17/train.conll',
    eval: 'DATA/wnut17/dev.conll',
    encoder: 'encoder',
    learningRate: 3e-4,
    epochs: 10,
    studentEpochs: () => 15,
    studentLearningRate: 5e-4,
    groups: () => 16,
    rows: 32,
    maxTokens: 64,
    task: 'tokens',
  },
} as const satisfies Readonly<Record<string, Corpus>>;

export type CorpusName = keyof typeof CORPORA;

/**
 * `encoder`: `mini` on both text files, 64 tokens a row as the classifiers read, 7.5 million tokens, and then from there 9.2 million of another seed, its words
 * random at first. `encoder-reviews`: 4.1 million tokens of film reviews alone, two fifths of them hidden, its words counted.
 */
export const ENCODERS: readonly NamedRun[] = [
  {
    name: 'encoder-begun',
    argv: words(
      'pretrain --text DATA/text/wikipedia.txt DATA/text/reviews.txt --preset mini --tokenizer DATA/bert-uncased --word-vectors random ' +
        '--epochs 1.2 --max-tokens 64 --rows 32 --learning-rate 1e-3 -o OUT/encoder-begun',
    ),
  },
  {
    name: 'encoder',
    argv: words(
      'pretrain --text DATA/text/wikipedia.txt DATA/text/reviews.txt --encoder OUT/encoder-begun --steps 4500 --seed 2 ' +
        '--max-tokens 64 --rows 32 --learning-rate 1e-3 -o OUT/encoder',
    ),
  },
  {
    name: 'encoder-reviews',
    argv: words(
      'pretrain --text DATA/text/reviews.txt --preset mini --tokenizer DATA/bert-uncased --steps 4000 --max-tokens 64 --rows 16 ' +
        '--masked-share 0.4 --learning-rate 1e-3 -o OUT/encoder-reviews',
    ),
  },
];

function rowsOf(corpus: CorpusName): readonly string[] {
  const { data, eval: evaluation, maxTokens } = CORPORA[corpus];
  return ['--data', data, '--eval', evaluation, '--max-tokens', String(maxTokens)];
}

/** The dense classifier of a data set; another seed than 1 is part of the name. */
export function denseRun(corpus: CorpusName, seed = 1): NamedRun {
  const { epochs, rows, learningRate, dropout, task, encoder }: Corpus = CORPORA[corpus];
  const name = `${corpus}-n1${seed === 1 ? '' : `-seed${seed}`}`;
  const recipe = words(
    `--encoder OUT/${encoder} --rows ${rows} --epochs ${epochs} --learning-rate ${learningRate} --seed ${seed}`,
  );
  const held = dropout === undefined ? [] : ['--dropout', String(dropout)];
  const asTask = task === undefined ? [] : ['--task', task];
  return { name, argv: ['train', ...rowsOf(corpus), ...recipe, ...held, ...asTask, '-o', `OUT/${name}`] };
}

/** A student of N inputs per pass, unpruned; `variant` names what is special about it, by more options, which go before the usual ones. */
export function studentRun(
  corpus: CorpusName,
  instances: number,
  variant = '',
  more: readonly string[] = [],
): NamedRun {
  const name = `${corpus}-n${instances}${variant && `-${variant}`}`;
  const { studentEpochs, studentLearningRate, groups } = CORPORA[corpus];
  const usual = {
    '--groups': groups(instances),
    '--multiplex-epochs': studentEpochs(instances),
    '--multiplex-learning-rate': studentLearningRate,
  };
  const kept = Object.entries(usual).filter(([flag]) => !more.includes(flag));
  const point = ['--instances', String(instances), '--sparsity', '0', ...kept.flat().map(String)];
  return { name, argv: ['compress', `OUT/${corpus}-n1`, ...rowsOf(corpus), ...point, ...more, '-o', `OUT/${name}`] };
}
