/**
 * Trials through a Redis server and workers in processes of their own, against the same trials in this process: the same bits, whatever
 * happens to a worker.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Queue } from 'bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BackendError, random } from '../src/base/index.ts';
import { readSafetensors } from '../src/model/index.ts';
import {
  inProcessQueue,
  RedisQueue,
  type RedisQueueOptions,
  type TrialOrder,
  type TrialProgress,
} from '../src/queue/index.ts';
import { connectRedis } from '../src/queue/redis-connection.ts';
import { QUEUE_NAME } from '../src/queue/redis-queue.ts';
import { cpu } from '../src/runtime/index.ts';
import { compressDefaults } from '../src/train/index.ts';
import { randomModel, writeModel } from './model-folder.kit.ts';
import { type RedisServer, startRedis, whyNoRedis } from './redis-server.kit.ts';

let server: RedisServer;
let folder: string;
const at = (...names: string[]): string => join(folder, ...names);
const COLOURS = ['red', 'green', 'blue'];

/** The first word is the label. */
function sentences(count: number): string {
  const draws = random(1, 'trial-queue');
  const rows = Array.from({ length: count }, (_, row) => {
    const label = COLOURS[row % 3] as string;
    return `${label} ${draws.pick(['river', 'mountain', 'road'])} ${draws.pick(['old', 'tall', 'quiet'])}\t${label}`;
  });
  return `sentence\tlabel\n${rows.join('\n')}\n`;
}

/** A worker: what it has said, line by line, and its end. */
interface Child {
  readonly process: ChildProcess;
  readonly said: string[];
  readonly ended: Promise<void>;
}

const children: Child[] = [];

