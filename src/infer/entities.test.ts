/** Ragged logits and entities with their places, against a fake model whose logits follow from each token's id alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tinyConfig } from '../../test/tiny-bert.kit.ts';
import { float32 } from '../base/index.ts';
import { learnVocabulary, type ModelConfig, tokenizerOf } from '../model/index.ts';
import { findEntities } from './entities.ts';
import { type Predictor, predictLogits } from './predictor.ts';

const labels = ['O', 'B-place', 'I-place'];
const text = 'paris york new in and';
const tokenizer = tokenizerOf(learnVocabulary([text, text], 100));
const idOf = (word: string): number => tokenizer.encode(word).ids[1] as number;
const tagged = new Map([
  [idOf('paris'), 1],
  [idOf('new'), 1],
  [idOf('york'), 2],
]);

/** Logit `id` for the class that the token has, 0 for the others: [R, T, C]. */
function fakePredictor(instances: number): Predictor {
  const mux = { instances, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' };
  const config: ModelConfig = { ...tinyConfig, task: 'tokens', labels, mux };
  return {
    config,
    streams: 1,
    async run({ input_ids: ids }) {
      const [R = 0, T = 0] = ids?.shape ?? [];
      expect(R % instances).toBe(0);
      const logits = new Float32Array(R * T * labels.length);
      ids?.data.forEach((id, cell) => {
        logits[cell * labels.length + (tagged.get(Number(id)) ?? 0)] = Number(id);
      });
      return float32(logits, [R, T, labels.length]);
    },
    close: async () => undefined,
  };
}

describe('predictLogits', () => {
  it('gives each text the logits of its own tokens, whoever its neighbours were', async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        lengths,
        fc.constantFrom(1, 3),
        fc.nat(),
        fc.boolean(),
        async (counts, N, grouping, ensemble) => {
          const encodings = counts.map((count, row) => {
            const ids = Array.from({ length: count }, (_, at) => 100 * row + at + 1);
            return { ids, types: ids.map(() => 0) };
          });
          const options = { padId: 0, maxTokens: 24, groups: 2, grouping, ensemble };
          const logits = await predictLogits(fakePredictor(N), encodings, options);
          expect(logits.map(({ shape }) => shape)).toEqual(counts.map((count) => [count, labels.length]));
          // The mean over slots of a logit that has the same value in each.
          const largest = logits.map(({ data }) => [...data].filter((value) => value > 0).map(Math.round));
          expect(largest).toEqual(encodings.map(({ ids }) => ids));
        },
      ),
      { seed: 1, numRuns: 50 },
    );
  });
});

describe('findEntities', () => {
  const classifier = { maxTokens: 12, tokenizer, predictor: fakePredictor(1) };

  it('gives labels and places in the text as it was written', async () => {
    const texts = ['In Paris, and\tNew  York!', 'and', '', 'york paris'];
    const found = await findEntities(
      classifier,
      texts.map((each) => ({ text: each })),
    );
    expect(found.map((entities) => entities.map(({ score, ...rest }) => rest))).toEqual([
      [
        { label: 'place', text: 'Paris', start: 3, end: 8 },
        { label: 'place', text: 'New  York', start: 14, end: 23 },
      ],
      [],
      [],
      [
        { label: 'place', text: 'york', start: 0, end: 4 },
        { label: 'place', text: 'paris', start: 5, end: 10 },
      ],
    ]);
    for (const { score } of found.flat()) expect(score).toBeCloseTo(1, 2); // logits are ids, the others 0
  });

  it('asks each word at its first piece alone, as models are trained, with the marks within it', async () => {
    const text = 'in (new-york) @paris, york';
    const [found = []] = await findEntities(classifier, [{ text }]);
    // "@" begins its word, and is tagged O.
    expect(found.map((entity) => entity.text)).toEqual(['new-york', 'york']);
  });

  it('gives what is within the length, and refuses pairs', async () => {
    const [found] = await findEntities(classifier, [{ text: `${'and '.repeat(9)}paris paris` }]);
    expect(found).toMatchObject([{ start: 36, end: 41 }]); // 12 tokens: [CLS], ten words, [SEP]
    await expect(findEntities(classifier, [{ text: 'a', pair: 'b' }])).rejects.toThrow('expected single texts');
  });
});
