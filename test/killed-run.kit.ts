/** Trainings in processes of their own that are killed, with SIGKILL, in the middle of their steps. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { readSafetensors } from '../src/model/index.ts';

interface Ended {
  /** Steps of the phase that the run did, in order. */
  readonly steps: readonly number[];
  readonly total: number;
  readonly killed: boolean;
  readonly said: string;
}

/** A phase of so many steps. */
interface KillablePhase {
  readonly name: string;
  readonly steps: number;
}

/**
 * A training: the file of its process, which numbers steps through all of these phases; what it is given before the output; its phases but for
 * the last one, whose steps are the rest; and the files that its model has. Of other phases the process says nothing.
 */
export interface Killable {
  readonly child: string;
  readonly given: readonly string[];
  readonly phases: readonly [...KillablePhase[], Pick<KillablePhase, 'name'>];
  readonly files: readonly string[];
}

/** Trains into a folder; where `mayDie` says so of a step that is done, the process is killed there. */
function train(
  { child: file, given }: Killable,
  output: string,
  mayDie: (step: number) => boolean = () => false,
): Promise<Ended> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...given, output], { stdio: 'pipe' });
  const steps: number[] = [];
  let total = 0;
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  child.stdout.on('data', (lines) => {
    for (const line of String(lines).trim().split('\n')) {
      const [step = 0, of = 0] = line.split('/').map(Number);
      steps.push(step);
      total = of;
    }
    if (mayDie(steps.at(-1) ?? 0)) child.kill('SIGKILL');
  });
  return new Promise((resolve) => {
    child.on('close', (_, signal) => resolve({ steps, total, killed: signal === 'SIGKILL', said }));
  });
}

function hasSaved({ phases }: Killable, folder: string): boolean {
  const isSaved = ({ name }: { readonly name: string }): boolean =>
    ['checkpoint', 'done'].some((kind) => existsSync(join(folder, `${name}.${kind}.safetensors`)));
  return phases.some(isSaved);
}

/** How many steps of all phases a killed run has kept. */
async function stepsSaved({ phases }: Killable, folder: string): Promise<number> {
  let before = 0;
  for (const phase of phases) {
    const file = (kind: string): string => join(folder, `${phase.name}.${kind}.safetensors`);
    if (existsSync(file('checkpoint')))
      return before + Number((await readSafetensors(file('checkpoint'))).metadata.done);
    if (!existsSync(file('done'))) return before;
    before += 'steps' in phase ? phase.steps : 0;
  }
  return before;
}

/** Kills a run twice and lets it end: it must leave what an undisturbed one leaves, bit for bit. */
export async function expectSameBits(run: Killable, folder: string): Promise<void> {
  const undisturbed = join(folder, 'undisturbed');
  const whole = await train(run, undisturbed);
  expect(whole.said).toBe('');
  expect(whole.steps).toEqual(Array.from({ length: whole.total }, (_, at) => at + 1));

  const disturbed = join(folder, 'disturbed');
  const saved = (): Promise<number> => stepsSaved(run, `${disturbed}.run`);

  const first = await train(run, disturbed, (step) => hasSaved(run, `${disturbed}.run`) && step > whole.total / 4);
  expect(first.killed).toBe(true);
  const doneFirst = await saved();
  expect(doneFirst).toBeGreaterThan(0);
  const second = await train(run, disturbed, (step) => step > Math.max(doneFirst + 3, whole.total / 2));
  expect(second.killed).toBe(true);
  expect(second.steps[0]).toBe(doneFirst + 1);
  const doneSecond = await saved();
  expect(existsSync(disturbed)).toBe(false);

  const third = await train(run, disturbed);
  expect(third.steps[0]).toBe(doneSecond + 1);
  expect(third.steps.at(-1)).toBe(whole.total);
  expect(existsSync(`${disturbed}.run`)).toBe(false);
  for (const file of run.files) {
    const [one, other] = await Promise.all([undisturbed, disturbed].map((path) => readFile(join(path, file))));
    expect(one?.equals(other ?? Buffer.of()), file).toBe(true);
  }
}
