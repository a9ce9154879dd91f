/** A model folder there and back, read by transformers.js too, and folders that lack something. */
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { AutoTokenizer, env } from '@huggingface/transformers';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { CheckpointError, float32, parameterOf } from '../base/index.ts';
import { OWNER } from './atomic-file.ts';
import { initialEncoder, initialParameters, takenFrom } from './checkpoint.ts';
import { type ModelConfig, presetConfig } from './config.ts';
import {
  checkDestination,
  type Delivery,
  folderBytes,
  pruningPath,
  readModelFolder,
  writeModelFolder,
} from './folder.ts';
import { resolveModel } from './hub.ts';
import { wordHeadShapes } from './masked-language.ts';
import { readSafetensors } from './safetensors.ts';
import parity from './tokenizer.parity.json' with { type: 'json' };
import { tokenizerOf } from './tokenizer.ts';
import { wordPieceTokenizer } from './vocabulary.ts';

const root = await mkdtemp(join(tmpdir(), 'prumux-folder-'));
const folder = join(root, 'model');
beforeEach(() => rm(folder, { recursive: true, force: true }));
afterAll(() => rm(root, { recursive: true }));

const tokenizer = tokenizerOf(wordPieceTokenizer(parity.vocabulary));
const config: ModelConfig = {
  encoder: presetConfig('tiny', tokenizer.vocabularySize),
  labels: ['no', 'yes'],
  featureSize: 128,
};
const delivery: Delivery = {
  config,
  parameters: initialEncoder(config.encoder, 3),
  tokenizer,
  onnx: Uint8Array.of(8, 9),
  card: '# A model\n',
  evidence: { seed: 3 },
};

describe('a model folder', () => {
  it('holds the files that design.md names and gives the model back', async () => {
    await writeModelFolder(folder, delivery);
    expect((await readdir(folder, { recursive: true })).sort()).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'onnx',
      'onnx/model.onnx',
      'run.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const read = await readModelFolder(folder);
    expect(read.config).toEqual(config);
    expect(read.parameters).toEqual(delivery.parameters);
    expect(read.tokenizer.json).toEqual(tokenizer.json);
    expect(JSON.parse(await readFile(join(folder, 'run.json'), 'utf8'))).toEqual({ seed: 3 });
  });

  it('replaces an earlier model, its ONNX too, and keeps what lies beside it', async () => {
    await writeModelFolder(folder, delivery);
    await writeFile(join(folder, 'report.html'), 'report');
    const { onnx, ...withoutOnnx } = delivery;
    expect(onnx).toBeDefined();
    const bytes = await folderBytes(folder);
    await writeModelFolder(folder, { ...delivery, pruning: { tensors: delivery.parameters, metadata: {} } });
    expect((await readSafetensors(pruningPath(folder))).tensors).toEqual(delivery.parameters);
    expect(await folderBytes(folder)).toBe(bytes);
    await writeModelFolder(folder, { ...withoutOnnx, card: 'second' });
    expect(existsSync(pruningPath(folder))).toBe(false);
    expect(await readFile(join(folder, 'README.md'), 'utf8')).toBe('second');
    expect(await readdir(folder)).not.toContain('onnx');
    expect(await readFile(join(folder, 'report.html'), 'utf8')).toBe('report');
  });

  it('is found by whoever reads it or is to write there, where a process was killed while it replaced it', async () => {
    const finders = [readModelFolder, resolveModel, checkDestination];
    await writeModelFolder(folder, delivery);
    for (const find of finders) {
      await rename(folder, `${folder}.replaced-by-${OWNER.slice(0, -8)}0123abcd`);
      await find(folder);
      expect(await readdir(root)).toEqual(['model']);
    }
  });

  it('is not written over the files of another project, nor over a file or into it', async () => {
    await writeFile(join(root, 'README.md'), 'mine');
    await expect(writeModelFolder(root, delivery)).rejects.toThrow('other files of the names README.md');
    expect(await readFile(join(root, 'README.md'), 'utf8')).toBe('mine');
    await writeFile(join(root, 'config.json'), '{"port": 8080}');
    await expect(writeModelFolder(root, delivery)).rejects.toThrow('other files of the names README.md, config.json');
    await writeFile(join(root, 'config.json'), '{"model_type": "roberta"}');
    await expect(writeModelFolder(root, delivery)).rejects.toThrow('other files of the names README.md, config.json');
    await rm(join(root, 'README.md'));
    await rm(join(root, 'config.json'));
    const file = join(import.meta.dirname, 'folder.ts');
    for (const place of [file, join(file, 's30'), join(file, 'of', 'several', 's30')]) {
      await expect(checkDestination(place), place).rejects.toThrow(`${file}: expected a folder, got a file`);
    }
    await checkDestination(join(root, 'new', 'folders', 's30'));
  });

  it('is not written in the place of the folder that the process is in', async () => {
    await writeModelFolder(folder, delivery);
    const cwd = vi.spyOn(process, 'cwd').mockReturnValue(folder);
    await expect(checkDestination(folder)).rejects.toThrow('expected another folder than the one that you are in');
    cwd.mockRestore();
    await checkDestination(folder);
  });

  const isVolume = existsSync('/dev/shm') && statSync('/dev/shm').dev !== statSync('/dev').dev;
  it.skipIf(!isVolume)('is not written in the place of a volume, as /dev/shm is on most machines', async () => {
    await expect(checkDestination('/dev/shm')).rejects.toThrow(
      '/dev/shm: expected a folder that can be replaced, got the root of a volume. Choose a folder in it, as /dev/shm/model.',
    );
  });

  it('has a tokenizer that transformers.js loads and that encodes alike', async () => {
    await writeModelFolder(folder, delivery);
    const told = async (file: string) => JSON.parse(await readFile(join(folder, file), 'utf8'));
    expect(await told('config.json')).toMatchObject({ pad_token_id: tokenizer.padId });
    expect(await told('tokenizer_config.json')).toMatchObject({
      ...{ do_lower_case: true, strip_accents: null, tokenize_chinese_chars: true },
    });
    env.allowRemoteModels = false;
    env.localModelPath = dirname(folder);
    const theirs = await AutoTokenizer.from_pretrained(basename(folder));
    // Truncation is not compared: transformers.js drops the last [SEP]. An empty second text is none to it. Chinese characters of two UTF-16 units
    // are not apart to it.
    const cases = parity.cases.filter(({ text, pair }) => pair !== '' && !/[\u{20000}-\u{2FFFF}]/u.test(text));
    expect(cases.length).toBeGreaterThan(80);
    for (const { text, pair } of cases) {
      const { input_ids, token_type_ids } = theirs(text, { text_pair: pair, return_tensor: false });
      expect(tokenizer.encode(text, pair ?? undefined)).toEqual({ ids: input_ids, types: token_type_ids });
    }
  });
});

