/** A training run that is killed twice, with SIGKILL, in the middle of its steps, against one that nobody disturbs: the same bits. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../src/base/index.ts';
import { readSafetensors } from '../src/model/index.ts';

const CHILD = fileURLToPath(new URL('train-until-killed.child.ts', import.meta.url));
const CHECKPOINT = 'fine-tune.checkpoint.safetensors';

let folder: string;
let data: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-resume-'));
  data = join(folder, 'rows.tsv');
  await writeFile(data, `sentence\tlabel\n${sentences(160).join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Sentences of 3 to 20 words, so that there are several bucket sizes; the first word is the label. */
function sentences(count: number): string[] {
  const draws = random(1, 'resume');
  const words = ['red', 'green', 'blue', 'river', 'mountain', 'road', 'old', 'tall', 'quiet', 'winter'];
  return Array.from({ length: count }, (_, row) => {
    const label = words[row % 3] as string;
    const rest = Array.from({ length: 2 + draws.integer(18) }, () => draws.pick(words.slice(3)));
    return `${[label, ...rest].join(' ')}\t${label}`;
  });
}

interface Ended {
  /** Steps that the run did, in order. */
  readonly steps: readonly number[];
  readonly total: number;
  readonly killed: boolean;
  readonly said: string;
}

/** Trains into a folder; where `mayDie` says so of a step that is done, the process is killed there. */
function train(output: string, mayDie: (step: number) => boolean = () => false): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD, data, output], { stdio: 'pipe' });
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

it('ends with the bits of an undisturbed run', async () => {
  const undisturbed = join(folder, 'undisturbed');
  const whole = await train(undisturbed);
  expect(whole.said).toBe('');
  expect(whole.steps).toEqual(Array.from({ length: whole.total }, (_, at) => at + 1));

  const disturbed = join(folder, 'disturbed');
  const checkpoint = join(`${disturbed}.run`, CHECKPOINT);
  const saved = async (): Promise<number> => Number((await readSafetensors(checkpoint)).metadata.done);

  const first = await train(disturbed, (step) => existsSync(checkpoint) && step > whole.total / 4);
  expect(first.killed).toBe(true);
  const doneFirst = await saved();
  const second = await train(disturbed, (step) => step > Math.max(doneFirst + 3, whole.total / 2));
  expect(second.killed).toBe(true);
  expect(second.steps[0]).toBe(doneFirst + 1);
  const doneSecond = await saved();
  expect(existsSync(disturbed)).toBe(false);

  const third = await train(disturbed);
  expect(third.steps[0]).toBe(doneSecond + 1);
  expect(third.steps.at(-1)).toBe(whole.total);
  expect(existsSync(`${disturbed}.run`)).toBe(false);
  for (const file of ['model.safetensors', 'onnx/model.onnx', 'tokenizer.json']) {
    const [one, other] = await Promise.all([undisturbed, disturbed].map((path) => readFile(join(path, file))));
    expect(one?.equals(other ?? Buffer.of()), file).toBe(true);
  }
}, 180_000);
