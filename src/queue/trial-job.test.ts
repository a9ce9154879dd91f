/** Orders as jobs: the same order on another machine, whose paths are others; and what is refused. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { ConfigError, VERSION } from '../base/index.ts';
import { builtinName, compressDefaults } from '../train/index.ts';
import { Artefacts } from './artefacts.ts';
import { jobIn, jobOf, orderOf } from './trial-job.ts';
import type { TrialOrder } from './trial-order.ts';

let folder: string;
let artefacts: Artefacts;
let order: TrialOrder;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-job-'));
  artefacts = new Artefacts(join(folder, 'shared'));
  await writeModel(join(folder, 'dense'), randomModel());
  await writeFile(join(folder, 'rows.csv'), 'text,label\na,0\n');
  order = {
    ...{ name: 'n2-s0.6', model: join(folder, 'dense'), recipe: compressDefaults, seed: 3 },
    source: { data: join(folder, 'rows.csv'), evaluation: builtinName, columns: { text: 'text' }, setAside: 9 },
    output: join(artefacts.root, 'trials', 'x', 'n2-s0.6'),
    multiplexed: join(artefacts.root, 'trials', 'x', 'n2-s0'),
    from: { folder: join(artefacts.root, 'trials', 'x', 'n2-s0.4'), fingerprint: 'ab'.repeat(32) },
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('is plain data, and the same order again where the folder is elsewhere', async () => {
  const sent = JSON.parse(JSON.stringify(await jobOf(order, artefacts)));
  expect(JSON.stringify(sent)).not.toContain(folder);
  const job = jobIn(sent);
  expect(job.recipe).toEqual(compressDefaults);
  expect(Object.keys(job.model.files)).toEqual(
    expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json']),
  );
  const there = await orderOf(job, artefacts);
  expect(there).toMatchObject({ name: 'n2-s0.6', seed: 3, recipe: compressDefaults, output: order.output });
  expect(there.multiplexed).toBe(order.multiplexed);
  expect(there.from).toEqual(order.from);
  expect(there.source).toEqual({
    data: expect.stringMatching(/shared.inputs.[0-9a-f]{64}.rows\.csv$/),
    evaluation: builtinName,
    columns: { text: 'text' },
    setAside: 9,
  });
});

it('is the same job when it is made again, and another one for another seed or start', async () => {
  const { from, ...cold } = order;
  const warmer = { ...order, from: { folder: from?.folder ?? '', fingerprint: 'cd'.repeat(32) } };
  const jobs = [order, order, { ...order, seed: 4 }, cold, warmer].map((each) => jobOf(each, artefacts));
  const [one, same, ...others] = await Promise.all(jobs);
  expect(same).toEqual(one);
  for (const other of others) expect(other).not.toEqual(one);
});

it('is refused by another version, and where it is no job', async () => {
  const job = await jobOf(order, artefacts);
  expect(() => jobIn({ ...job, version: '0.0.1' })).toThrow(
    `version: expected a trial of prumux ${VERSION}, got one of 0.0.1. Install the same version on all machines`,
  );
  expect(() => jobIn('no job')).toThrow(ConfigError);
  expect(() => jobIn({ ...job, seed: 'x' })).toThrow(/job seed/);
  expect(() => jobIn({ ...job, output: '../../etc' })).toThrow(/job output/);
  expect(() => jobIn({ ...job, recipe: { ...job.recipe, surprise: 1 } })).toThrow(/job recipe/);
});

it('cannot go outside of the shared folder', async () => {
  await expect(jobOf({ ...order, output: join(folder, 'mine') }, artefacts)).rejects.toThrow(ConfigError);
});
