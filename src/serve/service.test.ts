/** The service on a real engine, without HTTP: what it does as workers come and go. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { cpu } from '../runtime/index.ts';
import { Engine } from './engine.ts';
import { WorkerLink, WorkerLost } from './engine-link.ts';
import type { OpenedLevel } from './engine-protocol.ts';
import type { Observation } from './load.ts';
import { RequestQueue } from './queue.ts';
import { Service, type ServiceOptions } from './service.ts';

let folder: string;
const opened: Service[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-service-'));
  await writeModel(folder, randomModel());
});
afterEach(async () => {
  for (const service of opened.splice(0)) await service.close();
  vi.restoreAllMocks();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What full passes are said to take: of levels, and of a model for texts alone. A row takes its share of that. */
interface PassTimes {
  readonly passMs?: number;
  readonly aloneMs?: number;
  /** Of a second level, which has an accuracy of 0.8 where the first has 0.9. */
  readonly fastMs?: number;
}

/** Full passes have 8 rows. */
async function open({ passMs, aloneMs, fastMs, ...options }: Partial<ServiceOptions> & PassTimes = {}) {
  const engine = await Engine.open({
    models: new Array(options.alone === undefined && fastMs === undefined ? 1 : 2).fill({ model: folder }),
    placement: cpu(1),
    workers: 1,
    kind: 'thread',
    rows: 8,
  });
  const levels = engine.levels.map((level, at) => {
    const ms = (at === 0 ? passMs : (aloneMs ?? fastMs)) ?? level.passMs;
    const description = { ...level.description, accuracy: at === 0 ? 0.9 : 0.8 };
    return { ...level, description, passMs: ms, groupMs: ms / 8 };
  });
  vi.spyOn(engine, 'levels', 'get').mockReturnValue(levels);
  const run = engine.run.bind(engine);
  vi.spyOn(engine, 'run').mockImplementation(async (pass) => {
    const { description, groupMs } = levels[pass.level] as OpenedLevel;
    const answers = await run(pass);
    // Where its time is given, passes have taken it: those of this machine are another matter.
    return { ...answers, model: description, ...(passMs !== undefined && { computeMs: groupMs * pass.texts.length }) };
  });
  const defaults = { isolation: 'none', maxWaitMs: 5, capacity: 100, maxQueueMs: 60_000, levelFor: () => 0 } as const;
  const service = new Service(engine, { ...defaults, ...options });
  opened.push(service);
  return { engine, service };
}

const questionOf = (texts: number) => ({ texts: new Array(texts).fill({ text: 'a film', isCut: true }), tenant: '' });

it('answers what came while no worker was ready, as soon as one is', async () => {
  const { engine, service } = await open();
  engine.killWorker(0);
  await vi.waitFor(() => expect(service.readyWorkers).toBe(0), { timeout: 10_000, interval: 1 });
  expect((await service.ask(questionOf(1)).answer).texts.length).toBe(1);
}, 60_000);

it('refuses what waits when there has been no worker for long, and what comes until there is one again', async () => {
  const { engine, service } = await open();
  const opening = vi.spyOn(WorkerLink.prototype, 'open').mockReturnValue(new Promise(() => undefined));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    engine.killWorker(0);
    await vi.waitUntil(() => service.readyWorkers === 0, { timeout: 10_000, interval: 1 });
    const first = service.ask(questionOf(8)).answer;
    const waiting = service.ask(questionOf(3)).answer;
    vi.advanceTimersByTime(20_000); // the look for it took some, too
    expect(service.openQuestions).toBe(2);
    vi.advanceTimersByTime(10_000);
    for (const answer of [first, waiting]) {
      await expect(answer).rejects.toMatchObject({
        kind: 'unhealthy',
        message: expect.stringContaining('none for 30 s'),
      });
    }
    expect(() => service.requireRoom('')).toThrow('expected a worker that is ready, got none for 30 s');
    expect(opening).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});

