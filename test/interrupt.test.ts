/** The real program as a process: Ctrl-C in the middle of training, and a pipe whose reader leaves early. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomModel, writeModel } from './model-folder.kit.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-interrupt-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the program says, and its exit code, where Ctrl-C is pressed as soon as it tells of some work. */
async function interruptedAt(work: string, argv: readonly string[]): Promise<{ said: string; code: unknown }> {
  const all = ['--import', 'tsx', MAIN, ...argv, '--progress'];
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => {
    const wasTold = said.includes(work);
    said += text;
    if (!wasTold && said.includes(work)) child.kill('SIGINT');
  });
  return { code: await new Promise((resolve) => child.on('close', resolve)), said };
}

const STOPPED = 'prumux: stopped; the same command goes on from what is saved';

it('stops measuring, too', async () => {
  const [model, output] = [join(folder, 'dense'), join(folder, 'fast')];
  await writeModel(model, randomModel());
  const rows = join(folder, 'rows.tsv');
  await writeFile(rows, `text\tlabel\n${'a fine film\t1\na poor one\t0\n'.repeat(16)}`);
  const argv = ['auto', model, '--data', rows, '--eval', rows, '-o', output];
  const { said, code } = await interruptedAt('random models of every shape', argv);
  expect(said).toContain(STOPPED);
  expect(said).not.toContain('for a first guess');
  expect(code).toBe(130);
  expect(existsSync(output)).toBe(false);
});

it('saves a checkpoint, says how to go on, and ends with 130', async () => {
  const output = join(folder, 'model');
  const { said, code } = await interruptedAt('fine-tune', ['train', '--encoder', 'tiny', '--rows', '8', '-o', output]);
  expect(said).toContain(STOPPED);
  expect(code).toBe(130);
  expect(existsSync(join(`${output}.run`, 'fine-tune.checkpoint.safetensors'))).toBe(true);
  expect(existsSync(output)).toBe(false);
});

it('ends quietly when nobody reads on', async () => {
  const model = join(folder, 'random');
  await writeModel(model, randomModel());
  const command = `yes "a fine film" | "$0" --import tsx "$1" predict "$2" | head -n 1`;
  const child = spawn('sh', ['-c', command, process.execPath, MAIN, model], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  await new Promise((resolve) => child.on('close', resolve));
  expect(JSON.parse(out).text).toBe('a fine film');
  expect(err).toBe('');
});
