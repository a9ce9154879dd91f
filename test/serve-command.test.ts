/** `prumux serve` as a process: options from the environment, SIGHUP, and an end by SIGTERM that loses no request that was taken in. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { randomModel, writeModel } from './model-folder.kit.ts';
import { program } from './program.kit.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const WAIT = { timeout: 50_000 };

let folder: string;
let child: ChildProcess;
let said = '';
let url = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-serve-'));
  await writeModel(join(folder, 'model'), randomModel());
  const env = {
    ...process.env,
    PRUMUX_PORT: '0',
    PRUMUX_API_KEY: 'secret,other',
    PRUMUX_MAX_WAIT: '6000',
    PRUMUX_WORKERS: '1',
  };
  const argv = ['--import', 'tsx', MAIN, 'serve', join(folder, 'model'), '--rows', '1000'];
  child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr?.on('data', (text) => {
    said += text;
  });
  await vi.waitFor(() => expect(said).toContain('listening on'), WAIT);
  url = /listening on (\S+)/.exec(said)?.[1] ?? '';
}, 120_000);
afterAll(async () => {
  child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

const HEADERS = { authorization: 'Bearer secret', 'content-type': 'application/json' };
const ask = (text: string): Promise<Response> =>
  fetch(`${url}/predict`, { method: 'POST', headers: HEADERS, body: JSON.stringify({ inputs: text }) });

it('keeps the texts of tenants apart where there are several keys', async () => {
  expect(await (await fetch(`${url}/info`, { headers: HEADERS })).json()).toMatchObject({ isolation: 'tenant' });
});

it.skipIf(process.platform !== 'linux')('runs passes in processes of their own, if asked to', async () => {
  const { pid } = child;
  expect((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')).toHaveLength(1);
});

it('reads the models again at SIGHUP, and goes on', async () => {
  child.kill('SIGHUP');
  await vi.waitFor(() => expect(said).toContain('models loaded anew'), WAIT);
  expect((await fetch(`${url}/health`)).status).toBe(200);
});

it('answers at SIGTERM what it has taken in, takes in nothing more, and ends with 0', async () => {
  const end = once(child, 'exit');
  // They wait for others, longer than it takes to send a signal.
  const waiting = Array.from({ length: 20 }, (_, at) => ask(`film number ${at}`));
  await vi.waitFor(async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('prumux_queue_depth 20');
  }, WAIT);
  child.kill('SIGTERM');
  await vi.waitFor(() => expect(said).toContain('draining'), WAIT);
  const late = await ask('too late').then(
    ({ status }) => status,
    () => 'refused',
  );
  expect([503, 'refused']).toContain(late);
  const statuses = (await Promise.all(waiting)).map(({ status }) => status);
  expect(statuses).toEqual(waiting.map(() => 200));
  expect(await end).toEqual([0, null]);
  expect(said).toContain('"ended"');
});

it('ends where it is told to before its models are open', async () => {
  const interrupt = AbortSignal.abort();
  const { code, out } = await program(['serve', join(folder, 'model'), '--port', '0', '--json'], { interrupt });
  expect([code, JSON.parse(out)]).toEqual([0, { isDrained: true }]);
});

it('says which variable is wrong, and ends with 2', async () => {
  const environment = { PRUMUX_PORT: 'high' };
  const { code, err } = await program(['serve', join(folder, 'model')], { environment });
  expect([code, err]).toEqual([2, 'prumux: PRUMUX_PORT: expected a whole number, 0 or more, below 65536, got high.\n']);
});

it('refuses a key that no client can send', async () => {
  const { code, err } = await program(['serve', join(folder, 'model'), '--api-key', 'schlüssel']);
  const message = '--api-key: expected keys of ASCII letters, digits and signs, got another character.';
  expect([code, err]).toEqual([2, `prumux: ${message}\n`]);
});

it('says which model does not open', async () => {
  const { code, err } = await program(['serve', join(folder, 'nothing here')]);
  expect(code).toBe(1);
  expect(err).toContain('nothing here: expected a model folder');
  const precise = await program(['serve', `${join(folder, 'nothing here')}:int8`]);
  expect(precise.err).toContain('nothing here: expected a model folder');
});
