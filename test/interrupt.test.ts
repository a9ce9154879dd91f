/** The real program as a process: Ctrl-C in the middle of training, and a pipe whose reader leaves early. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
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

it('saves a checkpoint, says how to go on, and ends with 130', async () => {
  const output = join(folder, 'model');
  const argv = ['train', '--encoder', 'tiny', '--rows', '8', '-o', output, '--progress'];
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => {
    if (!said.includes('fine-tune') && String(text).includes('fine-tune')) child.kill('SIGINT');
    said += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(said).toContain('prumux: stopped; the same command goes on from what is saved');
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
