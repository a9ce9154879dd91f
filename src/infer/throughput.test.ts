/** Throughput side by side: what the figures must have to do with each other, and what is told on the way. */
import { InferenceSession } from 'onnxruntime-node';
import { expect, it, vi } from 'vitest';
import { ProgressRecord } from '../../test/progress-record.kit.ts';
import { loudParameters, tinyConfig, tinySet } from '../../test/tiny-bert.kit.ts';
import { cpu } from '../runtime/index.ts';
import { exportClassifier } from './export.ts';
import { compareThroughput, measuredRows } from './throughput.ts';

const model = { config: tinyConfig, onnx: exportClassifier(tinyConfig, loudParameters(tinyConfig, 1)).bytes };
const { encodings, padId } = tinySet(12);

it('takes the median of the rounds, and ratios to the first; tells of every batch size and of every round', async () => {
  const contestants = [
    { name: 'one', ...model },
    { name: 'other', ...model },
  ];
  const record = new ProgressRecord();
  const options = { padId, maxTokens: 8, rounds: 3, rows: [1, 8], placement: cpu(1), onProgress: record.onProgress };
  const results = await compareThroughput(contestants, encodings, options);
  expect(results.map(({ name }) => name)).toEqual(['one', 'other']);
  for (const { examplesPerSecond, ratio, rounds, groups, streams } of results) {
    expect(rounds).toHaveLength(3);
    expect(examplesPerSecond).toBe(rounds.toSorted((a, b) => a - b)[1]);
    expect(ratio).toBe(examplesPerSecond / (results[0]?.examplesPerSecond ?? Number.NaN));
    expect([1, 8]).toContain(groups);
    expect(streams).toBe(1);
  }
  record.expectPieces('choosing batch sizes', 'measuring');
});

it('measures on rows from all of a file', () => {
  const rows = Array.from({ length: 872 }, (_, row) => row);
  const measured = measuredRows(rows);
  expect(measured).toHaveLength(512);
  expect(new Set(measured.slice(1).map((row, at) => row - (measured[at] ?? 0)))).toEqual(new Set([1, 2]));
  expect(measured.at(-1)).toBeGreaterThan(869);
  expect(measuredRows(rows.slice(0, 3))).toEqual([0, 1, 2]);
});

it('runs no group of fillers only', async () => {
  const config = {
    ...tinyConfig,
    mux: { instances: 3, multiplexer: 'gaussian-hadamard', demultiplexer: 'mlp', prefillLayers: 0 },
  } as const;
  const onnx = exportClassifier(config, loudParameters(config, 1)).bytes;
  const sizes: unknown[] = [];
  const { create } = InferenceSession;
  vi.spyOn(InferenceSession, 'create').mockImplementation(async (...given: unknown[]) => {
    const session = await Reflect.apply(create, InferenceSession, given);
    const run = session.run.bind(session);
    vi.spyOn(session, 'run').mockImplementation((...fed: unknown[]) => {
      sizes.push((fed[0] as Record<string, { dims: readonly number[] }>).input_ids?.dims[0]);
      return Reflect.apply(run, session, fed);
    });
    return session;
  });
  // 12 rows are 4 groups: of a pass of 3 groups one is left.
  const options = { padId, maxTokens: 8, rounds: 1, rows: [9], placement: cpu(1) };
  await compareThroughput([{ name: 'one', config, onnx }], encodings, options);
  expect(new Set(sizes)).toEqual(new Set([9, 3]));
  vi.restoreAllMocks();
});

it('cuts rows to what each contestant has room for', async () => {
  const maxPositions = 4;
  const short = { ...tinyConfig, encoder: { ...tinyConfig.encoder, maxPositions } };
  const onnx = exportClassifier(short, loudParameters(short, 1)).bytes;
  const contestants = [
    { name: 'long', ...model },
    { name: 'short', config: short, onnx },
  ];
  expect(Math.max(...encodings.map(({ ids }) => ids.length))).toBeGreaterThan(maxPositions);
  const options = { padId, maxTokens: 8, rounds: 1, rows: [8], placement: cpu(1) };
  const results = await compareThroughput(contestants, encodings, options);
  expect(results.map(({ name }) => name)).toEqual(['long', 'short']);
});

it('closes its sessions where it is interrupted while it chooses batch sizes', async () => {
  const released: unknown[] = [];
  const { create } = InferenceSession;
  const creating = vi.spyOn(InferenceSession, 'create').mockImplementation(async (...given: unknown[]) => {
    const session = await Reflect.apply(create, InferenceSession, given);
    vi.spyOn(session, 'release').mockImplementation(async () => void released.push(session));
    return session;
  });
  const stop = new Error('stop');
  const onProgress = (): never => {
    throw stop;
  };
  const options = { padId, maxTokens: 8, rounds: 1, rows: [1, 8], placement: cpu(1), onProgress };
  await expect(compareThroughput([{ name: 'one', ...model }], encodings, options)).rejects.toBe(stop);
  expect(released).toEqual(await Promise.all(creating.mock.results.map(({ value }) => value)));
  expect(released).toHaveLength(1);
  vi.restoreAllMocks();
});
