/** Folders of one input per pass, dense and pruned, in fp32 and in int8 (there `q8`), opened by `@huggingface/transformers`: the same logits as ours. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
  AutoTokenizer,
  env,
  pipeline,
} from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FloatTensor, Tensor } from '../src/base/index.ts';
import { classify, openTextClassifier, predictLogits } from '../src/infer/index.ts';
import { parameterInputs, parametersFrom, readModelFolder, tokenInputs } from '../src/model/index.ts';
import { classifier, modelShapes } from '../src/mux/index.ts';
import { compile, cpu, type Feeds } from '../src/runtime/index.ts';
import { exactIntegers } from '../src/runtime/integer-products.ts';
import { prunedModel, randomModel, writeModel } from './model-folder.kit.ts';
import { worstDifference } from './tiny-bert.kit.ts';

const TOLERANCE = 1e-4;
const LABELS = ['sad', 'so-so', 'glad'];
const TEXTS = ['this film was great', 'an unknown word, and a rather long row of quiet old tales', 'poor'];

let folder: string;
beforeAll(async () => {
  env.allowRemoteModels = false;
  folder = await mkdtemp(join(tmpdir(), 'prumux-transformers-'));
  await writeModel(join(folder, 'dense'), randomModel(LABELS));
  await writeModel(join(folder, 'pruned'), prunedModel(LABELS));
  await writeModel(join(folder, 'dense-tokens'), randomModel(LABELS, 'tokens'));
  await writeModel(join(folder, 'pruned-tokens'), prunedModel(LABELS, 'tokens'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What transformers.js calls our precisions. */
const DTYPES = [
  ['fp32', 'fp32'],
  ['int8', 'q8'],
] as const;

describe.each(['dense', 'pruned'])('%s', (name) => {
  it.each(DTYPES)('gives the same logits in %s, padding included', async (precision, dtype) => {
    const path = join(folder, name);
    const ours = await openTextClassifier(path, cpu(1), undefined, precision);
    const encodings = TEXTS.map((text) => ours.encode({ text }));
    const options = { padId: 0, maxTokens: 32, groups: 4 };
    const expected = (await predictLogits(ours.predictor, encodings, options)).flatMap(({ data }) => [...data]);
    await ours.close();

    const tokenizer = await AutoTokenizer.from_pretrained(path);
    // Without VNNI the products of int8 saturate, unless the runtime is told: ours always is.
    const model = await AutoModelForSequenceClassification.from_pretrained(path, {
      dtype,
      session_options: await exactIntegers(),
    });
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

describe.each(['dense-tokens', 'pruned-tokens'])('%s', (name) => {
  /** The logits of our training graph, for what the other tokenizer makes of the texts. */
  async function logitsOf(path: string, feeds: Feeds): Promise<FloatTensor> {
    const { config, parameters } = await readModelFolder(path);
    const [R = 0, T = 0] = feeds.input_ids?.shape ?? [];
    const p = parametersFrom(parameterInputs(modelShapes(config)));
    const outputs = { logits: classifier(tokenInputs(R, T), config, p) };
    const session = await compile({ outputs, weights: parameters }, cpu(1));
    const { logits } = await session.run(feeds);
    await session.close();
    return logits as FloatTensor;
  }

  it('gives the same logits for every token, padding included', async () => {
    const path = join(folder, name);
    const tokenizer = await AutoTokenizer.from_pretrained(path);
    const encoded = tokenizer(TEXTS, { padding: true, truncation: true });
    const feeds = Object.fromEntries(
      Object.entries(encoded).map(([name, { dims, data }]): [string, Tensor] => [
        name,
        { dtype: 'int64', shape: dims, data },
      ]),
    );
    const expected = await logitsOf(path, feeds);
    const model = await AutoModelForTokenClassification.from_pretrained(path, { dtype: 'fp32' });
    const { logits } = await model(encoded);
    await model.dispose();
    expect(logits.dims).toEqual(expected.shape);
    expect(logits.dims).toHaveLength(3);
    expect(worstDifference(logits.data, expected.data)).toBeLessThan(TOLERANCE);
    expect(Math.max(...logits.data) - Math.min(...logits.data)).toBeGreaterThan(0.1); // so that agreeing means something
  });
});
