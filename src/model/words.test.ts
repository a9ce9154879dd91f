/** Words of a text against those of tagged files, and against the pieces that the tokenizer library cuts the whole text into. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenizerOf } from './tokenizer.ts';
import { learnVocabulary } from './vocabulary.ts';
import { wordsIn } from './words.ts';

const tokenizer = tokenizerOf(learnVocabulary(['the low newest weren t café 東 京 1 2 3 a b c é'], 200));

describe('wordsIn', () => {
  it.each([
    ['Ann Lee, of (London).', ['Ann', 'Lee', ',', 'of', '(', 'London', ')', '.']],
    ["@paul can't #1 $5", ['@paul', "can't", '#1', '$', '5']],
    ['see http://x.y/z: state-of-the-art', ['see', 'http://x.y/z', ':', 'state-of-the-art']],
    ['“@a_b” # @ @: _x_', ['“', '@a_b', '”', '#', '@', '@', ':', '_', 'x', '_']],
    ['(U.S.), Ph.D. e.g. É.U.', ['(', 'U.S.', ')', ',', 'Ph.D.', 'e.g.', 'É.U.']],
    ['at example.com. etc.', ['at', 'example.com', '.', 'etc', '.']],
    ['wow!!! so... ?!', ['wow', '!!!', 'so', '...', '?', '!']],
    ['left—Rome… “ok”', ['left', '—', 'Rome', '…', '“', 'ok', '”']],
    ['London,\u200b \u200bYork', ['London', ',', '\u200bYork']],
    ['in 東京 ok', ['in', '東', '京', 'ok']],
    ['さくら、U.S.！ok', ['さくら', '、', 'U', '.', 'S', '.', '！', 'ok']],
    ['กรุงเทพ-ไทย', ['กรุงเทพ', '-', 'ไทย']],
    ['Café\u00a0noir\tx', ['Café', 'noir', 'x']],
    ['さくら 서울, 👍', ['さくら', '서울', ',', '👍']],
    [' \u200b ', []],
    ['', []],
  ])('splits %j', (text, expected) => {
    expect(wordsIn(text).map(({ text }) => text)).toEqual(expected);
  });

  it('gives words that stand where they say, in order, and leaves out only blanks and what cannot be seen', () => {
    const marks = fc.constantFrom(...'.,\'"()@#-/ \t\u00a0\u200b\u0301—、。東さ', '𝒜', '👍', '\ud800');
    const mixed = fc.array(fc.oneof(marks, fc.string({ unit: 'binary', maxLength: 2 })), { maxLength: 30 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'grapheme' }),
          mixed.map((list) => list.join('')),
        ),
        (text) => {
          const blank = /^[\s\p{C}\p{Mn}\uFFFD]*$/u;
          let end = 0;
          for (const word of wordsIn(text)) {
            expect(word.text).toMatch(/^[^\t\n\r\p{Zs}]+$/u);
            expect(text.slice(word.start, word.end)).toBe(word.text);
            expect(word.start).toBeGreaterThanOrEqual(end);
            expect(text.slice(end, word.start)).toMatch(blank);
            end = word.end;
          }
          expect(text.slice(end)).toMatch(blank);
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  it('takes a time that grows with the text, whatever is in it', () => {
    const start = performance.now();
    for (const part of ['.', 'a.', '@', '"a']) wordsIn(`a${part.repeat(50_000)}a`);
    expect(performance.now() - start).toBeLessThan(5000); // less than 300 on a busy machine
  });

  it('gives words that are tokenised one by one to the tokens of the whole text', () => {
    const words = ['the', 'Low', "weren't", '@a', 'b.c.', '...', 'Café'];
    const parts = [...words, '東京', '1,2', ' ', '\t', '\u00a0', '$', '\u200b', '`', 'é'];
    const text = fc.array(fc.constantFrom(...parts), { maxLength: 20 }).map((list) => list.join(''));
    fc.assert(
      fc.property(text, (whole) => {
        const found = wordsIn(whole).map((word) => word.text);
        expect(tokenizer.encodeWords(found).ids).toEqual(tokenizer.encode(whole).ids);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
