/** Phases with a run's folder: what is finished is read, what was interrupted goes on, and what belongs to another run is refused. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loudParameters, tinyConfig, tinyPhase, tinySet } from '../../test/tiny-bert.kit.ts';
import { CheckpointError, float32, type ParameterTree } from '../base/index.ts';
import { cpu } from '../runtime/index.ts';
import { RunFolder } from './checkpoint.ts';
import { type Run, runPhase } from './run-phase.ts';

const initial = loudParameters(tinyConfig, 1);
const phase = tinyPhase(tinySet(22));

let base: string;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'prumux-run-'));
});
afterAll(() => rm(base, { recursive: true, force: true }));

/** A run in a folder of that name, and the steps that it did. */
function runIn(name: string, more: Partial<Run> = {}): { run: Run; steps: number[]; path: string } {
  const steps: number[] = [];
  const path = join(base, name);
  const folder = new RunFolder(path, 'fingerprint');
  const onStep: Run['onStep'] = ({ step }) => steps.push(step);
  return { run: { seed: 3, placement: cpu(1), folder, onStep, ...more }, steps, path };
}

/** Breaks off after step 5, with a checkpoint. */
async function breakOff(name: string): Promise<void> {
  const stopping = new AbortController();
  const onStep: Run['onStep'] = ({ step }) => {
    if (step === 5) stopping.abort(new CheckpointError('test', { expected: 'time', got: 'an interrupt' }));
  };
  await expect(runPhase(phase, initial, runIn(name, { interrupt: stopping.signal, onStep }).run)).rejects.toThrow(
    'an interrupt',
  );
}

it('keeps the result of a phase, and reads it the next time', async () => {
  const first = runIn('finished');
  const result = await runPhase(phase, initial, first.run);
  expect(first.steps.length).toBeGreaterThan(8);
  const again = runIn('finished');
  expect(await runPhase(phase, initial, again.run)).toEqual(result);
  expect(again.steps).toEqual([]);
});

it('saves where it is interrupted, and goes on from there to the same bits', async () => {
  const whole = await runPhase(phase, initial, runIn('whole').run);
  await breakOff('interrupted');
  const rest = runIn('interrupted');
  expect(existsSync(join(rest.path, 'tiny.checkpoint.safetensors'))).toBe(true);
  expect((await runPhase(phase, initial, rest.run)).parameters).toEqual(whole.parameters);
  expect(rest.steps[0]).toBe(6);
  expect(existsSync(join(rest.path, 'tiny.checkpoint.safetensors'))).toBe(false);
});

it('refuses a checkpoint of another recipe, and says how to get rid of it', async () => {
  const { run, path } = runIn('foreign');
  await runPhase(phase, initial, run);
  const other = { ...run, folder: new RunFolder(path, 'another fingerprint') };
  await expect(runPhase(phase, initial, other)).rejects.toThrow(`Remove ${path} to start afresh`);
});

const BIAS = 'classifier.bias';
const without: ParameterTree = new Map([...initial].filter(([name]) => name !== BIAS));
const others: readonly [string, ParameterTree][] = [
  ['of another shape', new Map([...initial, [BIAS, float32([0, 0], [2])]])],
  ['fewer', without],
  ['more', new Map([...initial, ['gates.of.another.run', float32([0], [1])]])],
];

it.each(others)('refuses what was kept of a phase that starts from other tensors: %s', async (name, start) => {
  await runPhase(phase, initial, runIn(`alike done ${name}`).run);
  await breakOff(`alike under way ${name}`);
  for (const kept of ['done', 'under way']) {
    const { run, steps } = runIn(`alike ${kept} ${name}`);
    await expect(runPhase(phase, start, run)).rejects.toThrow(
      /phase tiny: expected the \d+ tensors that the phase starts from, got \d+ that differ in .*\. Remove/,
    );
    expect(steps).toEqual([]);
  }
});

it('refuses a checkpoint that is damaged', async () => {
  const { run, path } = runIn('damaged');
  await runPhase(phase, initial, run);
  await writeFile(join(path, 'tiny.done.safetensors'), 'no safetensors');
  await expect(runPhase(phase, initial, run)).rejects.toThrow(CheckpointError);
});
