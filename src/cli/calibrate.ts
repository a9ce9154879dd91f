/** `prumux calibrate`: below which margin a fast model's answers are worth another one by an accurate model. */
import { join } from 'node:path';
import { ConfigError, DataError } from '../base/index.ts';
import {
  closing,
  compareThroughput,
  measuredRows,
  openTextClassifier,
  type PreciseModel,
  type TextClassifier,
  throughputDefaults,
} from '../infer/index.ts';
import { writeFileAtomically } from '../model/index.ts';
import { type Cascade, cascadeIn } from '../serve/index.ts';
import {
  type CascadeAnswer,
  type CascadeGoal,
  calibrateCascade,
  cascadeAnswers,
  encodeSet,
  isReachable,
  type LabelledSet,
  openEvaluation,
  readRunFile,
  relativeThroughput,
} from '../train/index.ts';
import { type Context, command } from './command.ts';
import { LABELLED_ROWS, refuseIdleColumns } from './common-options.ts';
import { number, option, optional, required, text, type Values, whole } from './option.ts';
import { preciseModel } from './precision-option.ts';
import { percent, table } from './result-lines.ts';
import { UsageError } from './usage-error.ts';

/** What the table shows besides what was asked for. */
const SHARES = [0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1];
const DEFAULT_SHARE = 0.1;

/** Of throughput, which here need not be exact. */
const ROUNDS = 3;

/** Fewer rows say nothing about a threshold. */
const LEAST_ROWS = 20;

const options = {
  with: required('folder or Hub id of the accurate model, as DIR or, of a precision, DIR:int8', text('MODEL')),
  eval: LABELLED_ROWS.data,
  columns: LABELLED_ROWS.columns,
  share: optional(`share of the rows to recompute [${DEFAULT_SHARE}]`, number({ least: 0 }, 'SHARE')),
  accuracy: optional('accuracy to reach with as few as can be, a fraction', number({ above: 0 }, 'ACCURACY')),
  groupings: option('shuffled groupings to average over', whole(), 5),
  maxTokens: optional('longest row, in tokens; longer ones are cut [as the models were trained]', whole(3)),
};

type CalibrateValues = Values<typeof options>;

function goalOf({ share, accuracy }: CalibrateValues): CascadeGoal {
  if (share !== undefined && accuracy !== undefined) {
    throw new UsageError('--accuracy', { expected: 'either --share or --accuracy', got: 'both' });
  }
  for (const [flag, value] of Object.entries({ '--share': share, '--accuracy': accuracy })) {
    if (value !== undefined && value > 1) throw new UsageError(flag, { expected: 'at most 1', got: String(value) });
  }
  return accuracy === undefined ? { share: share ?? DEFAULT_SHARE } : { accuracy };
}

interface Pair {
  readonly fast: TextClassifier;
  readonly accurate: TextClassifier;
  close(): Promise<void>;
}

async function openPair(
  { model: folder, precision }: PreciseModel,
  { with: other, maxTokens }: CalibrateValues,
  { placement }: Context,
): Promise<Pair> {
  const fast = await openTextClassifier(folder, placement, maxTokens, precision);
  const { model, precision: otherPrecision } = preciseModel(other);
  const accurate = await openTextClassifier(model, placement, maxTokens, otherPrecision);
  if (fast.config.task === 'tokens') {
    throw new ConfigError(folder, { expected: 'a classifier of texts', got: 'one of tokens' });
  }
  const [labels, others] = [fast, accurate].map(({ config }) => config.labels.join(', '));
  if (labels !== others) {
    throw new ConfigError(other, { expected: `the labels of ${folder}: ${labels}`, got: String(others) });
  }
  return { fast, accurate, close: async () => void (await Promise.all([fast.close(), accurate.close()])) };
}

async function answersOf(pair: Pair, rows: LabelledSet, { groupings }: CalibrateValues, { seed, progress }: Context) {
  const [fast, accurate] = [pair.fast, pair.accurate].map(({ predictor, tokenizer, maxTokens }) => ({
    ...{ predictor, maxTokens },
    set: encodeSet(rows, tokenizer, maxTokens),
  })) as [Parameters<typeof cascadeAnswers>[0], Parameters<typeof cascadeAnswers>[0]];
  return cascadeAnswers(fast, accurate, { seed, groupings, onProgress: progress.work });
}

/** Rows per second of both. */
async function ratesOf({ fast, accurate }: Pair, rows: LabelledSet, { placement, progress }: Context) {
  const texts = measuredRows(rows.task === 'sequence' ? rows.examples : []);
  const contestants = [fast, accurate].map(({ config, onnx, tokenizer, encode, maxTokens }) => ({
    ...{ name: '', config, onnx },
    own: { encodings: texts.map(encode), padId: tokenizer.padId, maxTokens },
  }));
  const results = await compareThroughput(contestants, contestants[0]?.own.encodings ?? [], {
    ...throughputDefaults,
    ...{ rounds: ROUNDS, placement, padId: fast.tokenizer.padId, onProgress: progress.work },
    maxTokens: fast.maxTokens,
  });
  const [fastRate = 0, accurateRate = 0] = results.map(({ examplesPerSecond }) => examplesPerSecond);
  return { fastRate, accurateRate };
}

