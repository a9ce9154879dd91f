/** A teacher's answers in the run's folder, against those that were made. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tinySet } from '../../test/tiny-bert.kit.ts';
import { float32, random, sizeOf } from '../base/index.ts';
import type { Task } from '../model/index.ts';
import { RunFolder } from './checkpoint.ts';
import { keptLogits } from './teacher.ts';

const C = 3;

let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'prumux-answers-'));
});
afterAll(() => rm(base, { recursive: true, force: true }));

const shapes: Readonly<Record<Task, (tokens: number) => number[]>> = {
  sequence: () => [C],
  tokens: (tokens) => [tokens, C],
};

it.each(['sequence', 'tokens'] as const)('answers are read as they were made, and made once: %s', async (task) => {
  const set = { ...tinySet(), task };
  const draws = random(1, 'answers');
  const made = set.lengths.map((tokens) => {
    const shape = shapes[task](tokens);
    return float32(
      Float32Array.from({ length: sizeOf(shape) }, () => draws.normal()),
      shape,
    );
  });
  const folder = new RunFolder(join(base, task), 'fingerprint');
  expect(await keptLogits('answers', set, folder, async () => made)).toEqual(made);
  expect(await keptLogits('answers', set, folder, () => expect.unreachable('made again'))).toEqual(made);
});
