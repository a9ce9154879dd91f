/** `compress --speedup` from the command line to the model folder, with clocks that count work: real times of a model that small are noise. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Contestant, Throughput } from '../src/infer/index.ts';
import type { ModelConfig } from '../src/model/index.ts';
import type { Probe } from '../src/train/relative-times.ts';
import { randomModel, writeModel } from './model-folder.kit.ts';
import { program } from './program.kit.ts';

/** Multiplications of a row's pass, about; and a little that no pruning saves. */
function workOf({ encoder, mux }: ModelConfig): number {
  const { hiddenSize, headSize, layers } = encoder;
  const widths = layers.reduce((sum, layer) => sum + 4 * layer.heads * headSize + 2 * layer.intermediateSize, 0);
  return (100 + hiddenSize * widths) / (mux?.instances ?? 1);
}

vi.mock('../src/infer/index.ts', async (load) => ({
  ...(await load<typeof import('../src/infer/index.ts')>()),
  compareThroughput: async (contestants: readonly Contestant[]): Promise<Throughput[]> =>
    contestants.map(({ name, config }) => {
      const ratio = workOf((contestants[0] as Contestant).config) / workOf(config);
      return { name, examplesPerSecond: ratio, ratio, groups: 1, streams: 1, rounds: [ratio] };
    }),
}));

vi.mock('../src/train/relative-times.ts', async (load) => ({
  ...(await load<typeof import('../src/train/relative-times.ts')>()),
  relativeTimes: async (probes: readonly Probe[], reference: Probe): Promise<number[]> =>
    probes.map(({ config }) => workOf(config) / workOf(reference.config)),
}));

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-speedup-'));
  await writeModel(at('dense'), randomModel());
  const rows = Array.from(
    { length: 16 },
    (_, row) => `a ${row % 2 === 0 ? 'fine and quiet' : 'poor old'} story\t${row % 2}`,
  );
  await writeFile(at('rows.tsv'), `sentence\tlabel\n${rows.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const compressTo = (instances: number, ...more: string[]) =>
  program([
    ...['compress', at('dense'), '--data', at('rows.tsv'), '--eval', at('rows.tsv'), '--instances', `${instances}`],
    ...['--threads', '1', '--prune-epochs', '8', '--recover-epochs', '1', '--groups', '8', '--json'],
    ...more,
  ]);

const above0 = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0);

it('prunes until the table of times promises the speed, and tells what was measured', async () => {
  const { code, out } = await compressTo(1, '--speedup', '2.2', '-o', at('fast'));
  expect(code).toBe(0);
  const { speedup, sparsity, folder: output } = JSON.parse(out);
  expect({ speedup, sparsity, output }).toEqual({
    speedup: { asked: 2.2, predicted: above0, measured: expect.closeTo(2.2, 0) },
    sparsity: above0,
    output: at('fast'),
  });
  const { speedup: kept, target, curves } = JSON.parse(await readFile(at('fast/run.json'), 'utf8'));
  expect({ kept, target }).toEqual({ kept: speedup, target: { measure: 'speedup', level: 2.2 } });
  expect(curves.prune.at(-1).values).toMatchObject({ speedup: above0, target: above0, prediction: above0 });
}, 300_000);

it('refuses a speed that no model on this machine has before anything is trained, and says which one has', async () => {
  const argv = ['--multiplex-epochs', '100000', '--speedup', '10000', '-o', at('faster')];
  const { code, err } = await compressTo(2, ...argv);
  expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/speedup: expected below [\d.]+, .*got 10000/) });
  expect(existsSync(at('faster.run'))).toBe(false);
}, 300_000);

it('times no other model than the one that runs', async () => {
  const { code, err } = await compressTo(1, '--speedup', '2', '--precision', 'int8', '-o', at('both'));
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('--precision: expected fp32 with --speedup') });
});

it('aims at one thing', async () => {
  const { code, err } = await compressTo(1, '--speedup', '2', '--sparsity', '0.5', '-o', at('both'));
  expect({ code, err }).toEqual({
    code: 2,
    err: expect.stringContaining('--speedup: expected either it or --sparsity'),
  });
});