type Rates = Awaited<ReturnType<typeof ratesOf>>;

function lineFor(answers: readonly CascadeAnswer[], goal: CascadeGoal, rates: Rates, seed: number) {
  const calibration = calibrateCascade(answers, goal, seed);
  const ofFast = relativeThroughput(calibration.share, rates.fastRate, rates.accurateRate);
  return { ...calibration, ofFast, ofAccurate: (ofFast * rates.fastRate) / rates.accurateRate };
}

type Line = ReturnType<typeof lineFor>;

export default command({
  name: 'calibrate',
  description:
    'Find the margin below which answers of a fast model are recomputed by an accurate one, and keep it in its folder.',
  example: 'models/fast --with models/dense --eval dev.tsv --share 0.1',
  operands: {
    name: 'model',
    description: 'folder of the fast model, as prumux writes it; DIR, or of a precision DIR:int8',
  },
  options,
  async run(values, [operand], context) {
    refuseIdleColumns(values.columns, values.eval);
    const goal = goalOf(values);
    const fast = preciseModel(operand);
    const { model: folder } = fast;
    const run = await readRunFile(folder);
    // A record that cannot be written is found out before the work, by writing what it has.
    await writeRecord(folder, run);
    return closing(await openPair(fast, values, context), async (pair) => {
      const rows = await openEvaluation(values.eval, pair.fast.config, values.columns);
      if (rows.examples.length < LEAST_ROWS) {
        const expected = `at least ${LEAST_ROWS} rows`;
        throw new DataError({ file: values.eval }, { expected, got: String(rows.examples.length) });
      }
      const answers = await answersOf(pair, rows, values, context);
      const rates = await ratesOf(pair, rows, context);
      const line = (each: CascadeGoal): Line => lineFor(answers, each, rates, context.seed);
      const chosen = line(goal);
      const fastAccuracy = line({ share: 0 }).accuracy;
      const { threshold, share, accuracy } = chosen;
      const isKept = chosen.gain > 0;
      const { precision } = pair.fast;
      const cascade: Cascade = { threshold, share, accuracy, fastAccuracy, accurate: values.with, precision };
      // A threshold of the other precision holds until there is one of this.
      const former = cascadeIn(run);
      const isOther = former?.precision !== undefined && former.precision !== precision;
      await writeRecord(folder, { ...run, cascade: isKept ? cascade : isOther ? former : undefined });
      const shares = SHARES.map((each) => line({ share: each }));
      return {
        ...chosen,
        ...{ goal, isReachable: isReachable(answers, goal), isKept, fastAccuracy },
        examples: rows.examples.length,
        ...rates,
        shares,
        folder,
        accurate: values.with,
      };
    });
  },
  print: ({ shares, folder, examples, goal, ...chosen }) =>
    [
      table([
        ['recomputed', 'accuracy', 'gain in points', 'of the fast', 'of the accurate', 'threshold'],
        ...[...shares, chosen].map((line) => cellsOf(line, line === chosen)),
      ]),
      ...('share' in goal || chosen.isReachable
        ? []
        : [`goal        ${percent(goal.accuracy)} is out of reach; the threshold that comes nearest is marked *`]),
      `kept        ${chosen.isKept ? keptInWords(chosen) : 'nothing, as recomputing gains nothing'}`,
      `measured    on ${examples} rows, each with a threshold that others chose`,
      `model       ${folder}`,
      '',
    ].join('\n'),
});

function keptInWords({ threshold, accuracy, fastAccuracy }: Pick<Cascade, 'threshold' | 'accuracy' | 'fastAccuracy'>) {
  return `margins below ${threshold.toFixed(3)} (*): ${percent(accuracy)} instead of ${percent(fastAccuracy)}`;
}

function writeRecord(folder: string, record: object): Promise<void> {
  return writeFileAtomically(join(folder, 'run.json'), `${JSON.stringify(record, null, 2)}\n`);
}

/** Throughputs are relative to the two models' own. */
function cellsOf(
  { share, accuracy, gain, gainError, ofFast, ofAccurate, threshold }: Line,
  isChosen: boolean,
): string[] {
  return [
    `${percent(share)}${isChosen ? ' *' : ''}`,
    percent(accuracy),
    `${gain < 0 ? '' : '+'}${gain.toFixed(2)} ± ${gainError.toFixed(2)}`,
    `${ofFast.toFixed(2)}x`,
    `${ofAccurate.toFixed(2)}x`,
    threshold.toFixed(3),
  ];
}
