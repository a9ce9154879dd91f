/** Runs of the program as measurements: each in a process of its own, its JSON document kept beside the models, and not run again where it is there. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NamedRun } from '../recipes/named-run.ts';

/** The program as it was built (`npm run build`). */
const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

/** Where data is and results go, and how many threads runs take (all, where it is not said). */
export interface Surroundings {
  readonly data: string;
  readonly out: string;
  readonly threads?: string | undefined;
  /** Other flags that change nothing of a result, as who computes it: neither kept nor printed, as there may be a password among them. */
  readonly flags?: readonly string[];
}

export type Result = Readonly<Record<string, unknown>>;

/** What is typed after `prumux`. */
export function argumentsOf({ argv }: NamedRun, { data, out }: Surroundings): string[] {
  return argv.map((word) => word.replace(/^DATA\b/, data).replace(/^OUT\b/, out));
}

/** Throws where a document is there of another command line by that name: it would be taken for what is asked. */
function checkSame({ name, argv }: NamedRun, { command }: { readonly command?: string }, file: string): void {
  if (command === undefined || command === argv.join(' ')) return;
  throw new Error(`${file} is of another recipe of ${name}: remove it and the model, or give another folder`);
}

/** The document of a run, with its command line; a run that fails ends the measurement. */
export async function resultOf(run: NamedRun, surroundings: Surroundings): Promise<Result> {
  const { out, threads, flags = [] } = surroundings;
  const file = join(out, 'results', `${run.name}.json`);
  if (existsSync(file)) {
    const found = JSON.parse(await readFile(file, 'utf8'));
    checkSame(run, found, file);
    return found;
  }
  const options = ['--json', '--progress', ...flags, ...(threads === undefined ? [] : ['--threads', threads])];
  const child = spawn(process.execPath, [MAIN, ...argumentsOf(run, surroundings), ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let document = '';
  child.stdout.on('data', (text) => {
    document += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) process.exit(1);
  await mkdir(join(out, 'results'), { recursive: true });
  const result = { ...JSON.parse(document), command: run.argv.join(' ') };
  await writeFile(file, JSON.stringify(result, null, 2));
  return result;
}
