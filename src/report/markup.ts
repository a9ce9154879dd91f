/** Markup that cannot be broken by what it shows: `html` escapes every value that is not markup itself. */

export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

type Part = Markup | string | number | readonly (Markup | string | number)[];

function textOf(part: Part): string {
  if (part instanceof Markup) return part.text;
  return typeof part === 'string' || typeof part === 'number' ? escapeText(String(part)) : part.map(textOf).join('');
}

/** A template of markup; values are escaped, lists are joined. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((text, at) => text + (at < parts.length ? textOf(parts[at] as Part) : '')).join(''));
}

/** Text that is markup already, as an SVG from a charting library. */
export const trusted = (text: string): Markup => new Markup(text);
