/** The table of times, measured in little: its shape, that it is kept, and what is made of noise. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ModelConfig, presetConfig } from '../model/index.ts';
import { cpu } from '../runtime/index.ts';
import { RunFolder } from './checkpoint.ts';
import { gridFor, measureTimes, preferredMultiple, rising } from './sub-layer-times.ts';

let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'prumux-times-'));
});
afterAll(() => rm(base, { recursive: true, force: true }));

it('takes as grid every head of few and some of many, units by halving, and hidden sizes down to a quarter', () => {
  expect(gridFor(presetConfig('base'))).toEqual({
    heads: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    units: [96, 192, 384, 768, 1536, 3072],
    hidden: [192, 384, 768],
  });
  expect(gridFor(presetConfig('mini')).heads).toEqual([1, 2, 3, 4]);
});

const config: ModelConfig = {
  encoder: {
    ...presetConfig('tiny', 50),
    hiddenSize: 16,
    headSize: 8,
    layers: Array.from({ length: 3 }, () => ({ heads: 2, intermediateSize: 24 })),
  },
  labels: ['a', 'b'],
  featureSize: 16,
  mux: { instances: 2, multiplexer: 'gaussian-hadamard', demultiplexer: 'index', prefillLayers: 1 },
};
const grid = { heads: [1, 2], units: [8, 24], hidden: [8, 16] };

it('has a time for every place, width and hidden size, and is not measured twice', async () => {
  const folder = new RunFolder(join(base, 'run'), 'fingerprint');
  const setting = { config, tokens: 6, groups: 2, streams: 1, placement: cpu(1) };
  const table = await measureTimes(setting, folder, grid);
  expect(table).toMatchObject({ ...grid, heads: [0, 1, 2], units: [0, 8, 24], prefillLayers: 1, isReadInPart: true });
  expect(table.multiples).toEqual({ hidden: 1, units: 1 }); // too narrow to ask
  expect(Object.keys(table.places)).toEqual(['rows', 'groups', 'read']);
  for (const { attention, feedForward } of Object.values(table.places)) {
    for (const times of [attention, feedForward]) {
      expect(times.map((row) => row.length)).toEqual([2, 2, 2]);
      expect(times[0]).toEqual([0, 0]);
      expect(times.flat().every((time) => time >= 0 && Number.isFinite(time))).toBe(true);
    }
  }
  expect(await measureTimes(setting, folder, grid)).toEqual(table);
  expect((await readdir(folder.path)).length).toBe(7); // a note for each place and hidden size, and for multiples
  await folder.remove();
  expect(await readdir(base)).toEqual([]);
});

describe('noise', () => {
  it('makes no time negative, and no wider sub-layer faster', () => {
    expect(rising([-1, 2, 1.5, 3])).toEqual([0, 2, 2, 3]);
  });

  it('is no reason to round widths; steps in time are', () => {
    const linear = (width: number): number => 0.1 + width / 100;
    const around = (time: (width: number) => number) =>
      [8, 4, 2, 1].map((half) => [time(64 - half), time(64 + half)] as const);
    expect(preferredMultiple(linear(64), around(linear))).toBe(1);
    for (const multiple of [16, 8]) {
      const steps = (width: number): number => linear(multiple * Math.ceil(width / multiple));
      expect(preferredMultiple(steps(64), around(steps))).toBe(multiple);
    }
  });
});
