/** ONNX Runtime keeps what it is about to report, and the number of the machine, in the user's cache folder: after a session there must be nothing. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const CHILD = fileURLToPath(new URL('telemetry.child.ts', import.meta.url));

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'prumux-telemetry-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

function sessionIn(environment: NodeJS.ProcessEnv): string {
  const { ORT_DISABLE_TELEMETRY: _, XDG_CACHE_HOME: __, ...env } = process.env;
  const options = { env: { ...env, HOME: home, ...environment }, encoding: 'utf8' } as const;
  return execFileSync(process.execPath, ['--import', 'tsx', CHILD], options);
}

it('leaves no trace of telemetry, also of a session in a thread', async () => {
  expect(sessionIn({})).toBe('1');
  expect(await readdir(home)).toEqual([]);
});

it('leaves the variable as it was set', () => {
  expect(sessionIn({ ORT_DISABLE_TELEMETRY: 'true' })).toBe('true');
});
