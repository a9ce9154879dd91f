/** What comes first on the page: the choice, why it is it, and its figures. */
import type { AutoRecord, FinalFigures } from '../auto/index.ts';
import { html, type Markup } from './markup.ts';
import { count, isDense, percent, points, times, titleOf } from './quantities.ts';

const figure = (value: string, what: string): Markup => html`<div><b>${value}</b>${what}</div>`;

function finalFigure(final: FinalFigures): Markup {
  const { drop, interval, examples } = final;
  const range = `${points(interval.low)} to ${points(interval.high)}`;
  return figure(
    `${points(drop.points)} points lost`,
    `${range} with ${percent(interval.confidence, 0)} confidence, on ${count(examples)} rows that had no part in choosing`,
  );
}

export function summary({ exploration, examples, rows, final }: AutoRecord): Markup {
  const { chosen, dense, maxDrop, confidence, verdict, stop } = exploration;
  const gain =
    isDense(chosen.point) && chosen.precision === 'fp32'
      ? ''
      : `: ${times(chosen.ratio)} the throughput of the dense model`;
  return html`<h1>${titleOf(chosen)}${gain}</h1>
<p>Up to ${maxDrop} points of accuracy could be lost, with ${percent(confidence, 0)} confidence. Chosen: ${verdict}.</p>
<p class="quiet">The search ended for this reason: ${stop}.</p>
<div class="figures">
${figure(times(chosen.ratio), `${count(chosen.examplesPerSecond)} examples per second; dense ${count(dense.examplesPerSecond)}`)}
${figure(percent(chosen.accuracy), `accuracy; dense ${percent(dense.accuracy)}; on ${count(examples)} rows that chose`)}
${final === undefined ? '' : finalFigure(final)}
${figure(count(chosen.parameters), `parameters; dense ${count(dense.parameters)}`)}
</div>
<p class="quiet">${rows}.</p>`;
}
