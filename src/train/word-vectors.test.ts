/** Word vectors: against counts by plain loops and ml-matrix's decomposition of the whole matrix, and by what they are for: like contexts, like vectors. */
import fc from 'fast-check';
import { SingularValueDecomposition } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { float32, random } from '../base/index.ts';
import { countedWordTable } from './word-vectors.ts';

function freshTable(words: number, D: number) {
  const draws = random(1, 'fresh');
  return float32(
    Float32Array.from({ length: words * D }, () => draws.normal()),
    [words, D],
  );
}

const options = { seed: 1, threads: 1 };

function vectorOf({ data, shape }: ReturnType<typeof freshTable>, word: number): number[] {
  const D = shape[1] as number;
  return [...data.subarray(word * D, (word + 1) * D)];
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, at) => sum + value * (b[at] as number), 0);
const cosine = (a: readonly number[], b: readonly number[]): number => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));

/** max(0, log(p(w, c) / (p(w) p'(c)))) of each pair of words, from a count per pair: neighbours within 5, 1 over the distance each. */
function informationOf(texts: readonly (readonly number[])[], words: number): number[][] {
  const counts = Array.from({ length: words }, () => new Array<number>(words).fill(0));
  for (const ids of texts) {
    for (const [i, word] of ids.entries()) {
      for (const [j, neighbour] of ids.entries()) {
        const distance = Math.abs(i - j);
        const row = counts[word] as number[];
        if (distance > 0 && distance <= 5) row[neighbour] = (row[neighbour] as number) + 1 / distance;
      }
    }
  }
  const totals = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
  const all = totals.reduce((sum, total) => sum + total ** 0.75, 0);
  return counts.map((row, w) =>
    row.map((count, c) => {
      const expected = ((totals[w] as number) * (totals[c] as number) ** 0.75) / all;
      return count === 0 ? 0 : Math.max(0, Math.log(count / expected));
    }),
  );
}

const texts = fc.array(fc.array(fc.nat(7), { minLength: 1, maxLength: 12 }), { minLength: 3, maxLength: 12 });

describe('vectors of words from counts', () => {
  it('have the angles of U √S of the whole decomposition', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (ids) => {
        const words = 8;
        const decomposition = new SingularValueDecomposition(informationOf(ids, words));
        const values = decomposition.diagonal;
        // More dimensions than the matrix has: then the space is unique whatever values are equal.
        const table = await countedWordTable(freshTable(words, words), ids, options);
        const [largest = 0] = values;
        const rank = values.filter((value) => value > 1e-2 * largest).length;
        fc.pre(values[rank] === undefined || values[rank] < 1e-6 * largest);
        const expected = decomposition.leftSingularVectors
          .to2DArray()
          .map((row) => row.slice(0, rank).map((value, at) => value * Math.sqrt(values[at] as number)));
        const counted = [...new Set(ids.flat())].filter(
          (word) => dot(expected[word] as number[], expected[word] as number[]) > 1e-9,
        );
        for (const a of counted) {
          for (const b of counted) {
            const ours = cosine(vectorOf(table, a).slice(0, rank), vectorOf(table, b).slice(0, rank));
            expect(ours).toBeCloseTo(cosine(expected[a] as number[], expected[b] as number[]), 4);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are the leading dimensions of many, of contexts that are the most frequent words', async () => {
    // Five topics of ten words, and words that are common to them: five large singular values, and many small ones.
    const draws = random(2, 'topics');
    const ids = Array.from({ length: 4000 }, () => {
      const topic = 10 + 10 * draws.integer(5);
      return Array.from({ length: 8 }, () => (draws.uniform() < 0.6 ? topic + draws.integer(10) : draws.integer(10)));
    });
    const counts = new Array<number>(60).fill(0);
    for (const id of ids.flat()) counts[id] = (counts[id] as number) + 1;
    for (const mostContexts of [4096, 40]) {
      const contexts = Array.from({ length: 60 }, (_, word) => word)
        .sort((a, b) => (counts[b] as number) - (counts[a] as number) || a - b)
        .slice(0, mostContexts);
      const information = informationOf(ids, 60).map((row) => contexts.map((context) => row[context] as number));
      const { leftSingularVectors, diagonal } = new SingularValueDecomposition(information);
      expect(diagonal[4]).toBeGreaterThan(2 * (diagonal[5] as number));
      const expected = leftSingularVectors
        .to2DArray()
        .map((row) => row.slice(0, 5).map((value, at) => value * Math.sqrt(diagonal[at] as number)));
      const table = await countedWordTable(freshTable(60, 5), ids, { ...options, mostContexts });
      for (const a of contexts) {
        for (const b of contexts) {
          const ours = cosine(vectorOf(table, a), vectorOf(table, b));
          expect(ours).toBeCloseTo(cosine(expected[a] as number[], expected[b] as number[]), 2);
        }
      }
    }
  });

  it('stop where they are told to, with the reason that is given', async () => {
    const interrupt = AbortSignal.abort(new Error('enough'));
    await expect(countedWordTable(freshTable(3, 2), [[0, 1, 2]], { ...options, interrupt })).rejects.toThrow('enough');
  });

  it('are alike for words with like contexts, and not for others', async () => {
    const draws = random(1, 'text');
    // Words 0 and 1 stand between 2 and 3, words 4 and 5 between 6 and 7.
    const sentences = Array.from({ length: 300 }, () =>
      draws.uniform() < 0.5 ? [2, draws.integer(2), 3] : [6, 4 + draws.integer(2), 7],
    );
    const table = await countedWordTable(freshTable(10, 4), sentences, options);
    expect(cosine(vectorOf(table, 0), vectorOf(table, 1))).toBeGreaterThan(0.99);
    expect(cosine(vectorOf(table, 4), vectorOf(table, 5))).toBeGreaterThan(0.99);
    expect(Math.abs(cosine(vectorOf(table, 0), vectorOf(table, 4)))).toBeLessThan(0.1);
  });

  it('keep the lengths that they had; words that the text lacks keep their vectors', async () => {
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 1, max: 20 }), async (ids, D) => {
        const fresh = freshTable(9, D);
        const table = await countedWordTable(fresh, ids, options);
        for (let word = 0; word < 9; word++) {
          const [before, after] = [vectorOf(fresh, word), vectorOf(table, word)];
          expect(dot(after, after)).toBeCloseTo(dot(before, before), 3);
          if (!ids.flat().includes(word)) expect(after).toEqual(before);
        }
      }),
    );
  });

  it('do not change from run to run, and stay as drawn where there are no contexts at all', async () => {
    const ids = [
      [0, 1, 2, 1],
      [3, 1, 0],
    ];
    const fresh = freshTable(5, 3);
    expect(await countedWordTable(fresh, ids, options)).toEqual(await countedWordTable(fresh, ids, options));
    expect(await countedWordTable(fresh, [[0], [1], []], options)).toEqual(fresh);
    expect(await countedWordTable(fresh, [], options)).toEqual(fresh);
  });
});
