/** The program as its users run it, but in this process: arguments and standard input in; exit code, standard output and error back. */
import { PassThrough, Readable } from 'node:stream';
import { run } from '../src/cli/run.ts';

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Surroundings {
  readonly stdin?: string;
  readonly interrupt?: AbortSignal;
  readonly environment?: Readonly<Record<string, string>>;
}

export async function program(argv: readonly string[], surroundings: Surroundings = {}): Promise<Ended> {
  const { stdin = '', interrupt = new AbortController().signal, environment = {} } = surroundings;
  let [out, err] = ['', ''];
  const stderr = new PassThrough();
  stderr.on('data', (chunk) => {
    err += chunk;
  });
  const stdout = {
    write(text: string): void {
      out += text;
    },
  };
  const code = await run(argv, { stdin: Readable.from([stdin]), stdout, stderr, interrupt, environment });
  stderr.end();
  return { code, out, err };
}
