/** The built-in data set is worth an encoder: the quickstart's dense model beats the bag of words by far, through the command that users run. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cpu } from '../src/runtime/index.ts';
import { type TrainRecipe, trainClassifier, trainDefaults } from '../src/train/index.ts';

/** Held-out accuracy of the bag of words, as `grammar.test.ts` measures and bounds it. */
const BAG_OF_WORDS_BOUND = 0.75;
const MARGIN = 0.1;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-builtin-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('is at least 10 points easier for the encoder than for a bag of words', async () => {
  const { threads: _, ...quick }: Partial<TrainRecipe> & { threads?: number } = JSON.parse(
    await readFile('recipes/quickstart-train.json', 'utf8'),
  );
  const { evaluation } = await trainClassifier(
    { ...trainDefaults, ...quick },
    {
      source: { data: 'builtin', evaluation: 'builtin' },
      output: join(folder, 'dense'),
      seed: 1,
      placement: cpu(),
      onStep: () => undefined,
    },
  );
  expect(evaluation.accuracy).toBeGreaterThan(BAG_OF_WORDS_BOUND + MARGIN);
}, 240_000);
