/**
 * Spans: the entities that the tags of a sentence say. A tag is `O`, or a prefix and a type: `B-person`. Where a span starts and ends is
 * decided by the rules of the CoNLL-2000 script conlleval, which seqeval follows in its default mode: they give every sequence of tags of
 * the schemes BIO (IOB2), IOB1, BIOES and BILOU a meaning, also one that breaks the scheme. A tag without a prefix is its own type, as if it had I.
 */

/** The tag of a word that belongs to no entity. */
export const OUTSIDE = 'O';

/** Words `start` to `end`, the last one not included. */
export interface Span {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** A prefix and the type of the entity; a tag of a prefix alone has the type `_`, as in seqeval. */
export interface TagParts {
  readonly prefix: string;
  readonly type: string;
}

/** BILOU's names for the last word of a span and for a span of one word. */
const BIOES: Readonly<Record<string, string>> = { L: 'E', U: 'S' };

export function tagParts(tag: string): TagParts {
  const [, prefix = '', type = '_'] = /^([BIOESLU])(?:[-_](.+))?$/su.exec(tag) ?? ['', 'I', tag];
  return { prefix: BIOES[prefix] ?? prefix, type };
}

/** A span starts at B and S, after E and S, and where the type is another than before. */
function startsSpan(before: TagParts, { prefix, type }: TagParts): boolean {
  if (prefix === OUTSIDE) return false;
  return prefix === 'B' || prefix === 'S' || /^[OES]$/.test(before.prefix) || before.type !== type;
}

/** The spans of one sentence, in their order. */
export function spansOf(tags: readonly string[]): readonly Span[] {
  const spans: { type: string; start: number; end: number }[] = [];
  let before = tagParts(OUTSIDE);
  tags.forEach((tag, at) => {
    const parts = tagParts(tag);
    const open = spans.at(-1);
    if (startsSpan(before, parts)) spans.push({ type: parts.type, start: at, end: at + 1 });
    else if (parts.prefix !== OUTSIDE && open !== undefined) open.end = at + 1;
    before = parts;
  });
  return spans;
}
