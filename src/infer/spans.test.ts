/** Spans of tags against hand-worked cases, and against conlleval's own rules for starts and ends, written out as that script has them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spansOf, tagParts } from './spans.ts';

const shown = (tags: string): string =>
  spansOf(tags.split(' '))
    .map(({ type, start, end }) => `${type}${start}-${end}`)
    .join(' ');

describe('spansOf', () => {
  it.each([
    ['nothing', 'O O', ''],
    ['one word', 'B-a O', 'a0-1'],
    ['several words, to the end', 'O B-a I-a I-a', 'a1-4'],
    ['side by side', 'B-a B-a I-a', 'a0-1 a1-3'],
    ['IOB1: inside is enough to begin', 'I-a I-a O I-b', 'a0-2 b3-4'],
    ['IOB1: B only between neighbours of one type', 'I-a B-a I-b', 'a0-1 a1-2 b2-3'],
    ['another type inside', 'B-a I-b I-b', 'a0-1 b1-3'],
    ['BIOES', 'S-a B-b I-b E-b O', 'a0-1 b1-4'],
    ['after an end', 'B-a E-a I-a E-a', 'a0-2 a2-4'],
    ['after a single one', 'S-a I-a E-a', 'a0-1 a1-3'],
    ['types with hyphens', 'B-creative-work I-creative-work', 'creative-work0-2'],
    ['prefixes alone', 'B I O', '_0-2'],
    ['no prefixes: neighbours of one type are one span', 'ORG ORG O PER BIO', 'ORG0-2 PER3-4 BIO4-5'],
    ['BILOU', 'U-a B-a I-a L-a U-a', 'a0-1 a1-4 a4-5'],
    ['underscores', 'B_a I_a O', 'a0-2'],
  ])('%s: %s', (_, tags, expected) => {
    expect(shown(tags)).toBe(expected);
  });

  it("follows conlleval's rules for any sequence", () => {
    const tag = fc.constantFrom('O', ...['a', 'b'].flatMap((type) => ['B', 'I', 'E', 'S'].map((p) => `${p}-${type}`)));
    fc.assert(
      fc.property(fc.array(tag, { maxLength: 12 }), (tags) => {
        expect(spansOf(tags)).toEqual(byConlleval(tags));
      }),
      { seed: 1, numRuns: 1000 },
    );
  });
});

/** https://www.clips.uantwerpen.be/conll2000/chunking/conlleval.txt, subroutines endOfChunk and startOfChunk, with S as seqeval adds it. */
function byConlleval(tags: readonly string[]): unknown[] {
  const spans: unknown[] = [];
  let begin = 0;
  let [prefix, type] = ['O', '_'];
  for (const [at, tag] of [...tags, 'O'].entries()) {
    const { prefix: nextPrefix, type: nextType } = tagParts(tag);
    if (ends(prefix, nextPrefix, type, nextType)) spans.push({ type, start: begin, end: at });
    if (starts(prefix, nextPrefix, type, nextType)) begin = at;
    [prefix, type] = [nextPrefix, nextType];
  }
  return spans;
}

function ends(prefix: string, next: string, type: string, nextType: string): boolean {
  const rules = ['E*', 'S*', 'BB', 'BS', 'BO', 'IB', 'IS', 'IO'];
  if (rules.includes(prefix + next) || rules.includes(`${prefix}*`)) return true;
  return prefix !== 'O' && type !== nextType;
}

function starts(prefix: string, next: string, type: string, nextType: string): boolean {
  const rules = ['*B', '*S', 'EE', 'EI', 'SE', 'SI', 'OE', 'OI'];
  if (rules.includes(prefix + next) || rules.includes(`*${next}`)) return true;
  return next !== 'O' && type !== nextType;
}
