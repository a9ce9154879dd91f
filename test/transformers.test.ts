/** Folders of one input per pass, dense and pruned, opened by `@huggingface/transformers`: the same logits as ours. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutoModelForSequenceClassification, AutoTokenizer, env, pipeline } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classify, openTextClassifier, predictLogits } from '../src/infer/index.ts';
import { cpu } from '../src/runtime/index.ts';
import { prunedModel, randomModel, writeModel } from './model-folder.kit.ts';

const TOLERANCE = 1e-4;
const LABELS = ['sad', 'so-so', 'glad'];
const TEXTS = ['this film was great', 'an unknown word, and a rather long row of quiet old tales', 'poor'];

let folder: string;
beforeAll(async () => {
  env.allowRemoteModels = false;
  folder = await mkdtemp(join(tmpdir(), 'prumux-transformers-'));
  await writeModel(join(folder, 'dense'), randomModel(LABELS));
  await writeModel(join(folder, 'pruned'), prunedModel(LABELS));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(['dense', 'pruned'])('%s', (name) => {
  it('gives the same logits, padding included', async () => {
    const path = join(folder, name);
    const ours = await openTextClassifier(path, cpu(1));
    const encodings = TEXTS.map((text) => ours.encode({ text }));
    const options = { padId: 0, maxTokens: 32, groups: 4 };
    const expected = (await predictLogits(ours.predictor, encodings, options)).flatMap(({ data }) => [...data]);
    await ours.close();

    const tokenizer = await AutoTokenizer.from_pretrained(path);
    const model = await AutoModelForSequenceClassification.from_pretrained(path, { dtype: 'fp32' });
    const { logits } = await model(tokenizer(TEXTS, { padding: true, truncation: true }));
    expect(logits.dims).toEqual([TEXTS.length, LABELS.length]);
    const values: number[] = Array.from(logits.data);
    for (const [at, value] of values.entries()) {
      expect(Math.abs(value - (expected[at] ?? Number.NaN))).toBeLessThan(TOLERANCE);
    }
    expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(0.1); // so that agreeing means something
    await model.dispose();
  });

  it('gives the same labels and scores through its pipeline', async () => {
    const path = join(folder, name);
    const ours = await openTextClassifier(path, cpu(1));
    const expected = await classify(
      ours,
      TEXTS.map((text) => ({ text })),
    );
    await ours.close();
    const classifier = await pipeline('text-classification', path, { dtype: 'fp32' });
    const answers = await classifier(TEXTS);
    expect(answers).toMatchObject(expected.map(({ label, score }) => ({ label, score: expect.closeTo(score, 4) })));
    await classifier.dispose();
  });
});
