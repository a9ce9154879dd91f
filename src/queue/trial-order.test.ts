/** What counts as a trial that others can go on from. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pruningPath } from '../model/index.ts';
import { hasStart } from './trial-order.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-trial-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('an unpruned one is its folder, a pruned one has what it was sliced from', async () => {
  const at = (level: number) => ({ target: { measure: 'sparsity', levels: [level] } }) as const;
  expect(hasStart(join(folder, 'none'), at(0))).toBe(false);
  expect(hasStart(folder, at(0))).toBe(true);
  expect(hasStart(folder, at(0.6))).toBe(false);
  await writeFile(pruningPath(folder), '');
  expect(hasStart(folder, at(0.6))).toBe(true);
});
