/** The engine, its threads and its processes, against the same model opened in this thread; workers are killed under its hands. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { prunedModel, randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { cpu } from '../runtime/index.ts';
import { Engine, type EngineOptions } from './engine.ts';
import { WorkerLink } from './engine-link.ts';
import { type AskedText, openServedModel, type ServedModel } from './served-model.ts';

let folder: string;
let reference: ServedModel;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-engine-'));
  await writeModel(at('dense'), randomModel());
  await writeModel(at('pruned'), prunedModel());
  reference = await openServedModel({ model: at('dense') }, cpu(1), undefined);
}, 120_000);
afterAll(async () => {
  await reference.close();
  await rm(folder, { recursive: true, force: true });
});

const asked = (...texts: string[]): AskedText[] => texts.map((text) => ({ text, isCut: true }));
const TEXTS = asked('this film was great', 'that book is awful but short', 'poor old tale');

const open = (options: Partial<EngineOptions> = {}): Promise<Engine> =>
  Engine.open({ models: [{ model: at('dense') }], placement: cpu(2), workers: 2, kind: 'thread', rows: 8, ...options });

describe.each(['thread', 'process'] as const)('an engine of the kind %s', (kind) => {
  it('answers every pass as the model does in this thread, to the bit', async () => {
    const engine = await open({ kind });
    const passes = [TEXTS, TEXTS.slice(1), TEXTS.slice(0, 1), TEXTS.toReversed()];
    const answers = await Promise.all(passes.map((texts) => engine.run({ level: 0, texts })));
    const expected = [];
    for (const texts of passes) expected.push((await reference.run(texts)).logits);
    expect(answers.map(({ logits }) => logits)).toEqual(expected);
    await engine.close();
  });

  it('makes a full pass as large as is asked for, or as is worth one', async () => {
    const engines = await Promise.all([open({ kind }), open({ kind, rows: undefined })]);
    const [asked, own] = engines.map(({ levels: [level] }) => level);
    expect(asked?.rows).toBe(8);
    expect(own?.rows).toBeOneOf([64, 128, 256]);
    expect(own?.rows === 256 || Number(own?.passMs) >= 20).toBe(true);
    await Promise.all(engines.map((engine) => engine.close()));
  });

  it('takes a next pass for a worker that is busy, which it then has', async () => {
    const engine = await open({ kind, workers: 1 });
    const state = () => ({
      ...{ isFree: engine.isFree, hasRoom: engine.hasRoomForNext, given: engine.passesGiven, givenMs: engine.givenMs },
    });
    const idle = { isFree: true, hasRoom: true, given: 0, givenMs: 0 };
    expect(state()).toEqual(idle);
    const first = engine.run({ level: 0, texts: TEXTS });
    expect(state()).toEqual({ ...idle, isFree: false });
    const next = engine.run({ level: 0, texts: TEXTS.slice(1), expectedMs: 7 });
    expect(state()).toEqual({ isFree: false, hasRoom: false, given: 1, givenMs: 7 });
    expect((await first).logits).toEqual((await reference.run(TEXTS)).logits);
    expect((await next).logits).toEqual((await reference.run(TEXTS.slice(1))).logits);
    expect(state()).toEqual(idle);
    await engine.close();
  });

  it('fails the pass that a lost worker was at, runs elsewhere what waited behind it, and replaces it', async () => {
    const lost = vi.fn();
    const engine = await open({ kind, onWorkerLost: lost });
    const passes = Array.from({ length: 8 }, () => engine.run({ level: 0, texts: TEXTS }));
    killOne(engine);
    const expected = (await reference.run(TEXTS)).logits;
    const outcomes = await Promise.allSettled(passes);
    const answers = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value.logits] : []));
    const failures = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    expect(answers).toEqual(new Array(8 - failures.length).fill(expected));
    expect(failures.length).toBeLessThanOrEqual(1);
    for (const failure of failures) expect(failure).toMatchObject({ name: 'WorkerLost', wasBegun: true });
    expect(lost).toHaveBeenCalledTimes(1);
    await vi.waitFor(() => expect(engine.readyWorkers).toBe(2), { timeout: 50_000 });
    await engine.close();
  });
});

it('tells a worker that is lost from those that do not start in its place', async () => {
  const [lost, failed] = [vi.fn(), vi.fn()];
  await writeModel(at('gone'), randomModel());
  const engine = await open({ models: [{ model: at('gone') }], workers: 1, onWorkerLost: lost, onFailedStart: failed });
  await rm(at('gone'), { recursive: true });
  engine.killWorker(0);
  await vi.waitFor(() => expect(failed).toHaveBeenCalledWith(expect.stringContaining('gone')), { timeout: 20_000 });
  expect(lost).toHaveBeenCalledTimes(1);
  await engine.close();
});

/** As the system would: a process by a signal, a thread by its end. */
function killOne(engine: Engine): void {
  const [pid] = engine.pids;
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  else engine.killWorker(0);
}

