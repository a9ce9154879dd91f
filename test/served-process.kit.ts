/** `prumux serve` in a process of its own, for tests that end or kill servers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BackendError } from '../src/base/index.ts';

export interface ServedProcess {
  readonly child: ChildProcess;
  readonly url: string;
  /** Its exit code, once it has ended; nothing where a signal ended it. */
  readonly ended: Promise<number | null>;
}

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

/** When it says that it listens. Rejects with what it said where it ends before. */
export function serveInProcess(model: string, port = 0): Promise<ServedProcess> {
  const flags = ['--port', String(port), '--threads', '1', '--log-level', 'error'];
  const argv = ['--import', 'tsx', MAIN, 'serve', model, ...flags];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  let said = '';
  return new Promise((resolve, reject) => {
    child.stderr.on('data', (text) => {
      said += text;
      const url = /listening on (\S+)/.exec(said)?.[1];
      if (url !== undefined) resolve({ child, url, ended });
    });
    void ended.then((code) =>
      reject(new BackendError('serve', { expected: 'a server that listens', got: `its end with ${code}: ${said}` })),
    );
  });
}
