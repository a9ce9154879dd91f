/** How many rows `bench` and `calibrate` measure throughput on: some of a long file. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { program } from '../../test/program.kit.ts';
import { type Contestant, measuredRows, type Throughput } from '../infer/index.ts';

const counts: (number | undefined)[] = [];

/** In place of a measurement. */
function counted(contestants: readonly Contestant[]): Throughput[] {
  return contestants.map(({ name, own }) => {
    counts.push(own?.encodings.length);
    return { name, examplesPerSecond: 1, ratio: 1, groups: 1, streams: 1, rounds: [1] };
  });
}

vi.mock('../infer/index.ts', async (load) => ({
  ...(await load<typeof import('../infer/index.ts')>()),
  compareThroughput: async (contestants: readonly Contestant[]) => counted(contestants),
}));

const ROWS = Array.from({ length: 1100 }, (_, row) => `a ${row % 2 === 0 ? 'fine' : 'poor'} story\t${row % 2}`);

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-measured-rows-'));
  for (const name of ['one', 'other']) await writeModel(at(name), randomModel());
  await writeFile(at('rows.tsv'), `sentence\tlabel\n${ROWS.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each([
  ['bench', ['other', '--data']],
  ['calibrate', ['--with', 'other', '--groupings', '1', '--eval']],
])('%s', async (command, flags) => {
  counts.length = 0;
  const argv = [...flags, 'rows.tsv'].map((word) => (/^-|^\d/.test(word) ? word : at(word)));
  const { code, err, out } = await program([command, at('one'), ...argv, '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const few = measuredRows(ROWS).length;
  expect(counts).toEqual([few, few]);
  // A threshold is found on all rows.
  expect(JSON.parse(out).examples).toBe(command === 'bench' ? few : ROWS.length);
});