it('gives a next pass to the worker that should be done first', async () => {
  const engine = await open({ workers: 2 });
  const run = vi.spyOn(WorkerLink.prototype, 'run');
  const pass = (expectedMs: number) => engine.run({ level: 0, texts: TEXTS, expectedMs });
  const running = [pass(60_000), pass(30_000), pass(90_000), pass(10)];
  const [long, short, behindShort, behindLong] = run.mock.contexts;
  expect(short).not.toBe(long);
  expect([behindShort, behindLong]).toEqual([short, long]);
  expect(engine.leftMs).toBeGreaterThan(150_000);
  await Promise.all(running);
  expect(engine.leftMs).toBe(0);
  run.mockRestore();
  await engine.close();
});

it('does not think that a worker will be done soon whose pass takes many times as long as it should', async () => {
  const engine = await open({ workers: 1 });
  const began = performance.now();
  const running = engine.run({ level: 0, texts: TEXTS, expectedMs: 0.01 });
  while (performance.now() < began + 5); // no answer comes meanwhile
  expect(engine.leftMs).toBeGreaterThan(4);
  await running;
  await engine.close();
});

it('gives a worker up whose pass hangs, before it has ended: a thread may not end at all', async () => {
  const lost = vi.fn();
  const engine = await open({ workers: 1, onWorkerLost: lost });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const pass = engine.run({ level: 0, texts: asked(...new Array<string>(5000).fill('a film')) });
    const outcome = expect(pass).rejects.toThrow('no reply in 60000 ms');
    await vi.waitUntil(() => !engine.isFree, { timeout: 50_000, interval: 1 });
    vi.advanceTimersByTime(60_000);
    expect(engine.readyWorkers).toBe(0);
    expect(lost).toHaveBeenCalledTimes(1);
    await outcome;
  } finally {
    vi.useRealTimers();
    await engine.close();
  }
});

it('gives a worker up that hangs while it opens its models, and tries another one', async () => {
  const failed = vi.fn();
  const engine = await open({ workers: 1, onFailedStart: failed });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  // The worker that replaces the first never hears what it should open.
  const posted = vi.spyOn(Worker.prototype, 'postMessage').mockImplementationOnce(() => undefined);
  try {
    engine.killWorker(0);
    await vi.waitUntil(() => posted.mock.calls.length === 1, { timeout: 20_000, interval: 1 });
    vi.advanceTimersByTime(300_000);
    await vi.waitUntil(() => engine.readyWorkers === 1, { timeout: 50_000, interval: 1 });
    expect(failed.mock.calls).toEqual([[expect.stringContaining('no reply in 300000 ms')]]);
  } finally {
    vi.useRealTimers();
    posted.mockRestore();
    await engine.close();
  }
});

it('has every level open, and says what is in it', async () => {
  const models = [{ model: at('dense') }, { model: at('pruned') }, { model: at('dense'), precision: 'int8' }] as const;
  const engine = await open({ models, workers: 1 });
  expect(engine.levels.map(({ description: { name, labels, instances } }) => ({ name, labels, instances }))).toEqual([
    { name: 'dense', labels: ['0', '1'], instances: 1 },
    { name: 'pruned', labels: ['0', '1'], instances: 1 },
    { name: 'dense:int8', labels: ['0', '1'], instances: 1 },
  ]);
  const [first, second] = [await engine.run({ level: 0, texts: TEXTS }), await engine.run({ level: 1, texts: TEXTS })];
  expect(first.logits).not.toEqual(second.logits);
  expect(second.model.name).toBe('pruned');
  const third = await engine.run({ level: 2, texts: TEXTS });
  expect(third.logits).not.toEqual(first.logits);
  expect(third.model.precision).toBe('int8');
  await engine.close();
});

it('tells texts that are too long, unless they are to be cut', async () => {
  const long = 'great film '.repeat(40);
  const endless = '!'.repeat(1_000_000);
  const engine = await open({ workers: 1 });
  const { tooLong, logits } = await engine.run({
    level: 0,
    texts: [
      ...[{ text: long, isCut: false }, ...TEXTS, { text: long, isCut: true }],
      ...[
        { text: endless, isCut: false },
        { text: 'a film', pair: endless, isCut: true },
      ],
    ],
  });
  expect(tooLong).toEqual([0, 5]);
  expect(logits?.length).toBe(7 * 2);
  await engine.close();
});

it('says why a model does not open', async () => {
  await expect(open({ models: [{ model: at('nothing') }] })).rejects.toThrow('nothing: expected a model folder');
});
