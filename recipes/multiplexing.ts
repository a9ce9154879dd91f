/**
 * Multiplexing measured on real data, as commands that anybody can repeat: an encoder from plain text, a dense classifier per data set from that
 * encoder, and students of N inputs per pass without any pruning. The settings of students come from trials at N = 10 on SST-2 with another
 * teacher (see RESULTS.md); those of Banking77 and WNUT-17 were chosen before the runs.
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
    start: 'pretrained',
    learningRate: 5e-4,
    epochs: 3,
    studentEpochs: (N) => (N < 10 ? 3 : 5),
    studentLearningRate: 5e-4,
    groups: (N) => (N < 4 ? 32 : 16),
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
    studentLearningRate: 5e-4,
    groups: () => 16,
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
    studentLearningRate: 5e-4,
    groups: () => 16,
    rows: 32,
    maxTokens: 64,
    task: 'tokens',
  },
} as const satisfies Readonly<Record<string, Corpus>>;

export type CorpusName = keyof typeof CORPORA;

/** `mini` on both text files, 64 tokens a row as the classifiers read: 7.5 million tokens, and then from there 9.2 million of another seed. */
export const ENCODER: readonly NamedRun[] = [
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
];

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

/** `mini` on film reviews alone, 4.1 million tokens, two fifths of them hidden. */
const REVIEWS_ENCODER: NamedRun = {
  name: 'encoder-reviews',
  argv: words(
    'pretrain --text DATA/text/reviews.txt --preset mini --tokenizer DATA/bert-uncased --steps 4000 --max-tokens 64 --rows 16 ' +
      '--masked-share 0.4 --learning-rate 1e-3 -o OUT/encoder-reviews',
  ),
};

/** A dense classifier of SST-2 from the encoder of reviews, held by dropout: the best that was found without other text. */
function reviewsRun(seed: number): NamedRun {
  const name = `sst2-n1-reviews-seed${seed}`;
  const recipe = words(
    `--encoder OUT/encoder-reviews --rows 64 --epochs 2 --learning-rate 5e-4 --dropout 0.3 --seed ${seed}`,
  );
  return { name, argv: ['train', ...rowsOf('sst2'), ...recipe, '-o', `OUT/${name}`] };
}

/** That encoder, and a dense classifier from it for each of four seeds. */
export const REVIEWS: readonly NamedRun[] = [REVIEWS_ENCODER, ...[1, 2, 3, 4].map(reviewsRun)];

/** A student of N inputs per pass, unpruned; `variant` names what is special about it, by more options. */
export function studentRun(
  corpus: CorpusName,
  instances: number,
  variant = '',
  more: readonly string[] = [],
): NamedRun {
  const name = `${corpus}-n${instances}${variant && `-${variant}`}`;
  const { studentEpochs, studentLearningRate, groups } = CORPORA[corpus];
  const point = words(
    `--instances ${instances} --sparsity 0 --groups ${groups(instances)} --multiplex-epochs ${studentEpochs(instances)} ` +
      `--multiplex-learning-rate ${studentLearningRate}`,
  );
  return { name, argv: ['compress', `OUT/${corpus}-n1`, ...rowsOf(corpus), ...point, ...more, '-o', `OUT/${name}`] };
}
