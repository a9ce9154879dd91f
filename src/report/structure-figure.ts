/** What pruning kept, as a picture: per layer a bar of heads and a bar of feed-forward units, as shares of the dense model's. */
import type { ModelDetails } from '../auto/index.ts';
import { html, type Markup } from './markup.ts';

type Layer = ModelDetails['layers'][number];

const WIDTH = 100;
const ROW = 16;
const BAR = 5;

interface Bar {
  readonly y: number;
  readonly kept: number;
  readonly whole: number;
  readonly kind: 'heads' | 'units';
}

function bar({ y, kept, whole, kind }: Bar): Markup {
  const width = whole === 0 ? 0 : (WIDTH * kept) / whole;
  return html`<rect class="gone" y="${y}" width="${WIDTH}" height="${BAR}"/><rect class="${kind}" y="${y}" width="${width.toFixed(1)}" height="${BAR}"/>`;
}

function layerBars(layer: Layer | undefined, whole: Layer, at: number): Markup {
  const y = at * ROW;
  const { heads, intermediateSize } = layer ?? { heads: 0, intermediateSize: 0 };
  return html`<g><title>layer ${at}: ${heads} of ${whole.heads} heads, ${intermediateSize} of ${whole.intermediateSize} units</title>${bar({ y, kept: heads, whole: whole.heads, kind: 'heads' })}${bar({ y: y + BAR + 1, kept: intermediateSize, whole: whole.intermediateSize, kind: 'units' })}</g>`;
}

/** Layers from the first to the last. */
export function structureFigure(model: ModelDetails, dense: ModelDetails): Markup {
  const height = Math.max(1, dense.layers.length * ROW - (ROW - 2 * BAR - 1));
  return html`<svg class="structure" role="img" viewBox="0 0 ${WIDTH} ${height}" width="${1.6 * WIDTH}" aria-label="kept heads and units per layer">${dense.layers.map((whole, at) => layerBars(model.layers[at], whole, at))}</svg>`;
}
