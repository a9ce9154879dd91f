/** Several levels in one run: what they share, and that a run that breaks off anywhere ends with the bits of an undisturbed one. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { CheckpointError } from '../base/index.ts';
import { cpu } from '../runtime/index.ts';
import { compressClassifier } from './compress.ts';
import { type CompressRecipe, compressDefaults } from './recipe.ts';

const LEVELS = [0.3, 0.6];
const recipe: CompressRecipe = {
  ...compressDefaults,
  target: { measure: 'sparsity', levels: LEVELS },
  epochs: { multiplex: 1, prune: 4, recover: 1 },
  groups: 4,
};

let base: string;
const at = (name: string): string => join(base, name);

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'prumux-levels-'));
  await writeModel(at('dense'), randomModel());
  const rows = Array.from(
    { length: 16 },
    (_, row) => `a ${row % 2 === 0 ? 'fine and quiet' : 'poor old'} story\t${row % 2}`,
  );
  await writeFile(at('rows.tsv'), `sentence\tlabel\n${rows.join('\n')}\n`);
});
afterAll(() => rm(base, { recursive: true, force: true }));

/** Steps that a run did, as `phase step`; it breaks off after the one that is named. */
async function compressInto(output: string, last?: string): Promise<string[]> {
  const done: string[] = [];
  const run = compressClassifier(at('dense'), recipe, {
    source: { data: at('rows.tsv'), evaluation: at('rows.tsv') },
    ...{ output, seed: 5, placement: cpu(1), checkpointSeconds: 0 },
    onStep({ phase, step }) {
      done.push(`${phase} ${step}`);
      if (done.at(-1) === last) throw new CheckpointError('test', { expected: 'time', got: 'the end' });
    },
  });
  if (last === undefined) await run;
  else await expect(run).rejects.toThrow('the end');
  return done;
}

const weightsOf = (output: string): Promise<Buffer[]> =>
  Promise.all(['s30', 's60'].map((level) => readFile(join(output, level, 'model.safetensors'))));

it('prunes on from one level to the next; what is finished is not done again', async () => {
  const whole = await compressInto(at('whole'));
  const count = (phase: string): number => whole.filter((step) => step.startsWith(`${phase} `)).length;
  const phases = [...new Set(whole.map((step) => step.split(' ')[0] ?? ''))];
  expect(phases).toEqual(['multiplex', 'prune-s30', 'recover-s30', 'prune-s60', 'recover-s60']);
  // 16 rows are two batches of 4 groups of 2: one epoch of multiplexing, two of pruning for each level, one of recovery for each.
  expect(phases.map(count)).toEqual([2, 4, 2, 4, 2]);

  const broken = at('broken');
  expect((await compressInto(broken, 'prune-s30 3')).length).toBe(2 + 3);
  // Step 3 broke off before its checkpoint.
  expect(await compressInto(broken, 'recover-s30 1')).toEqual(['prune-s30 3', 'prune-s30 4', 'recover-s30 1']);
  expect(await compressInto(broken, 'prune-s60 1')).toEqual(['recover-s30 1', 'recover-s30 2', 'prune-s60 1']);
  expect(await compressInto(broken)).toEqual(whole.slice(8));
  const [one, other] = [await weightsOf(at('whole')), await weightsOf(broken)];
  expect(one.map((file, level) => file.equals(other[level] ?? Buffer.of()))).toEqual([true, true]);
}, 300_000);

it('raises the target from level to level, and tells of a model how it came about', async () => {
  const { curves, sparsity, target } = JSON.parse(await readFile(join(at('whole'), 's60', 'run.json'), 'utf8'));
  const targets = (phase: string): number[] =>
    curves[phase].map(({ values }: { values: { target: number } }) => Number(values.target.toFixed(4)));
  // Rises over 0.4 · 4 steps, rounded, from what the level before it reached, and stays.
  expect(targets('prune-s30')).toEqual([0, 0.15, 0.3, 0.3]);
  expect(targets('prune-s60')).toEqual([0.3, 0.45, 0.6, 0.6]);
  expect(target).toEqual({ measure: 'sparsity', level: 0.6 });
  expect(sparsity).toBeCloseTo(0.6, 1);
});
