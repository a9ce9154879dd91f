/** The recipes as command lines: the program takes each of them, up to the models and the data, which are not there. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { argumentsOf } from '../bench/named-run-result.ts';
import { GRID_RUN } from '../recipes/auto.ts';
import { CORPORA, type CorpusName, denseRun, ENCODERS, studentRun } from '../recipes/multiplexing.ts';
import type { NamedRun } from '../recipes/named-run.ts';
import { type StudentRun, separateRun, sparsitiesRun, speedRun, TEACHER_RUNS } from '../recipes/pruning.ts';
import { program } from './program.kit.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-recipes-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const corpora = Object.keys(CORPORA) as CorpusName[];
const instances = [1, 2, 5];
const runs = [
  ...TEACHER_RUNS,
  GRID_RUN,
  ...ENCODERS,
  ...corpora.flatMap((corpus) => [denseRun(corpus), ...instances.slice(1).map((N) => studentRun(corpus, N))]),
  ...instances
    .map((N): StudentRun => ({ teacher: TEACHER_RUNS[0] as NamedRun, instances: N, seed: 1 }))
    .flatMap((student) => [sparsitiesRun(student), separateRun(student, 0.9), speedRun(student, 8)]),
];

it.each(runs.map((run) => [run.name, run] as const))('%s is a command line that the program takes', async (_, run) => {
  const { code, err } = await program(argumentsOf(run, { data: join(folder, 'data'), out: join(folder, 'out') }));
  expect(err).toContain(folder); // what it lacks
  expect(code, err).toBe(1);
});
