/** Vocabularies learned from texts, against Hugging Face's trainer and the properties that a user relies on. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../base/index.ts';
import { tokenizerOf } from './tokenizer.ts';
import { learnVocabulary, SPECIAL_TOKENS, wordPieceTokenizer } from './vocabulary.ts';

function tokensOf(json: object): string[] {
  const { vocab } = (json as { model: { vocab: Record<string, number> } }).model;
  return Object.entries(vocab)
    .sort(([, a], [, b]) => a - b)
    .map(([token]) => token);
}

const isMerged = (token: string): boolean => !token.startsWith('[') && [...token.replace(/^##/, '')].length > 1;

describe('learnVocabulary', () => {
  it("merges as Hugging Face's WordPieceTrainer 0.23.2 does (min_frequency 2) on the example of Sennrich et al., fig. 1", () => {
    const text = `${'low '.repeat(5)}${'lower '.repeat(2)}${'newest '.repeat(6)}${'widest '.repeat(3)}`;
    const merged = tokensOf(learnVocabulary([text], 100)).filter(isMerged);
    expect(merged.sort()).toEqual('##dest ##er ##es ##est ##west lo low lower ne newest wi widest'.split(' '));
  });

  it('puts the special tokens first, then characters and their ## forms, then merges', () => {
    expect(tokensOf(learnVocabulary(['ab, ab é'], 100))).toEqual([
      ...SPECIAL_TOKENS,
      ',',
      'a',
      'b',
      'e',
      '##a',
      '##b',
      'ab',
    ]);
  });

  it('takes Chinese characters of any length for words of their own, as the tokenizer does', () => {
    for (const character of ['漢', '𠀀']) {
      const tokens = tokensOf(learnVocabulary([`ab${character}ab`], 100));
      expect(tokens).toEqual([...SPECIAL_TOKENS, 'a', 'b', character, '##a', '##b', 'ab']);
    }
  });

  it('has more than a thousand characters where they are words, but leaves half of the room to others', () => {
    const characters = Array.from({ length: 4000 }, (_, at) => String.fromCodePoint(0x4e00 + at));
    const text = `${characters.join('')} ${characters.slice(0, 3000).join('')}`; // the last thousand are seen once
    const chinese = (size: number) =>
      tokensOf(learnVocabulary([text], size)).filter((token) => /^[一-龥]$/u.test(token));
    expect(chinese(8000)).toEqual(characters.slice(0, 3000));
    expect(chinese(2405)).toHaveLength(1000 + 1200);
  });

  it('is the same each time, has distinct tokens, no more than asked, and spells every text it saw', () => {
    const texts = fc.array(fc.string({ unit: fc.constantFrom(...'aabbc dé,漢 ') }), { maxLength: 8 });
    fc.assert(
      fc.property(texts, fc.integer({ min: 30, max: 60 }), (seen, size) => {
        const json = learnVocabulary(seen, size);
        expect(learnVocabulary(seen, size)).toEqual(json);
        const tokens = tokensOf(json);
        expect(tokens.length).toBeLessThanOrEqual(size);
        expect(new Set(tokens).size).toBe(tokens.length);
        const tokenizer = tokenizerOf(json);
        for (const text of seen) expect(tokenizer.encode(text).ids).not.toContain(tokenizer.unknownId);
      }),
    );
  });

  it('stays within the size when the alphabet alone would not', () => {
    const json = learnVocabulary(['abc abc abc xyz'], 8);
    expect(tokensOf(json)).toHaveLength(8);
    expect(tokenizerOf(json).encode('abc').ids).toHaveLength(3);
  });

  it('refuses a size that leaves no room for text', () => {
    expect(() => learnVocabulary([], 5)).toThrow(ConfigError);
    expect(() => learnVocabulary([], Number.NaN)).toThrow('vocabulary size: expected a whole number above 5');
  });
});

describe('wordPieceTokenizer', () => {
  it('refuses a list without the special tokens', () => {
    expect(() => wordPieceTokenizer(['[PAD]', '[UNK]'])).toThrow('vocabulary: expected');
  });
});