it('takes requests in again when a worker is ready after all', async () => {
  const { engine, service } = await open();
  let goOn: () => void = () => undefined;
  const { open: start } = WorkerLink.prototype;
  vi.spyOn(WorkerLink.prototype, 'open').mockImplementation(async function (this: WorkerLink, request) {
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    return start.call(this, request);
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  engine.killWorker(0);
  await vi.waitUntil(() => service.readyWorkers === 0, { timeout: 10_000, interval: 1 });
  vi.advanceTimersByTime(30_000);
  vi.useRealTimers();
  expect(() => service.requireRoom('')).toThrow('none for 30 s');
  goOn();
  await vi.waitFor(() => expect(service.readyWorkers).toBe(1), { timeout: 20_000 });
  expect((await service.ask(questionOf(1)).answer).texts.length).toBe(1);
}, 60_000);

it('fails a text that ends workers, and none that shares its pass', async () => {
  const { service } = await open({ maxWaitMs: 60_000, passMs: 8 });
  const { run } = WorkerLink.prototype;
  const passes: number[] = [];
  vi.spyOn(WorkerLink.prototype, 'run').mockImplementation(function (this: WorkerLink, pass) {
    passes.push(pass.texts.length);
    if (!pass.texts.some(({ text }) => text === 'fatal')) return run.call(this, pass);
    this.kill();
    return Promise.reject(new WorkerLost('the model to run', 'the end of its thread', true));
  });
  const texts = ['a', 'film', 'fatal', 'was', 'great', 'and', 'so', 'on'];
  const asked = texts.map((text) => service.ask({ texts: [{ text, isCut: true }], tenant: '' }).answer);
  const outcomes = await Promise.allSettled(asked);
  expect(texts.filter((_, at) => outcomes[at]?.status === 'rejected')).toEqual(['fatal']);
  expect(outcomes[2]).toMatchObject({ reason: { code: 'BACKEND' } });
  expect(passes[0]).toBe(8);
  expect(Math.max(...passes.slice(1))).toBe(4);
}, 120_000);

describe('passes of a model that takes 20 ms a row, of 8 if full', () => {
  /** Rows of the passes in which so many texts are answered that are asked at once, each by a question. */
  async function passesOf(texts: number, options: Partial<ServiceOptions> = {}): Promise<number[]> {
    const { engine, service } = await open({ passMs: 8 * 20, ...options });
    const run = vi.spyOn(engine, 'run');
    await Promise.all(Array.from({ length: texts }, () => service.ask(questionOf(1)).answer));
    return run.mock.calls.map(([pass]) => pass.texts.length);
  }

  it('are of one row while little waits', async () => {
    expect(await passesOf(4)).toEqual([1, 1, 1, 1]);
  });

  it('wait for the first worker that is free, unless one that is busy has nearly done', async () => {
    const { engine, service } = await open({ passMs: 8 * 20 });
    const soonest = vi.spyOn(engine, 'soonestMs', 'get').mockReturnValue(200);
    const ask = () => Promise.all(Array.from({ length: 3 }, () => service.ask(questionOf(1)).answer));
    const first = ask();
    expect(engine.passesGiven).toBe(0);
    expect(await first).toHaveLength(3);
    soonest.mockReturnValue(20);
    const second = ask();
    expect(engine.passesGiven).toBe(1);
    expect(await second).toHaveLength(3);
  });

  it('are full while much waits', async () => {
    expect(await passesOf(40)).toContain(8);
  });

  it('are of what came together under isolation, however little waits: answers do not depend on the load', async () => {
    expect(await passesOf(4, { isolation: 'tenant', maxWaitMs: 100 })).toEqual([4]);
  });
});

describe('the wait that is foreseen', () => {
  /** Of a tenant's row that comes when so many questions of a text were just asked, by so many tenants, of a model that takes 20 ms for one. */
  async function waitAfter(
    questions: number,
    tenants: number,
    { tenant, ...options }: Partial<ServiceOptions> & { readonly tenant: string },
  ): Promise<number> {
    const { service } = await open({ passMs: 8 * 20, ...options });
    const asked = Array.from({ length: questions }, (_, at) =>
      service.ask({ ...questionOf(1), tenant: `${at % tenants}` }),
    );
    const waitMs = service.expectedWaitMs(tenant);
    await Promise.all(asked.map(({ answer }) => answer));
    return waitMs;
  }

  it.each([
    ['none', 1],
    ['none', 40],
    ['tenant', 40],
    ['request', 1],
  ] as const)('is the work of what waits (isolation %s, tenants %i)', async (isolation, tenants) => {
    // 40 texts of 20 ms, the first of which may have begun.
    const waitMs = await waitAfter(40, tenants, { isolation, tenant: '0' });
    expect(waitMs).toBeGreaterThan(38 * 20);
    expect(waitMs).toBeLessThanOrEqual(40 * 20);
  });

  it('is a turn of another tenant that floods, and not all that it sent', async () => {
    // A pass runs, another one is given to the worker: two more of 64 texts.
    const waitMs = await waitAfter(64, 1, { isolation: 'tenant', tenant: 'another' });
    expect(waitMs).toBeLessThanOrEqual(4 * 8 * 20);
  });

  it('of all that was taken in is a metric, in seconds', async () => {
    const { service } = await open({ passMs: 8 * 20 });
    const asked = Array.from({ length: 40 }, () => service.ask(questionOf(1)).answer);
    const line = await service.metrics.registry.getSingleMetricAsString('prumux_queue_seconds');
    const seconds = Number(/^prumux_queue_seconds (.+)$/m.exec(line)?.[1]);
    expect(seconds).toBeGreaterThan(0.038 * 20);
    expect(seconds).toBeLessThanOrEqual(0.04 * 20);
    await Promise.all(asked);
  });

  it('is that of the level that may answer, whatever the level of others', async () => {
    const { service } = await open({ passMs: 8 * 100, fastMs: 8, levelFor: () => 1 });
    await service.ask(questionOf(1)).answer; // from here on the level is the second one
    const waitAfter = (minAccuracy: number) => {
      const asked = Array.from({ length: 10 }, () => service.ask({ ...questionOf(1), minAccuracy }));
      const waitMs = service.expectedWaitMs('');
      return { waitMs, answers: Promise.all(asked.map(({ answer }) => answer)) };
    };
    const fast = waitAfter(0.7);
    await fast.answers;
    const pinned = waitAfter(0.85);
    expect(fast.waitMs).toBeLessThan(pinned.waitMs / 2);
    expect(pinned.waitMs).toBeGreaterThan(9 * 100);
    expect(new Set((await pinned.answers).map(({ level }) => level))).toEqual(new Set([0]));
  });
});

it('is seen whole by what is recomputed in, and by the ladder without what it cannot move', async () => {
  const seen: Observation[] = [];
  const levelFor = (observation: Observation): number => {
    seen.push(observation);
    return 1;
  };
  const { service } = await open({ passMs: 8 * 100, fastMs: 8, maxWaitMs: 60_000, levelFor });
  const pinned = Array.from({ length: 3 }, () => service.ask({ ...questionOf(1), minAccuracy: 0.85 }));
  await service.metrics.registry.metrics(); // asks for the level of now
  const {
    waitsMs: [accurate = 0, fast],
    backlogMs,
  } = seen.at(-1) as Observation;
  expect(fast).toBe(0);
  expect(accurate).toBeGreaterThan(100);
  expect(backlogMs).toBe(accurate);
  for (const { answer, cancel } of pinned) {
    cancel();
    await expect(answer).rejects.toThrow('to wait');
  }
});

it('looks through what waits only when there may be more to take, not at every question', async () => {
  const { service } = await open({ isolation: 'request', maxWaitMs: 50 });
  const looks = vi.spyOn(RequestQueue.prototype, 'take');
  const fullLooks = vi.spyOn(RequestQueue.prototype, 'takeFull');
  const asked = Array.from({ length: 60 }, () => service.ask(questionOf(1)).answer);
  expect(looks.mock.calls.length + fullLooks.mock.calls.length).toBe(1);
  await Promise.all(asked);
});

describe('a model for texts alone', () => {
  it('answers one only where no other waits', async () => {
    const { engine, service } = await open({ alone: 1, isolation: 'request', maxWaitMs: 0 });
    const run = vi.spyOn(engine, 'run');
    const levels = await Promise.all(
      Array.from({ length: 5 }, async () => (await service.ask(questionOf(1)).answer).level),
    );
    // The first goes at once, the others while it runs: of them only the last one leaves nobody behind.
    expect(run).toHaveBeenCalledTimes(5);
    expect(levels.slice(1, 4)).toEqual([0, 0, 0]);
    expect((await service.ask(questionOf(1)).answer).level).toBe('alone');
  });

  it('has its own time in what is foreseen', async () => {
    const { engine, service } = await open({ alone: 1, maxWaitMs: 0, passMs: 8, aloneMs: 8 * 60_000 });
    const asked = service.ask(questionOf(1));
    await vi.waitUntil(() => !engine.isFree, { interval: 0 });
    expect(service.expectedWaitMs('')).toBeGreaterThan(50_000);
    expect((await asked.answer).level).toBe('alone');
    expect(service.expectedWaitMs('')).toBe(0);
  });
});
