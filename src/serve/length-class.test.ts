import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lengthClassOf } from './length-class.ts';

const MOST = 128;
const classOf = (text: string, pair?: string): number =>
  lengthClassOf({ text, ...(pair !== undefined && { pair }) }, MOST);

describe('the class of a text', () => {
  // Tokens of BERT's uncased vocabulary, [CLS] and [SEP] among them.
  it.each([
    ['a fine film', 5, 16],
    ['it is one of the best and most moving films that i have seen for many years, and i will see it again', 26, 32],
    ['!!! ??? !!! ??? !!! ??? !!! ??? !!! ???', 32, 64],
    ['这部电影非常精彩我会再看一遍这部电影非常精彩我会再看一遍', 30, 32],
    ['“fine” — “poor” — “fine” — “poor” — “fine” — “poor”', 25, 32],
  ])('is one that its tokens fit into: %s', (text, tokens, expected) => {
    expect(classOf(text)).toBe(expected);
    expect(classOf(text)).toBeGreaterThanOrEqual(tokens);
  });

  it('is the longest row where the text is longer, and counts both texts of a pair', () => {
    expect(classOf('word '.repeat(1e6))).toBe(MOST);
    expect(classOf('some words of a text'.repeat(4), 'and as many of another'.repeat(4))).toBe(64);
    expect(lengthClassOf({ text: 'word '.repeat(90) }, 100)).toBe(100);
  });

  it('is between the shortest and the longest, and never falls where a text goes on', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), fc.string({ unit: 'binary' }), (text, more) => {
        const own = classOf(text);
        expect([16, 32, 64, MOST]).toContain(own);
        expect(classOf(text + more)).toBeGreaterThanOrEqual(own);
        expect(classOf(text, more)).toBeGreaterThanOrEqual(own);
      }),
    );
  });
});
