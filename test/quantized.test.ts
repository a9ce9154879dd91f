/**
 * Classifiers in int8 against the same in fp32, dense, pruned, multiplexed and of tokens: near in their logits, a quarter in size; and what is said
 * where a folder has no int8 model.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, type FloatTensor, type ParameterTree, type Precision } from '../src/base/index.ts';
import { exportClassifier, readTextClassifier } from '../src/infer/index.ts';
import { type ModelConfig, onnxPath, presetConfig, writeModelFolder } from '../src/model/index.ts';
import { DEMULTIPLEXERS, initialModel, instancesOf } from '../src/mux/index.ts';
import { cpu, type Feeds, openSession } from '../src/runtime/index.ts';
import { decodeModel } from '../src/runtime/onnx-proto.ts';
import { openServedModel } from '../src/serve/served-model.ts';
import { prunedModel, randomModel } from './model-folder.kit.ts';
import { loudParameters, raggedTexts, worstDifference } from './tiny-bert.kit.ts';

const LABELS = ['a', 'b', 'c'];

interface Model {
  readonly config: ModelConfig;
  readonly parameters: ParameterTree;
}

function multiplexed(demultiplexer: string, task: 'sequence' | 'tokens' = 'sequence'): Model {
  const mux = { instances: 3, multiplexer: 'gaussian-hadamard', demultiplexer };
  const config = { ...randomModel(LABELS, task).config, mux };
  return { config, parameters: loudParameters(config, 1) };
}

async function logitsOf({ config, parameters }: Model, precision: Precision, feeds: Feeds): Promise<Float32Array> {
  const session = await openSession(exportClassifier(config, parameters, { precision }).bytes, cpu(1));
  const { logits } = await session.run(feeds);
  await session.close();
  return (logits as FloatTensor).data;
}

describe.each<[string, Model]>([
  ['dense', randomModel(LABELS)],
  ['dense, over tokens', randomModel(LABELS, 'tokens')],
  ['pruned', prunedModel(LABELS)],
  ['pruned, over tokens', prunedModel(LABELS, 'tokens')],
  ...Object.keys(DEMULTIPLEXERS).map((name): [string, Model] => [`multiplexed, ${name}`, multiplexed(name)]),
  ['multiplexed, over tokens', multiplexed('rsa', 'tokens')],
])('%s', (_, model) => {
  const feeds = raggedTexts(4 * instancesOf(model.config), 9);

  it('has logits in int8 that are off by a twentieth of their spread at most', async () => {
    const [floats, integers] = [await logitsOf(model, 'fp32', feeds), await logitsOf(model, 'int8', feeds)];
    const spread = Math.max(...floats) - Math.min(...floats);
    expect(worstDifference(integers, floats)).toBeLessThan(spread / 20);
    expect(worstDifference(integers, floats)).toBeGreaterThan(spread / 1e5); // so that being near means something
  });

  it('has no layer whose products are left in floats', () => {
    const { node, initializer } = decodeModel(
      exportClassifier(model.config, model.parameters, { precision: 'int8' }).bytes,
    ).graph;
    expect(node.filter(({ opType }) => opType === 'DynamicQuantizeLinear').length).toBeGreaterThan(3);
    const names = initializer.map(({ name }) => name);
    expect(names.filter((name) => /^bert\.encoder.*\.weight$/.test(name) && !name.includes('LayerNorm'))).toEqual([]);
    expect(names).not.toContain('bert.embeddings.word_embeddings.weight');
    expect(names).toContain('classifier.weight');
  });
});

it('takes about a quarter of the bytes', () => {
  const config: ModelConfig = { encoder: presetConfig('tiny'), labels: LABELS, featureSize: 128 };
  const parameters = initialModel(config, 1);
  const [fp32, int8] = (['fp32', 'int8'] as const).map(
    (precision) => exportClassifier(config, parameters, { precision }).bytes.length,
  ) as [number, number];
  expect(int8 / fp32).toBeGreaterThan(0.25);
  expect(int8 / fp32).toBeLessThan(0.28); // scales, norms and positions are floats
});

describe('a folder', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prumux-quantized-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('without an int8 model says how to make one', async () => {
    const model = randomModel(LABELS);
    await writeModelFolder(folder, { ...model, card: '# none\n', evidence: {} });
    const reading = readTextClassifier(folder, undefined, 'int8');
    await expect(reading).rejects.toThrow(CheckpointError);
    await expect(reading).rejects.toThrow(
      /model_quantized\.onnx: expected the int8 model, got no such file\. Make it: prumux quantize/,
    );
    expect((await readTextClassifier(folder)).precision).toBe('fp32'); // which is made on the way
  });

  it('runs in the precision that it says, unless another one is asked for', async () => {
    const model = randomModel(LABELS);
    const quantized = exportClassifier(model.config, model.parameters, { precision: 'int8' }).bytes;
    const evidence = { evaluation: { accuracy: 0.9 }, quantization: { int8: { accuracy: 0.8 } } };
    await writeModelFolder(folder, { ...model, quantized, precision: 'int8', card: '# int8\n', evidence });
    expect(await readTextClassifier(folder)).toMatchObject({ precision: 'int8', onnx: onnxPath(folder, 'int8') });
    expect((await readTextClassifier(folder, undefined, 'fp32')).precision).toBe('fp32');
    for (const [asked, precision, accuracy] of [
      [undefined, 'int8', 0.8],
      ['fp32', 'fp32', 0.9],
    ] as const) {
      const { description, close } = await openServedModel({ model: folder, precision: asked }, cpu(1), undefined);
      const name = precision === 'int8' ? `${basename(folder)}:int8` : basename(folder);
      expect(description).toMatchObject({ name, folder, precision, accuracy });
      await close();
    }
  });
});
