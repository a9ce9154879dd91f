/** Checkpoints of other makers, through the door that training uses: the same tensors under Hugging Face's other names give the same answers. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, type FloatTensor, float32, type ParameterTree } from '../src/base/index.ts';
import { openTextClassifier } from '../src/infer/index.ts';
import { readModelFolder, writeModelFolder, writeSafetensors } from '../src/model/index.ts';
import { cpu } from '../src/runtime/index.ts';
import { compressClassifier, compressDefaults } from '../src/train/index.ts';
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
