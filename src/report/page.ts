/** The page of an `auto` run: one file without outside parts, readable offline, on a phone, and in the dark. */
import type { AutoRecord, GridPoint, Guess } from '../auto/index.ts';
import { FRONTIER_SIZE, frontierFigure } from './frontier-figure.ts';
import { html, type Markup, trusted } from './markup.ts';
import { modelCards } from './model-cards.ts';
import { PAGE_STYLE } from './page-style.ts';
import { PREDICTION_SIZE, predictionFigure } from './prediction-figure.ts';
import { percent, points, titleOf } from './quantities.ts';
import { responsiveFigure } from './responsive-figure.ts';
import { summary } from './summary.ts';
import { decisionTable, errorTable, modelTable, predictionTable, purchaseTable, timeTable } from './tables.ts';

function frontier({ exploration }: AutoRecord): Markup {
  const sure = percent(exploration.confidence, 0);
  const caption = `Farther right is faster, higher is more accurate. The line under a model ends where its accuracy is not below, with ${sure} confidence; it must end above the dashed line.`;
  return responsiveFigure((size) => frontierFigure(exploration, size), FRONTIER_SIZE, caption);
}

function predictions({ exploration }: AutoRecord): Markup {
  const { trials, predicted } = exploration;
  const hasFigure = predictionFigure(trials, PREDICTION_SIZE) !== undefined;
  const draw = (size: typeof PREDICTION_SIZE): string => predictionFigure(trials, size) ?? '';
  const caption =
    'Throughput of trained models, as a multiple of the dense model’s: on the dashed line it is what was predicted.';
  const left =
    predicted.length === 0
      ? ''
      : html`<details><summary>What was predicted and not trained (${predicted.length})</summary>
${predictionTable(exploration)}</details>`;
  return html`<h2>How far predictions were off</h2>
${errorTable(exploration)}
${hasFigure ? responsiveFigure(draw, PREDICTION_SIZE, caption) : ''}
${left}`;
}

/** What was found out before the training that it is about. */
function firstGuesses({ guesses }: AutoRecord['exploration']): Markup {
  const paragraph = (told: string, wanted: Guess['by'], placeOf: (point: GridPoint) => string): Markup | string => {
    const each = guesses
      .filter(({ by }) => by === wanted)
      .map(({ point, drop }) => `${placeOf(point)}: ${points(drop.points)}`);
    if (each.length === 0) return '';
    return html`<p>${told}: ${each.join('; ')}.</p>
`;
  };
  const untrained =
    'Points that the dense model loses pruned without training, which is about the most that training loses';
  const short =
    'Points that models of several inputs lost in short runs, by which it was decided whether to train them in full';
  return html`${paragraph(untrained, 'no training', ({ sparsity }) => `${percent(sparsity, 0)} pruned`)}${paragraph(short, 'short run', ({ instances }) => `N = ${instances}`)}`;
}

/** Trials that came to nothing, with what they said. */
function failed({ failures }: AutoRecord['exploration']): Markup | string {
  if (failures.length === 0) return '';
  const each = failures.map(
    ({ point, message }) => html`<li>${titleOf({ point, precision: 'fp32' })}: ${message}</li>
`,
  );
  return html`<p>These failed, and neither they nor what starts from them was tried again:</p>
<ul>
${each}</ul>
`;
}

function search(record: AutoRecord): Markup {
  return html`<h2>How it was searched</h2>
${firstGuesses(record.exploration)}${decisionTable(record.exploration)}
${failed(record.exploration)}
<p class="quiet">The expected gain is that of the logarithm of the throughput of the choice.</p>
<h2>Where the time went</h2>
${timeTable(record)}`;
}

function evidence({ commands, seed, data, machine }: AutoRecord): Markup {
  const entries: [string, string][] = [
    ['seed', String(seed)],
    ...Object.entries(data).map(([part, checksum]): [string, string] => [`${part} rows, SHA-256`, checksum]),
    ...Object.entries(machine).map(([what, value]): [string, string] => [what, String(value)]),
  ];
  return html`<h2>To do it again</h2>
<pre tabindex="0">${commands.join('\n')}</pre>
<dl>${entries.map(([term, value]) => html`<dt>${term}</dt><dd>${value}</dd>`)}</dl>`;
}

/** The whole document. */
export function reportPage(record: AutoRecord): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>PruMUX: ${titleOf(record.exploration.chosen)}</title>
<style>${trusted(PAGE_STYLE)}</style>
</head>
<body>
${summary(record)}
${frontier(record)}
<h2>What other allowed drops would buy</h2>
${purchaseTable(record.exploration)}
<h2>Every model that was measured</h2>
${modelTable(record)}
${predictions(record)}
${search(record)}
${modelCards(record)}
${evidence(record)}
</body>
</html>
`.text;
}
