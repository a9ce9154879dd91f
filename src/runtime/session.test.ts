/** Sessions: results written where the caller wants them, and errors that say what to do. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendError, CheckpointError, ConfigError, type FloatTensor, float32, int64 } from '../base/index.ts';
import { add, argMax, greater, input, mul, neg } from '../graph/index.ts';
import { emit } from './emit.ts';
import { compile, cpu, DEVICES, openSession, parseDevice, type Session } from './index.ts';

const x = input('x', [2, 2]);
const values = (): FloatTensor => float32([1, 2, 3, 4], [2, 2]);

describe('run', () => {
  let session: Session;

  beforeAll(async () => {
    session = await compile({ outputs: { doubled: mul(x, 2), negated: neg(x) } }, cpu(1));
  });
  afterAll(() => session.close());

  it('gives every output by name, fresh', async () => {
    const given = values();
    const results = await session.run({ x: given });
    expect(results).toEqual({ doubled: float32([2, 4, 6, 8], [2, 2]), negated: float32([-1, -2, -3, -4], [2, 2]) });
    expect(given).toEqual(values());
  });

  it('writes into the tensors that it is handed', async () => {
    const target = float32([0, 0, 0, 0], [2, 2]);
    const results = await session.run({ x: values() }, { doubled: target });
    expect(results.doubled).toBe(target);
    expect(target.data).toEqual(Float32Array.of(2, 4, 6, 8));
    expect(results.negated?.data).toEqual(Float32Array.of(-1, -2, -3, -4));
  });

  it('names the input that is missing', async () => {
    await expect(session.run({})).rejects.toThrow('a value for the input x');
  });

  it('says which outputs and inputs there are', () => {
    expect(session.inputs).toEqual(['x']);
    expect(session.outputs).toEqual(['doubled', 'negated']);
  });
});

it('writes over an input, again and again', async () => {
  const session = await compile({ outputs: { next: add(x, 1) } }, cpu(2));
  const state = values();
  for (let step = 0; step < 10; step++) await session.run({ x: state }, { next: state });
  expect(state.data).toEqual(Float32Array.of(11, 12, 13, 14));
  await session.close();
});

it('keeps no copy of what it has written into a tensor', async () => {
  const size = 4_000_000;
  const session = await compile({ outputs: { next: add(input('many', [size]), 1) } }, cpu(1));
  const many = float32(new Float32Array(size), [size]);
  const before = process.memoryUsage().arrayBuffers;
  await session.run({ many }, { next: many });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(size);
  expect(many.data.every((value) => value === 1)).toBe(true);
  await session.close();
});

it('gives whole numbers and truth values as such', async () => {
  const session = await compile({ outputs: { largest: argMax(x), above: greater(x, 2) } }, cpu(1));
  const results = await session.run({ x: values() });
  expect(results.largest).toEqual(int64([1, 1], [2]));
  expect(results.above).toEqual({ dtype: 'bool', shape: [2, 2], data: Uint8Array.of(0, 0, 1, 1) });
  await session.close();
});

describe('a model that cannot be opened', () => {
  const { bytes } = emit({ outputs: { y: neg(x) } });
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prumux-session-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('opens from a file where it is whole', async () => {
    const path = join(folder, 'whole.onnx');
    await writeFile(path, bytes);
    const session = await openSession(path, cpu(1));
    expect((await session.run({ x: values() })).y?.data).toEqual(Float32Array.of(-1, -2, -3, -4));
    await session.close();
  });

  it.each([
    ['garbage', new TextEncoder().encode('this is no model')],
    ['cut short', bytes.subarray(0, bytes.length - 9)],
    ['empty', new Uint8Array()],
  ])('is an error of the file, or of the bytes: %s', async (name, broken) => {
    await expect(openSession(broken, cpu(1))).rejects.toThrow(BackendError);
    const path = join(folder, `${name}.onnx`);
    await writeFile(path, broken);
    await expect(openSession(path, cpu(1))).rejects.toThrow(CheckpointError);
    await expect(openSession(path, cpu(1))).rejects.toThrow(path);
    // The runtime's own messages end with a full stop, ours with one.
    await expect(openSession(path, cpu(1))).rejects.not.toThrow('..');
  });

  it('is an error of the file: no such file, which no new runtime would mend', async () => {
    const opening = openSession(join(folder, 'none.onnx'), cpu(1));
    await expect(opening).rejects.toThrow(CheckpointError);
    await expect(opening).rejects.toThrow(/none\.onnx/);
    await expect(opening).rejects.not.toThrow('Reinstall');
  });

  it('says how to get a provider that is missing', async () => {
    // The tests' own installation has no CUDA provider: .npmrc skips its download.
    const opening = openSession(bytes, { device: 'cuda', threads: 1 });
    await expect(opening).rejects.toThrow(BackendError);
    await expect(opening).rejects.toThrow(/^device cuda: expected .+, got .+ Or use --device cpu\.$/s);
  });
});

describe('parseDevice', () => {
  it('knows the devices, and refuses others by name', () => {
    expect(DEVICES.map(parseDevice)).toEqual([...DEVICES]);
    expect(() => parseDevice('tpu')).toThrow(new ConfigError('device', { expected: 'cpu, webgpu, cuda', got: 'tpu' }));
  });
});
