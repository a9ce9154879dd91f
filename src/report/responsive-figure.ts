/** A figure drawn twice, for wide and for narrow screens: text in a chart that is merely shrunk cannot be read on a phone. */
import type { ChartSize } from './chart.ts';
import { html, type Markup, trusted } from './markup.ts';

const NARROW_WIDTH = 340;

/** `caption` is for who does not see the picture, and stands under it. */
export function responsiveFigure(draw: (size: ChartSize) => string, wide: ChartSize, caption: Markup | string): Markup {
  const narrow = { width: NARROW_WIDTH, height: Math.min(wide.height, NARROW_WIDTH) };
  return html`<figure><div class="on-wide">${trusted(draw(wide))}</div><div class="on-narrow">${trusted(draw(narrow))}</div>
<figcaption class="quiet">${caption}</figcaption></figure>`;
}
