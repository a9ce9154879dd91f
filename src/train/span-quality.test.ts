/** Span F1 against seqeval's published example and hand-worked cases. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spanQualityOf } from './span-quality.ts';

const sentences = (text: string): string[][] => text.split(' / ').map((sentence) => sentence.split(' '));

describe('spanQualityOf', () => {
  it("gives 0.50 on the example of seqeval's README", () => {
    const actual = sentences('O O O B-MISC I-MISC I-MISC O / B-PER I-PER O');
    const predicted = sentences('O O B-MISC I-MISC I-MISC I-MISC O / B-PER I-PER O');
    // 1 of 2 predicted and of 2 actual entities; MISC 0, PER 1; 8 of 10 words.
    expect(spanQualityOf(predicted, actual)).toEqual({ spanF1: 0.5, macroF1: 0.5, accuracy: 0.8 });
  });

  it.each([
    ['all right', 'B-a I-a O', 'B-a I-a O', { spanF1: 1, macroF1: 1, accuracy: 1 }],
    ['nothing there, nothing found', 'O O', 'O O', { spanF1: 0, macroF1: 0, accuracy: 1 }],
    ['nothing found', 'O O', 'B-a O', { spanF1: 0, macroF1: 0, accuracy: 0.5 }],
    ['the right words of the wrong type', 'B-b I-b', 'B-a I-a', { spanF1: 0, macroF1: 0, accuracy: 0 }],
    ['another scheme, the same entity', 'I-a I-a', 'B-a E-a', { spanF1: 1, macroF1: 1, accuracy: 0 }],
    // a: 1 hit, 2 predicted, 1 actual, F1 2/3; b: F1 0, 1 actual; all: 2·1 / (2 + 2).
    ['one too many, one missed', 'B-a O B-a O', 'B-a O O B-b', { spanF1: 0.5, macroF1: 1 / 3, accuracy: 0.5 }],
    ['a span does not cross sentences', 'B-a / I-a', 'B-a / B-a', { spanF1: 1, macroF1: 1, accuracy: 0.5 }],
  ])('%s: %s against %s', (_, predicted, actual, expected) => {
    expect(spanQualityOf(sentences(predicted), sentences(actual))).toEqual(expected);
  });

  it('counts a word that was cut off as wrong, and as outside of every entity', () => {
    const quality = spanQualityOf([['B-x', undefined, undefined]], [['B-x', 'O', 'B-x']]);
    expect(quality).toMatchObject({ accuracy: 1 / 3, spanF1: 2 / 3 });
  });

  it('does not change when prediction and truth change places', () => {
    const tags = fc.array(fc.constantFrom('O', 'B-a', 'I-a', 'B-b', 'I-b'), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(fc.tuple(tags, tags), { minLength: 1, maxLength: 4 }), (pairs) => {
        const [some, others] = [pairs.map(([first]) => first), pairs.map(([, second]) => second)];
        const { spanF1, macroF1 } = spanQualityOf(some, others);
        const swapped = spanQualityOf(others, some);
        expect(swapped.spanF1).toBe(spanF1);
        expect(swapped.macroF1).toBeCloseTo(macroF1, 12);
      }),
      { seed: 1 },
    );
  });
});