describe('readModelFolder', () => {
  it("takes the norm of a head from TensorFlow's names: a scale of 3 in the file is one of 3 in the model", async () => {
    const head = 'cls.predictions.transform.LayerNorm';
    const norm = [
      [`${head}.gamma`, float32(new Float32Array(128).fill(3), [128])],
      [`${head}.beta`, float32(new Float32Array(128).fill(0.5), [128])],
    ] as const;
    await writeModelFolder(folder, { ...delivery, parameters: new Map([...delivery.parameters, ...norm]) });
    const { parameters } = await readModelFolder(folder);
    const model = takenFrom(parameters, initialParameters(wordHeadShapes(config), 1));
    expect(new Set(parameterOf(model, `${head}.weight`).data)).toEqual(new Set([3]));
    expect(new Set(parameterOf(model, `${head}.bias`).data)).toEqual(new Set([0.5]));
  });

  async function messageOfReading(): Promise<string> {
    const error = await readModelFolder(folder).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CheckpointError);
    return (error as CheckpointError).message;
  }

  it('names the folder that is not there', async () => {
    expect(await messageOfReading()).toBe(`${folder}: expected a model folder, got no such folder.`);
  });

  it.each(['config.json', 'tokenizer.json', 'model.safetensors'])('names %s when it is missing', async (file) => {
    await writeModelFolder(folder, delivery);
    await unlink(join(folder, file));
    expect(await messageOfReading()).toContain(`expected ${file} in the model folder, got only README.md`);
  });

  it.each(['config.json', 'tokenizer.json', 'model.safetensors'])('names %s when it is cut short', async (file) => {
    await writeModelFolder(folder, delivery);
    const whole = await readFile(join(folder, file));
    await writeFile(join(folder, file), whole.subarray(0, whole.length / 2));
    expect(await messageOfReading()).toContain(join(folder, file));
  });

  it('reads JSON that an editor has given a byte order mark', async () => {
    await writeModelFolder(folder, delivery);
    for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json']) {
      await writeFile(join(folder, file), `\uFEFF${await readFile(join(folder, file), 'utf8')}`);
    }
    expect((await readModelFolder(folder)).config).toEqual(config);
  });

  it.skipIf(process.platform === 'win32')('says where its files may not be read', async () => {
    await writeModelFolder(folder, delivery);
    await chmod(root, 0o711);
    await chmod(folder, 0o311);
    const isRoot = process.getuid?.() === 0; // whom permissions do not keep out
    if (isRoot) process.seteuid?.(65534);
    try {
      expect(await messageOfReading()).toContain(`${folder}: expected a readable folder, got EACCES`);
    } finally {
      if (isRoot) process.seteuid?.(0);
      await chmod(folder, 0o711);
    }
  });

  it('says what to do with weights in another format', async () => {
    await writeModelFolder(folder, delivery);
    await unlink(join(folder, 'model.safetensors'));
    await writeFile(join(folder, 'pytorch_model.bin'), '');
    expect(await messageOfReading()).toContain('must be converted to one model.safetensors');
  });

  it('refuses a tokenizer with more tokens than the embeddings have', async () => {
    const encoder = { ...config.encoder, vocabularySize: 100 };
    await writeModelFolder(folder, { ...delivery, config: { ...config, encoder } });
    expect(await messageOfReading()).toContain('expected at most the 100 of vocab_size in config.json, got 140 tokens');
  });
});
