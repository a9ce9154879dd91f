/** Words of a text against the pieces that the tokenizer library cuts the whole text into. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenizerOf } from './tokenizer.ts';
import { learnVocabulary } from './vocabulary.ts';
import { wordsIn } from './words.ts';

const tokenizer = tokenizerOf(learnVocabulary(['the low newest weren t café 東 京 1 2 3 a b c é'], 200));

describe('wordsIn', () => {
  it.each([
    ['Ann Lee, of U.S.A.', ['Ann', 'Lee', ',', 'of', 'U', '.', 'S', '.', 'A', '.']],
    ["@paul's #1 $5", ['@', 'paul', "'", 's', '#', '1', '$', '5']],
    ['in 東京 ok', ['in', '東', '京', 'ok']],
    ['Café\u00a0noir\tx', ['Café', 'noir', 'x']],
    ['さくら 서울 👍', ['さくら', '서울', '👍']],
    [' \u200b ', []],
    ['', []],
  ])('splits %j', (text, expected) => {
    expect(wordsIn(text).map(({ text }) => text)).toEqual(expected);
  });

  it('gives words that stand where they say, and no letter is left over', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        let end = 0;
        for (const word of wordsIn(text)) {
          expect(text.slice(word.start, word.end)).toBe(word.text);
          expect(text.slice(end, word.start)).not.toMatch(/[\p{L}\p{N}\p{P}]/u);
          end = word.end;
        }
        expect(text.slice(end)).not.toMatch(/[\p{L}\p{N}\p{P}]/u);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('gives words that are tokenised one by one to the tokens of the whole text', () => {
    const parts = ['the', 'Low', "weren't", 'Café', '東京', '1,2', ' ', '\t', '\u00a0', '$', '\u200b', '`', 'é'];
    const text = fc.array(fc.constantFrom(...parts), { maxLength: 20 }).map((list) => list.join(''));
    fc.assert(
      fc.property(text, (whole) => {
        const words = wordsIn(whole).map((word) => word.text);
        expect(tokenizer.encodeWords(words).ids).toEqual(tokenizer.encode(whole).ids);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
