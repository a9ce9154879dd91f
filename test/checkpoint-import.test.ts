/** Checkpoints of other makers, through the door that training uses: the same tensors under Hugging Face's other names give the same answers. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, type FloatTensor, float32, type ParameterTree } from '../src/base/index.ts';
import { classify, exportClassifier, openTextClassifier, readTextClassifier, scoresOf } from '../src/infer/index.ts';
import { onnxPath, readModelFolder, writeModelFolder, writeSafetensors } from '../src/model/index.ts';
import { cpu } from '../src/runtime/index.ts';
import {
  compressClassifier,
  compressDefaults,
  openData,
  openEvaluation,
  quantizeClassifier,
  readTeacher,
  recipeFor,
} from '../src/train/index.ts';
import { prunedModel, randomModel, writeModel } from './model-folder.kit.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-import-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const renamed = (tree: ParameterTree, rename: (name: string) => string): Map<string, FloatTensor> =>
  new Map(Array.from(tree, ([name, tensor]) => [rename(name), tensor]));

describe('a checkpoint of another maker', () => {
  it.each([
    ['without the prefix', (name: string) => name.replace(/^bert\./, '')],
    [
      'with the old names of norms',
      (name: string) => name.replace('Norm.weight', 'Norm.gamma').replace('Norm.bias', 'Norm.beta'),
    ],
  ])('%s is read as if it had the usual names', async (what, rename) => {
    const model = randomModel();
    const path = join(folder, what);
    await writeModel(path, model);
    await writeSafetensors(join(path, 'model.safetensors'), renamed(model.parameters, rename));
    const { parameters } = await readModelFolder(path);
    expect(new Map(parameters)).toEqual(new Map(model.parameters));
  });

  it('whose pooler is pruned is read too', async () => {
    const path = join(folder, 'pruned');
    await writeModel(path, prunedModel());
    const classifier = await openTextClassifier(path, cpu());
    await classifier.close();
  });

  it('that lacks a tensor, or has one of another shape, is refused with all that is wrong', async () => {
    const model = randomModel();
    const path = join(folder, 'damaged');
    await writeModel(path, model);
    const damaged = new Map(model.parameters);
    damaged.delete('bert.encoder.layer.1.output.dense.bias');
    damaged.set('bert.encoder.layer.0.attention.self.key.bias', float32([1, 2, 3], [3]));
    await writeSafetensors(join(path, 'model.safetensors'), damaged);
    const refused = readModelFolder(path);
    await expect(refused).rejects.toThrow(CheckpointError);
    await expect(refused).rejects.toThrow(/model\.safetensors.*2 that do not fit/s);
    await expect(refused).rejects.toThrow(/layer\.1\.output\.dense\.bias: missing, expected \[32\]/);
    await expect(refused).rejects.toThrow(/layer\.0\.attention\.self\.key\.bias: expected \[32\], got \[3\]/);
  });

  it('without a classifier of the size that its labels want is refused', async () => {
    const model = randomModel(['a', 'b', 'c']);
    const path = join(folder, 'labels');
    await writeModel(path, {
      ...model,
      parameters: new Map([...model.parameters, ['classifier.bias', float32([0, 0], [2])]]),
    });
    await expect(openTextClassifier(path, cpu())).rejects.toThrow(/classifier\.bias: expected \[3\], got \[2\]/);
  });
});

describe('a classifier of another maker', () => {
  /** A folder as transformers leaves it: without our block, and without what is usual. */
  async function foreign(name: string, labels: readonly string[], changes: object = {}): Promise<string> {
    const path = join(folder, name);
    await writeModel(path, randomModel(labels));
    const { prumux, id2label, label2id, ...rest } = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'));
    expect([prumux, id2label, label2id]).not.toContain(undefined);
    await writeFile(join(path, 'config.json'), JSON.stringify({ ...rest, ...changes }));
    return path;
  }

  it('has the classes of its head where config.json says nothing of them, as of two without names', async () => {
    const { config } = await readModelFolder(await foreign('nameless', ['a', 'b']));
    expect(config.labels).toEqual(['LABEL_0', 'LABEL_1']);
    const teacher = await readTeacher(join(folder, 'nameless'));
    expect(teacher.config.labels).toEqual(['LABEL_0', 'LABEL_1']);
  });

  it('is refused where its head has one number', async () => {
    const path = await foreign('regression', ['a']);
    for (const open of [() => openTextClassifier(path, cpu()), () => readTeacher(path)]) {
      await expect(open()).rejects.toThrow(/expected a classifier of two classes or more, got a head of one number/);
    }
  });

  it('may be given the numbers of its classes, as its students may; a model of our own may not', async () => {
    const [numbers, names] = [join(folder, 'numbers.tsv'), join(folder, 'names.tsv')];
    await writeFile(numbers, 'sentence\tlabel\na fine story\t1\na poor story\t0\n');
    await writeFile(names, 'sentence\tlabel\na fine story\tbad\na poor story\tgood\n');
    const labelsIn = async (path: string) => {
      const { config } = await readModelFolder(path);
      return (await openEvaluation(numbers, config)).examples.map(({ label }: { label?: number }) => label);
    };
    const path = await foreign('named', ['bad', 'good'], { id2label: { 0: 'bad', 1: 'good' } });
    expect(await labelsIn(path)).toEqual([1, 0]);
    const student = join(folder, 'student of a named one');
    await writeModelFolder(student, { ...(await readModelFolder(path)), card: '', evidence: {} });
    expect(await labelsIn(student)).toEqual([1, 0]);

    const own = join(folder, 'own');
    await writeModel(own, randomModel(['bad', 'good']));
    await expect(labelsIn(own)).rejects.toThrow('numbers.tsv:2: expected a label known from training (bad, good)');
    await expect(openData({ data: names, evaluation: numbers })).rejects.toThrow('got "1". Write its name');
  });

  it('is a teacher of students that read as long rows as it does, unless it is said otherwise', async () => {
    const { config } = await readModelFolder(await foreign('long', ['a', 'b']));
    expect(recipeFor(config, compressDefaults).maxTokens).toBe(32);
    expect(recipeFor({ ...config, maxTokens: 24 }, compressDefaults).maxTokens).toBe(24);
    expect(recipeFor({ ...config, maxTokens: 24 }, { ...compressDefaults, maxTokens: 16 }).maxTokens).toBe(16);
    expect(recipeFor(config, { ...compressDefaults, maxTokens: 64 }).maxTokens).toBe(32);
  });

  it('is a teacher of students that learn at rates for its width', async () => {
    const { config } = await readModelFolder(await foreign('wide', ['a', 'b']));
    const wide = { ...config, encoder: { ...config.encoder, hiddenSize: 768 } };
    expect(recipeFor(config, compressDefaults).learningRate).toEqual({ multiplex: 3e-4, prune: 3e-4, recover: 2e-4 });
    const asked = { ...compressDefaults, learningRate: { prune: 1e-4 } };
    expect(recipeFor(wide, asked).learningRate).toEqual({ multiplex: 5e-5, prune: 1e-4, recover: 3e-5 });
  });

  it('is run by its weights, whatever ONNX file lies beside them, and reads as many tokens as it has positions for', async () => {
    const path = await foreign('stale', ['a', 'b']);
    await writeFile(join(path, 'onnx', 'model.onnx'), 'of another model');
    const classifier = await openTextClassifier(path, cpu());
    expect(classifier.maxTokens).toBe(32);
    expect(await classify(classifier, [{ text: 'a fine story' }])).toHaveLength(1);
    await classifier.close();
    await writeFile(join(path, 'onnx', 'model_quantized.onnx'), 'of another model');
    const inIntegers = openTextClassifier(path, cpu(), undefined, 'int8');
    await expect(inIntegers).rejects.toThrow(/expected the int8 model, got a file made elsewhere/);
  });

  it('is quantized from its weights, and the folder then runs what was made of them', async () => {
    const path = await foreign('stale before quantize', ['a', 'b'], { id2label: { 0: 'a', 1: 'b' } });
    const { config, parameters } = await readModelFolder(path);
    for (const file of ['model.onnx', 'model_quantized.onnx']) await writeFile(join(path, 'onnx', file), 'another');
    const rows = join(folder, 'rows.tsv');
    await writeFile(rows, 'sentence\tlabel\na fine story\ta\na poor story\tb\n');
    const output = join(folder, 'quantized');
    const options = { source: { evaluation: rows }, output, seed: 1, placement: cpu() };
    expect(await quantizeClassifier(path, options)).toMatchObject({ folder: output });
    const shipped = await readFile(onnxPath(output, 'fp32'));
    expect(shipped.equals(exportClassifier(config, parameters).bytes)).toBe(true);
    expect(await readTextClassifier(output)).toMatchObject({ precision: 'int8', onnx: onnxPath(output, 'int8') });
  });
});

it('answers that are no numbers are an error', () => {
  expect(scoresOf(Float32Array.of(0, 0))).toEqual([0.5, 0.5]);
  for (const broken of [Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => scoresOf(Float32Array.of(broken, 0))).toThrow(/logits: expected finite numbers/);
  }
});

describe('a teacher', () => {
  it('that takes several inputs per pass is refused, with what to give instead', async () => {
    const model = randomModel();
    const path = join(folder, 'multiplexed');
    const mux = { instances: 2, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' };
    await writeModel(path, model);
    await writeModelFolder(path, { ...model, config: { ...model.config, mux }, card: '', evidence: {} });
    const run = compressClassifier(path, compressDefaults, {
      source: { data: 'builtin', evaluation: 'builtin' },
      output: join(folder, 'out'),
      seed: 1,
      placement: cpu(),
      onStep: () => undefined,
    });
    await expect(run).rejects.toThrow(/one of 2 inputs.*compressed from/);
  });
});
