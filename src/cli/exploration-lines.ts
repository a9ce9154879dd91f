/** What `auto` found, in words. */
import {
  type Exploration,
  type FinalFigures,
  type GridPoint,
  type Guess,
  type Measured,
  nameOf,
  type Purchase,
} from '../auto/index.ts';
import { oneLine, percent, table } from './result-lines.ts';

interface Found extends Omit<Exploration, 'trials'> {
  readonly measured: readonly Measured[];
  readonly final?: FinalFigures;
  readonly rows: string;
  readonly seconds: Readonly<Record<string, number>>;
  readonly folder: string;
  readonly report: string;
  /** The command that serves it after what is more accurate. */
  readonly serve?: string;
}

function modelTable({ dense, measured, chosen }: Found): string {
  const row = (model: Measured): string[] => [
    model.name === chosen.name ? `${model.name} *` : model.name,
    percent(model.accuracy),
    model.drop.points.toFixed(2),
    model.drop.upper.toFixed(2),
    model.examplesPerSecond.toFixed(0),
    `${model.ratio.toFixed(2)}x`,
    model.parameters.toLocaleString('en'),
  ];
  const heads = ['model', 'accuracy', 'points lost', 'at most', 'examples/s', 'ratio', 'parameters'];
  return table([heads, ...[dense, ...measured].map(row)]);
}

function purchaseTable(purchases: readonly Purchase[]): string {
  const row = ({ maxDrop, model, ratio, expected }: Purchase): string[] => [
    `${maxDrop} points`,
    model,
    `${ratio.toFixed(2)}x`,
    expected === undefined ? '' : `${expected.name}, ${expected.ratio.toFixed(2)}x`,
  ];
  return table([['allowed drop', 'buys', 'ratio', 'perhaps, if it was trained'], ...purchases.map(row)]);
}

function finalLine({ final }: Found): string {
  if (final === undefined) return '';
  const { examples, accuracy, drop, interval } = final;
  const range = `${interval.low.toFixed(2)} to ${interval.high.toFixed(2)}`;
  return (
    `final       ${percent(accuracy)} of ${examples} rows that had no part in the choice: ${drop.points.toFixed(2)} points lost, ` +
    `${range} with ${percent(interval.confidence)} confidence\n`
  );
}

function errorLines({ errors }: Found): string {
  const accuracy = errors.accuracy.map(
    ({ model, leaveOneOut, isUsed }) => `${model} ${leaveOneOut.toFixed(2)} points${isUsed ? ' (used)' : ''}`,
  );
  const { shapesLeftOut, trials } = errors.throughput;
  const speed = [
    ...(trials === undefined ? [] : [`${percent(trials)} for trained models`]),
    ...(shapesLeftOut === undefined ? [] : [`${percent(shapesLeftOut)} for shapes left out`]),
  ];
  const line = (name: string, parts: readonly string[]): string =>
    parts.length === 0 ? '' : `${name}${parts.join(', ')}\n`;
  return (
    line('accuracy    was predicted with errors of ', accuracy) +
    line('throughput  was predicted with errors of ', speed)
  );
}

function guessLines({ guesses }: Found): string {
  const line = (name: string, wanted: Guess['by'], placeOf: (point: GridPoint) => string): string => {
    const told = guesses
      .filter(({ by }) => by === wanted)
      .map(({ point, drop }) => `${drop.points.toFixed(2)} at ${placeOf(point)}`);
    return told.length === 0 ? '' : `${name}: ${told.join(', ')}\n`;
  };
  return (
    line(
      'guessed     points lost where no weight is trained',
      'no training',
      ({ sparsity }) => `sparsity ${sparsity}`,
    ) + line('tried       points lost in short runs', 'short run', ({ instances }) => `N = ${instances}`)
  );
}

function failureLines({ failures }: Found): string {
  return failures.map(({ point, message }) => `failed      ${nameOf(point)}: ${oneLine(message)}\n`).join('');
}

export function explorationLines(found: Found): string {
  const { chosen, verdict, stop, rows, seconds, folder, report, purchases, serve } = found;
  const precision = chosen.precision === 'fp32' ? '' : ` in ${chosen.precision}`;
  const levels = serve === undefined ? '' : `levels      ${serve}\n`;
  const spent = Object.entries(seconds).map(([kind, value]) => `${kind} ${value.toFixed(0)} s`);
  return (
    `${modelTable(found)}\n${purchaseTable(purchases)}\n` +
    `chosen      ${verdict} (*)\n${finalLine(found)}stopped     ${stop}\nrows        ${rows}\n` +
    `${failureLines(found)}${guessLines(found)}${errorLines(found)}time        ${spent.join(', ')}\nmodel       ${folder}${precision}\n${levels}report      ${report}\n`
  );
}
