/** A card for every trained model: what pruning kept of each layer, and how it learned. */
import type { AutoRecord, Measured, ModelDetails } from '../auto/index.ts';
import { curveFigure } from './curve-figure.ts';
import { html, type Markup, trusted } from './markup.ts';
import { titleOf } from './quantities.ts';
import { structureFigure } from './structure-figure.ts';

function modelCard(model: Measured, details: ModelDetails, dense: ModelDetails): Markup {
  const curves = curveFigure(details);
  return html`<div class="card"><h3>${titleOf(model)}</h3>
<p class="quiet">hidden size ${details.hiddenSize} of ${dense.hiddenSize}</p>
${structureFigure(details, dense)}
${curves === undefined ? '' : trusted(curves)}
</div>
`;
}

/** Models in int8 are those in fp32, written otherwise. */
export function modelCards({ exploration, models }: AutoRecord): Markup {
  const dense = models[exploration.dense.name];
  if (dense === undefined) return html``;
  const cards = [exploration.dense, ...exploration.trials].flatMap((model) => {
    const details = models[model.name];
    return details === undefined || model.precision !== 'fp32' ? [] : [modelCard(model, details, dense)];
  });
  return html`<h2>What each model kept, and how it learned</h2>
<p class="quiet key">Layers from the first to the last:<i class="heads"></i>heads<i class="units"></i>feed-forward units</p>
<div class="cards">
${cards}</div>`;
}
