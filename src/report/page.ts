/** The page of an `auto` run: one file without outside parts, readable offline, on a phone, and in the dark. */
import type { AutoRecord, Measured, ModelDetails } from '../auto/index.ts';
import { curveFigure } from './curve-figure.ts';
import { frontierFigure, titleOf } from './frontier-figure.ts';
import { html, type Markup, trusted } from './markup.ts';
import { PAGE_STYLE } from './page-style.ts';
import { structureFigure } from './structure-figure.ts';

const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;
const count = (value: number): string => Math.round(value).toLocaleString('en');
const times = (ratio: number): string => `${ratio.toFixed(ratio < 10 ? 1 : 0)}×`;

function summary({ exploration, examples }: AutoRecord): Markup {
  const { chosen, dense, maxDrop, verdict } = exploration;
  const figure = (value: string, what: string): Markup => html`<div><b>${value}</b>${what}</div>`;
  return html`<h1>${titleOf(chosen)}: ${times(chosen.ratio)} the throughput of the dense model</h1>
<p class="quiet">At most ${maxDrop} points of accuracy could be lost. Chosen: ${verdict}.</p>
<div class="figures">
${figure(percent(chosen.accuracy), `accuracy; dense ${percent(dense.accuracy)}`)}
${figure(count(chosen.examplesPerSecond), `examples per second; dense ${count(dense.examplesPerSecond)}`)}
${figure(count(chosen.parameters), `parameters; dense ${count(dense.parameters)}`)}
${figure(count(examples), 'rows that accuracy was measured on')}
</div>`;
}

function row(model: Measured, { dense, chosen }: AutoRecord['exploration']): Markup {
  const spread = model.accuracyStd > 0 ? ` ± ${percent(model.accuracyStd, 2)}` : '';
  const lost = (100 * (dense.accuracy - model.accuracy)).toFixed(1);
  return html`<tr class="${model.name === chosen.name ? 'chosen' : 'other'}"><td>${titleOf(model)}</td><td>${percent(model.accuracy)}${spread}</td><td>${lost}</td><td>${count(model.examplesPerSecond)}</td><td>${times(model.ratio)}</td><td>${model.sparsity.toFixed(3)}</td><td>${count(model.parameters)}</td></tr>
`;
}

function trialTable({ exploration }: AutoRecord): Markup {
  const { dense, trials } = exploration;
  return html`<div class="wide"><table>
<thead><tr><th>model</th><th>accuracy</th><th>points lost</th><th>examples/s</th><th>ratio</th><th>sparsity</th><th>parameters</th></tr></thead>
<tbody>
${[dense, ...trials].map((model) => row(model, exploration))}</tbody></table></div>`;
}

function modelCard(model: Measured, details: ModelDetails, dense: ModelDetails): Markup {
  const curves = curveFigure(details);
  return html`<div class="card"><h3>${titleOf(model)}</h3>
<p class="quiet">hidden size ${details.hiddenSize} of ${dense.hiddenSize}</p>
${structureFigure(details, dense)}
${curves === undefined ? '' : trusted(curves)}
</div>
`;
}

function modelCards({ exploration, models }: AutoRecord): Markup {
  const dense = models[exploration.dense.name];
  if (dense === undefined) return html``;
  const cards = [exploration.dense, ...exploration.trials].flatMap((model) => {
    const details = models[model.name];
    return details === undefined ? [] : [modelCard(model, details, dense)];
  });
  return html`<h2>What each model kept, and how it learned</h2>
<p class="quiet key">Layers from the first to the last:<i class="heads"></i>heads<i class="units"></i>feed-forward units</p>
<div class="cards">
${cards}</div>`;
}

function evidence({ commands, seed, data, machine }: AutoRecord): Markup {
  const entries: [string, string][] = [
    ['seed', String(seed)],
    ...Object.entries(data).map(([part, checksum]): [string, string] => [`${part} rows, SHA-256`, checksum]),
    ...Object.entries(machine).map(([what, value]): [string, string] => [what, String(value)]),
  ];
  return html`<h2>To do it again</h2>
<pre>${commands.join('\n')}</pre>
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
<figure>${trusted(frontierFigure(record.exploration))}</figure>
<h2>Every model that was measured</h2>
${trialTable(record)}
${modelCards(record)}
${evidence(record)}
</body>
</html>
`.text;
}
