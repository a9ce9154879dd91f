/** The tables of the page: what other allowed drops would buy, every model, what was predicted, how far predictions were off, and where the time went. */
import type { AutoRecord, Exploration, GridPoint, Measured, Prediction, Purchase } from '../auto/index.ts';
import { html, type Markup } from './markup.ts';
import { count, duration, percent, points, times, titleOf } from './quantities.ts';

type Cell = Markup | string;

interface Row {
  readonly cells: readonly Cell[];
  readonly isChosen?: boolean;
}

/** A column of words, which begin at the left; others are of numbers, which end at the right. */
const words = (title: string) => ({ title, className: 'words' });
const numbers = (title: string) => ({ title, className: 'numbers' });

type Column = ReturnType<typeof words>;

/** Scrolls by itself where the screen is narrower than it. */
function table(columns: readonly Column[], rows: readonly Row[]): Markup {
  const head = columns.map(({ title, className }) => html`<th scope="col" class="${className}">${title}</th>`);
  const line = ({
    cells,
    isChosen = false,
  }: Row): Markup => html`<tr class="${isChosen ? 'chosen' : 'other'}">${cells.map(
    (cell, at) => html`<td class="${columns[at]?.className ?? 'words'}">${cell}</td>`,
  )}</tr>
`;
  return html`<div class="wide" tabindex="0"><table>
<thead><tr>${head}</tr></thead>
<tbody>
${rows.map(line)}</tbody></table></div>`;
}

/** A candidate by its name; predictions have names, too. */
function titleIn({ dense, trials, predicted }: Exploration, name: string): string {
  const found = [dense, ...trials, ...predicted].find((one) => one.name === name);
  return found === undefined ? name : titleOf(found);
}

export function purchaseTable(exploration: Exploration): Markup {
  const { purchases, maxDrop } = exploration;
  const row = ({ maxDrop: allowed, model, ratio, expected }: Purchase): Row => ({
    isChosen: allowed === maxDrop,
    cells: [
      `${allowed} points`,
      titleIn(exploration, model),
      times(ratio),
      expected === undefined
        ? '–'
        : `${titleIn(exploration, expected.name)}: ${times(expected.ratio)} (${percent(expected.probability, 0)} likely)`,
    ],
  });
  return table(
    [
      words('allowed drop'),
      words('the fastest that was trained'),
      numbers('ratio'),
      words('likely faster, not trained'),
    ],
    purchases.map(row),
  );
}

export function modelTable({ exploration }: AutoRecord): Markup {
  const { dense, trials, chosen } = exploration;
  const row = (model: Measured): Row => ({
    isChosen: model.name === chosen.name,
    cells: [
      titleOf(model),
      `${percent(model.accuracy)}${model.accuracyStd > 0 ? ` ± ${(100 * model.accuracyStd).toFixed(2)}` : ''}`,
      points(model.drop.points),
      points(model.drop.upper),
      count(model.examplesPerSecond),
      times(model.ratio),
      model.sparsity.toFixed(3),
      count(model.parameters),
      model.seconds === 0 ? '–' : duration(model.seconds),
    ],
  });
  const head = ['accuracy', 'points lost', 'at most', 'examples/s', 'ratio', 'sparsity', 'parameters', 'training'];
  return table([words('model'), ...head.map(numbers)], [dense, ...trials].map(row));
}

export function predictionTable({ predicted }: Exploration): Markup {
  const row = (prediction: Prediction): Row => ({
    cells: [
      titleOf(prediction),
      `${points(prediction.drop.points)} ± ${points(prediction.drop.deviation)}`,
      times(prediction.ratio),
      percent(prediction.probability, 0),
    ],
  });
  const fastestFirst = predicted.toSorted((a, b) => b.ratio - a.ratio);
  return table(
    [words('model'), numbers('points lost'), numbers('ratio'), numbers('within the allowed drop')],
    fastestFirst.map(row),
  );
}

export function errorTable({ errors }: Exploration): Markup {
  const { accuracy, throughput } = errors;
  const ofThroughput = (what: string, error: number | undefined): Row[] =>
    error === undefined ? [] : [{ cells: ['throughput', what, percent(error)] }];
  return table(
    [words('prediction of'), words('from'), numbers('error')],
    [
      ...accuracy.map(({ model, leaveOneOut, isUsed }) => ({
        cells: [
          'accuracy',
          `${model}${isUsed ? ' (used)' : ''}, each trial left out in turn`,
          `${leaveOneOut.toFixed(2)} points`,
        ],
      })),
      ...ofThroughput('random models, each shape left out in turn', throughput.shapesLeftOut),
      ...ofThroughput('random models, compared with the trained ones', throughput.trials),
    ],
  );
}

export function decisionTable({ decisions, trials, failures }: Exploration): Markup {
  const outcomeAt = ({ instances, sparsity }: GridPoint): string => {
    const isThere = ({ point }: { readonly point: GridPoint }): boolean =>
      point.instances === instances && point.sparsity === sparsity;
    const trial = trials.find(isThere);
    if (trial !== undefined) return `${times(trial.ratio)}, ${points(trial.drop.points)} points lost`;
    return failures.some(isThere) ? 'failed' : '–';
  };
  const row = ({ point, gain }: Exploration['decisions'][number], at: number): Row => ({
    cells: [`${at + 1}`, titleOf({ point, precision: 'fp32' }), gain === 0 ? '–' : gain.toFixed(2), outcomeAt(point)],
  });
  return table([words(''), words('trained'), numbers('expected gain'), words('found')], decisions.map(row));
}

export function timeTable({ seconds }: AutoRecord): Markup {
  const total = Object.values(seconds).reduce((sum, each) => sum + each, 0);
  const longestFirst = Object.entries(seconds).toSorted(([, a], [, b]) => b - a);
  const rows = longestFirst.map(
    ([work, spent]): Row => ({
      cells: [work, duration(spent), total === 0 ? '–' : percent(spent / total)],
    }),
  );
  return table([words('work'), numbers('time'), numbers('share')], rows);
}