/** A worker that is ready. */
async function startWorker(): Promise<Child> {
  const path = fileURLToPath(new URL('trial-worker.child.ts', import.meta.url));
  const argv = ['--import', 'tsx', path, server.url.href, at('shared')];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  children.push({ process: child, said, ended });
  child.stdout.on('data', (lines) => said.push(...String(lines).trim().split('\n')));
  await until(() => said.some((line) => line.startsWith('ready')));
  return { process: child, said, ended };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

function orderIn(root: string, name: string, pruneEpochs: number): TrialOrder {
  const recipe = {
    ...{ ...compressDefaults, instances: 1, groups: 16, maxTokens: 24 },
    epochs: { multiplex: 0.5, prune: pruneEpochs, recover: 0.5 },
  };
  const source = { data: at('rows.tsv'), evaluation: at('rows.tsv') };
  return { name, recipe, model: at('teacher'), seed: 4, source, output: join(root, name) };
}

/** A trial that takes a while, and one that does not. */
const long = (root: string): TrialOrder => orderIn(root, 'long', 12);
const short = (root: string): TrialOrder => orderIn(root, 'short', 1);

async function withQueue<T>(
  work: (queue: RedisQueue) => Promise<T>,
  more: Partial<RedisQueueOptions> = {},
): Promise<T> {
  const queue = await RedisQueue.open({ url: server.url, artefacts: at('shared'), ...more });
  try {
    return await work(queue);
  } finally {
    await queue.close();
  }
}

const SHARED = ['shared', 'trials', 'test'];

async function expectSameModel(name: string): Promise<void> {
  for (const file of ['model.safetensors', 'onnx/model.onnx']) {
    const paths = [at('here', name, file), at(...SHARED, name, file)];
    const [here, there] = await Promise.all(paths.map((path) => readFile(path)));
    expect(here?.equals(there ?? Buffer.of()), `${name}: ${file}`).toBe(true);
  }
}

const checkpoint = (): string => at(...SHARED, 'long.run', 'prune.checkpoint.safetensors');

/** Steps of pruning that a worker which is gone has kept. */
async function stepsKept(): Promise<number> {
  return Number((await readSafetensors(checkpoint())).metadata.done);
}

/** The steps of pruning the long trial that a worker has told of. */
function stepsOf({ said }: Child): number[] {
  return said.filter((line) => line.startsWith('long prune')).map((line) => Number(line.split(' ')[2]));
}

const skipped = whyNoRedis === undefined ? '' : ` (skipped: ${whyNoRedis})`;

describe.skipIf(whyNoRedis !== undefined)(`trials on workers${skipped}`, () => {
  beforeAll(async () => {
    server = await startRedis();
    folder = await mkdtemp(join(tmpdir(), 'prumux-queue-'));
    await writeFile(at('rows.tsv'), sentences(96));
    await writeModel(at('teacher'), randomModel(COLOURS));
    const here = inProcessQueue({ placement: cpu(1), onStep: () => undefined });
    await here.train(long(at('here')));
  }, 240_000);
  afterEach(async () => {
    for (const { process: child, ended } of children.splice(0)) {
      child.kill('SIGKILL');
      await ended;
    }
    await rm(at('shared'), { recursive: true, force: true });
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('leave the same bits, one worker of two killed in the middle of a trial', async () => {
    const progress: TrialProgress[] = [];
    const onTrial = (report: TrialProgress): void => {
      progress.push(report);
    };
    await withQueue(
      async (queue) => {
        const [doomed, survivor] = [await startWorker(), await startWorker()];
        expect(await queue.capacity()).toBe(2);
        const first = queue.train(long(queue.folderOf('test')));
        await until(() => existsSync(checkpoint()) && [doomed, survivor].some((worker) => stepsOf(worker).length > 0));
        const [killed, other] = stepsOf(doomed).length > 0 ? [doomed, survivor] : [survivor, doomed];
        killed.process.kill('SIGKILL');
        await killed.ended;
        const kept = await stepsKept();
        await Promise.all([first, queue.train(short(queue.folderOf('test')))]);
        expect(stepsOf(other)[0]).toBe(kept + 1); // it went on, and did not begin again
        expect(other.said).toEqual(expect.arrayContaining(['trained long', 'trained short']));
      },
      { onTrial },
    );
    expect(new Set(progress.map(({ worker }) => worker)).size).toBe(2);
    await expectSameModel('long');
  }, 240_000);

  it('are given back with a checkpoint by a worker that is asked to stop, and taken up at once', async () => {
    await withQueue(async (queue) => {
      const polite = await startWorker();
      const trained = queue.train(long(queue.folderOf('test')));
      await until(() => stepsOf(polite).length > 0);
      polite.process.kill('SIGTERM');
      await polite.ended;
      expect(polite.process.exitCode).toBe(0);
      expect(polite.said.at(-1)).toBe('given back long');
      const kept = await stepsKept();
      const next = await startWorker();
      await trained;
      expect(stepsOf(next)[0]).toBe(kept + 1);
      await expectSameModel('long');
    });
  }, 240_000);

  it('are taken back when whoever ordered them is interrupted before a worker has begun', async () => {
    const stop = new AbortController();
    await withQueue(
      async (queue) => {
        const trained = queue.train(short(queue.folderOf('test')));
        await until(() => existsSync(at('shared', 'inputs')));
        setTimeout(() => stop.abort(new BackendError('test', { expected: 'to go on', got: 'a stop' })), 200);
        await expect(trained).rejects.toThrow('a stop');
      },
      { interrupt: stop.signal },
    );
    expect(await jobs()).toBe(0);
  });

  it('stay in the queue for another run that waits for the same when one is closed', async () => {
    await withQueue(async (queue) => {
      const order = short(queue.folderOf('test'));
      const waiting = queue.train(order);
      await withQueue(async (other) => {
        const abandoned = other.train(order);
        abandoned.catch(() => undefined);
        await until(async () => (await jobs()) === 1);
        await new Promise((resolve) => setTimeout(resolve, 500)); // until both wait for it
      });
      await until(async () => (await jobs()) === 1);
      await startWorker();
      await waiting;
      expect(existsSync(order.output)).toBe(true);
    });
  }, 120_000);

  it('fail with the error of the worker, which it names', async () => {
    await writeFile(at('one.tsv'), 'sentence\tlabel\nred river\tpurple\n');
    await withQueue(async (queue) => {
      const worker = await startWorker();
      const order = short(queue.folderOf('test'));
      const source = { ...order.source, evaluation: at('one.tsv') };
      const failing = queue.train({ ...order, source });
      await expect(failing).rejects.toThrow(new RegExp(`trial short on .*-${worker.process.pid}: .*one.tsv`));
      await expect(failing).rejects.toMatchObject({ code: 'DATA' });
    });
  }, 120_000);
});

/** How many jobs the server has that wait or are under way. */
async function jobs(): Promise<number> {
  const { client } = await connectRedis(server.url);
  const queue = new Queue(QUEUE_NAME, { connection: client });
  const counts = await queue.getJobCounts('wait', 'active', 'delayed');
  await queue.close();
  client.disconnect();
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
