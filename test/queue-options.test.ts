/** What `auto --queue` and `worker` refuse, and how they say it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Context, command } from '../src/cli/command.ts';
import { required } from '../src/cli/option.ts';
import { QUEUE_URL, workplaceOpener } from '../src/cli/queue-options.ts';
import { cpu } from '../src/runtime/index.ts';
import { randomModel, writeModel } from './model-folder.kit.ts';
import { program } from './program.kit.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-queue-options-'));
  await writeModel(join(folder, 'dense'), randomModel());
  await writeFile(join(folder, 'rows.tsv'), 'text\tlabel\na fine film\t1\na poor one\t0\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const rows = (): string[] => ['--data', join(folder, 'rows.tsv'), '--eval', join(folder, 'rows.tsv')];
const auto = (...more: string[]): Promise<{ code: number; err: string }> =>
  program(['auto', join(folder, 'dense'), '-o', join(folder, 'fast'), ...rows(), ...more]);

/** A port that nobody listens at: the one of tcpmux, which is historic. */
const NOBODY = 'redis://me:secret@127.0.0.1:1';

it('tells no password of an address that it does not take', async () => {
  const { code, err } = await program(['worker', '--queue', 'redis//:s3cret@queue.lan', '--artefacts', folder]);
  expect(code).toBe(2);
  expect(err).toContain('--queue: expected redis://HOST:PORT, got something else');
  expect(err).not.toContain('s3cret');
});

it('wants a shared folder with a queue, and no other way round', async () => {
  expect(await auto('--queue', NOBODY)).toMatchObject({
    code: 2,
    err: expect.stringContaining('--artefacts: expected a folder'),
  });
  const other = await auto('--artefacts', folder);
  expect(other).toMatchObject({ code: 2, err: expect.stringContaining('--artefacts: expected --queue with it') });
  expect(await program(['worker', '--queue', NOBODY])).toMatchObject({
    code: 2,
    err: expect.stringContaining('--artefacts'),
  });
});

it('leaves to workers how many trials they train at once', async () => {
  expect(await auto('--queue', NOBODY, '--artefacts', folder, '--concurrency', '2')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--concurrency: expected that of each prumux worker'),
  });
});

it('refuses more trials at once than there are threads, and what would count for nothing', async () => {
  for (const [given, said] of [
    [['--threads', '2', '--concurrency', '3'], '--concurrency: expected at most the 2 of --threads, got 3'],
    [['--exhaustive', '--short-runs'], '--short-runs: expected nothing, as --exhaustive trains every point'],
    [['--instances', '1', '--prefill-layers', '1'], '--prefill-layers: expected nothing, as one input goes alone'],
    [['--instances', '1', '--consistency', '2'], '--consistency: expected nothing, as one input goes alone'],
  ] as const) {
    expect(await auto(...given)).toMatchObject({ code: 2, err: expect.stringContaining(said) });
  }
});

it('keeps trials of other settings apart', async () => {
  const context = { placement: cpu(1), progress: {}, terminal: {} } as unknown as Context;
  const open = workplaceOpener(
    { queue: undefined, artefacts: undefined, concurrency: 1 },
    join(folder, 'run'),
    context,
  );
  const folders = await Promise.all(['one', 'other', 'one'].map(async (follows) => (await open(follows)).folder));
  expect(new Set(folders).size).toBe(2);
  for (const each of folders) expect(dirname(each)).toBe(join(folder, 'run'));
});

it('takes addresses of Redis only', async () => {
  const { code, err } = await auto('--queue', 'queue.lan', '--artefacts', folder);
  expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining('redis://HOST:PORT') });
});

it('says in one line that no server is there, without its password', async () => {
  const argv = ['--queue', NOBODY, '--artefacts', folder];
  for (const { code, err } of [await auto(...argv), await program(['worker', ...argv])]) {
    expect(code).toBe(1);
    expect(err).toMatch(
      /^prumux: redis:\/\/127\.0\.0\.1:1: expected a Redis server, got .*ECONNREFUSED.* See that redis-server runs there.*\n$/,
    );
    expect(err).not.toContain('secret');
  }
});

it('keeps a password out of what records say was typed', async () => {
  let typed = '';
  const told = command({
    ...{ name: 'tell', description: '', example: '', options: { queue: required('', QUEUE_URL) } },
    async run(_, __, { commandLine }) {
      typed = commandLine;
      return {};
    },
    print: () => '',
  });
  const stderr = new PassThrough();
  const terminal = { stdin: Readable.from(['']), stdout: stderr, stderr, interrupt: new AbortController().signal };
  await told.execute(['--queue', 'rediss://me:se%2Fcret@queue.lan:6380/1'], terminal);
  expect(typed).toBe('prumux tell --queue rediss://me:PASSWORD@queue.lan:6380/1');
});
