/** Word dropout: what may be hidden, how much of it, and that it follows from the seed and the step alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tinySet } from '../../test/tiny-bert.kit.ts';
import { int64, random, type Tensor } from '../base/index.ts';
import { labelledBatches } from './labelled-batches.ts';
import { dropWords } from './word-dropout.ts';

const vocabulary = { padId: 0, maskId: 4, specialIds: new Set([2, 3]) };

describe('dropWords', () => {
  it('hides words behind [MASK], and neither padding nor [CLS] nor [SEP]', () => {
    const property = fc.property(fc.array(fc.nat(9), { minLength: 1 }), fc.nat(), (cells, seed) => {
      const ids = int64(cells, [1, cells.length]);
      const seen = dropWords(ids, 0.5, vocabulary, random(seed));
      expect(seen.shape).toEqual(ids.shape);
      cells.forEach((id, at) => {
        const allowed = id === 0 || id === 2 || id === 3 ? [id] : [id, vocabulary.maskId];
        expect(allowed).toContain(Number(seen.data[at]));
      });
    });
    fc.assert(property);
  });

  it.each([0, 0.1, 0.4])('hides %d of the words', (probability) => {
    const count = 20_000;
    const ids = int64(
      Array.from({ length: count }, () => 7),
      [1, count],
    );
    const seen = dropWords(ids, probability, vocabulary, random(1));
    const share = seen.data.filter((id) => id === 4n).length / count;
    // Five standard deviations of a binomial share.
    expect(Math.abs(share - probability)).toBeLessThanOrEqual(5 * Math.sqrt((probability * (1 - probability)) / count));
  });
});

describe('labelledBatches with word dropout', () => {
  const set = tinySet(8);
  /** The words of a step, in their places. */
  async function wordsOf(step: number, wordDropout: number, seed = 1): Promise<readonly number[]> {
    const batches = labelledBatches(set, { epochs: 4, rows: 8, maxTokens: 16, wordDropout });
    const { feeds } = await batches(seed).batch(step);
    const [words, local] = [feeds['batch.words'], feeds.input_ids] as [Tensor<'int64'>, Tensor<'int64'>];
    return Array.from(local.data, (row) => Number(words.data[Number(row)]));
  }

  it('hides the same words when a step is asked for again, and others in another epoch', async () => {
    expect(await wordsOf(2, 0.5)).toEqual(await wordsOf(2, 0.5));
    const hidden = async (step: number): Promise<readonly boolean[]> =>
      (await wordsOf(step, 0.5)).map((id) => id === 4);
    expect(await hidden(1)).not.toEqual(await hidden(2));
  });

  it('leaves labels and the order of rows as they are', async () => {
    const [whole, holed] = [await wordsOf(1, 0), await wordsOf(1, 0.3)];
    expect(holed).toHaveLength(whole.length);
    holed.forEach((id, at) => {
      expect([whole[at], 4]).toContain(id);
    });
    expect(holed).not.toEqual(whole);
  });
});
