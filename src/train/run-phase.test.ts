/** Phases with a run's folder: what is finished is read, what was interrupted goes on, and what belongs to another run is refused. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loudParameters, tinyConfig, tinyPhase, tinySet } from '../../test/tiny-bert.kit.ts';
import { CheckpointError } from '../base/index.ts';
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
  const stopping = new AbortController();
  const onStep: Run['onStep'] = ({ step }) => {
    if (step === 5) stopping.abort(new CheckpointError('test', { expected: 'time', got: 'an interrupt' }));
  };
  const interrupted = runIn('interrupted', { interrupt: stopping.signal, onStep });
  await expect(runPhase(phase, initial, interrupted.run)).rejects.toThrow('an interrupt');
  expect(existsSync(join(interrupted.path, 'tiny.checkpoint.safetensors'))).toBe(true);
  const rest = runIn('interrupted');
  expect((await runPhase(phase, initial, rest.run)).parameters).toEqual(whole.parameters);
  expect(rest.steps[0]).toBe(6);
  expect(existsSync(join(interrupted.path, 'tiny.checkpoint.safetensors'))).toBe(false);
});

it('refuses a checkpoint of another recipe, and says how to get rid of it', async () => {
  const { run, path } = runIn('foreign');
  await runPhase(phase, initial, run);
  const other = { ...run, folder: new RunFolder(path, 'another fingerprint') };
  await expect(runPhase(phase, initial, other)).rejects.toThrow(`Remove ${path} to start afresh`);
});

it('refuses a checkpoint that is damaged', async () => {
  const { run, path } = runIn('damaged');
  await runPhase(phase, initial, run);
  await writeFile(join(path, 'tiny.done.safetensors'), 'no safetensors');
  await expect(runPhase(phase, initial, run)).rejects.toThrow(CheckpointError);
});
