/**
 * The server under real sockets, load and abuse. Texts are numbered words, so that every answer can be held against the answer that the model,
 * opened in this thread, has for just that text.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { cpu } from '../src/runtime/index.ts';
import { Engine } from '../src/serve/engine.ts';
import type { Asked } from '../src/serve/question.ts';
import { openServedModel, type ServedModel } from '../src/serve/served-model.ts';
import { compactMux } from './compact-mux.kit.ts';
import { randomModel, writeModel } from './model-folder.kit.ts';
import { type ServerKit, startTestServer, type TestOptions } from './server.kit.ts';

let folder: string;
let reference: ServedModel;
let expectedScores: readonly number[][];
/** For tests that need no other: two workers, a debug log without texts. */
let shared: ServerKit;
const opened: ServerKit[] = [];

const WORDS = [
  'this',
  'film',
  'was',
  'great',
  'and',
  'long',
  'that',
  'book',
  'is',
  'awful',
  'but',
  'short',
  'fine',
  'quiet',
];
/** Texts of one to nine words, no two alike. */
const TEXTS = Array.from({ length: 48 }, (_, at) =>
  Array.from({ length: 1 + (at % 9) }, (__, word) => WORDS[(at * (word + 1) + word) % WORDS.length]).join(' '),
);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-serving-'));
  await writeModel(join(folder, 'dense'), randomModel());
  await writeModel(join(folder, 'mux'), compactMux(4));
  reference = await openServedModel({ model: join(folder, 'dense') }, cpu(1), undefined);
  const scores: number[][] = [];
  for (const text of TEXTS) scores.push([...((await reference.run([{ text, isCut: true }])).logits ?? [])]);
  expectedScores = scores;
  await writeModel(join(folder, 'shared'), randomModel());
  shared = await startTestServer([join(folder, 'shared')], {
    ...{ workers: 2, placement: cpu(2), logLevel: 'debug', maxBytes: 5000, requestTimeoutMs: 1500 },
  });
}, 120_000);
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(opened.splice(0).map((server) => server.close()));
});
afterAll(async () => {
  await Promise.all([reference?.close(), shared?.close()]);
  await rm(folder, { recursive: true, force: true });
});

async function start(model: 'dense' | 'mux', options: TestOptions = {}): Promise<ServerKit> {
  const server = await startTestServer([join(folder, model)], options);
  opened.push(server);
  return server;
}

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

async function ask({ url }: ServerKit, text: string, headers: Record<string, string> = {}): Promise<Reply> {
  const body = JSON.stringify({ inputs: text, raw_scores: true });
  const response = await fetch(`${url}/predict`, {
    ...{ method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } },
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

type Scores = { readonly label: string; readonly score: number }[];

const byLabel = (scores: Scores): number[] =>
  scores.toSorted((a, b) => a.label.localeCompare(b.label)).map(({ score }) => score);

/** Logits in the order of the labels. */
const logitsOf = ({ body }: Reply): number[] => byLabel(body as Scores);

/** That a reply is the answer to the text of that number, up to what padding changes. */
function expectAnswer(reply: Reply, at: number): void {
  expect(reply.status).toBe(200);
  logitsOf(reply).forEach((value, label) => {
    expect(value).toBeCloseTo(expectedScores[at]?.[label] ?? Number.NaN, 4);
  });
}

/** Asks about all texts at once, `rounds` times, and checks every answer; in the middle something happens. */
async function underLoad(server: ServerKit, rounds: number, happening: () => unknown): Promise<void> {
  const replies: Promise<Reply>[] = [];
  for (let round = 0; round < rounds; round++) {
    replies.push(...TEXTS.map((text) => ask(server, text)));
    for (const reply of replies) reply.catch(() => undefined); // they are all looked at in the end
    if (round === rounds >> 1) await happening();
    await sleep(5);
  }
  (await Promise.all(replies)).forEach((reply, at) => {
    expectAnswer(reply, at % TEXTS.length);
  });
}

/** Sends bytes, and gives what comes back until the server closes or has answered. */
async function raw(
  server: ServerKit,
  bytes: string,
  then: (socket: Socket) => void = () => undefined,
): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  let back = '';
  socket.on('data', (data) => {
    back += data;
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(bytes);
  then(socket);
  await once(socket, 'close');
  return back;
}

const requestOf = (body: string, more = ''): string =>
  `POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;

async function metric({ service }: ServerKit, name: string): Promise<number> {
  const text = await service.metrics.registry.getSingleMetricAsString(name);
  return Number(/^\w+(?:\{.*\})? (\d+)$/m.exec(text)?.[1]);
}

/** The values of a metric, each with what follows its name. */
async function countsOf({ service }: ServerKit, name: string): Promise<string[]> {
  const text = await service.metrics.registry.getSingleMetricAsString(name);
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .map((line) => line.slice(name.length));
}

/** As the system would: a process by a signal, a thread by its end. */
function killWorkerOf(engine: Engine): void {
  const [pid] = engine.pids;
  if (pid === undefined) engine.killWorker(0);
  else process.kill(pid, 'SIGKILL');
}

describe('every caller gets the answer to its own text', () => {
  it('also when they share passes, which are fewer than requests', async () => {
    const before = await metric(shared, 'prumux_passes_total');
    await underLoad(shared, 6, () => undefined);
    const passes = (await metric(shared, 'prumux_passes_total')) - (before || 0);
    expect(passes).toBeLessThan((6 * TEXTS.length) / 2);
  });

  it.each(['thread', 'process'] as const)('while a worker of the kind %s is lost', async (kind) => {
    const run = vi.spyOn(Engine.prototype, 'run');
    const server = kind === 'thread' ? shared : await start('dense', { kind, workers: 2 });
    await underLoad(server, 6, async () => {
      await vi.waitFor(() => expect(run.mock.contexts.length).toBeGreaterThan(0), { timeout: 10_000, interval: 1 });
      killWorkerOf(run.mock.contexts[0] as Engine);
    });
    await vi.waitFor(() => expect(server.service.readyWorkers).toBe(2), { timeout: 20_000 });
    expect(server.logged.join()).toContain('a worker was lost');
    expect(await metric(server, 'prumux_worker_restarts_total')).toBe(1);
  });

  it('while the models are loaded anew', async () => {
    let reloaded: Promise<boolean> = Promise.resolve(false);
    await underLoad(shared, 6, () => {
      reloaded = shared.reload();
    });
    expect(await reloaded).toBe(true);
    await underLoad(shared, 1, () => undefined);
  });

  it('from the model that the folder holds when it is loaded; one that does not open changes nothing', async () => {
    const path = join(folder, 'shared', 'config.json');
    const config = await readFile(path, 'utf8');
    await writeFile(path, 'nonsense');
    expect(await shared.reload()).toBe(false);
    await underLoad(shared, 1, () => undefined);
    await writeFile(path, config);
    await writeModel(join(folder, 'shared'), randomModel(['other', 'labels']));
    expect(await shared.reload()).toBe(true);
    expect((await ask(shared, 'film')).body).toMatchObject([{ label: expect.stringMatching(/other|labels/) }, {}]);
    await writeModel(join(folder, 'shared'), randomModel());
    expect(await shared.reload()).toBe(true);
  });

  it('and those that leave are dropped', async () => {
    const run = vi.spyOn(Engine.prototype, 'run');
    const server = await start('dense', { maxWaitMs: 3000, rows: 1000 });
    const stays = ask(server, TEXTS[0] ?? '');
    const sockets: Socket[] = [];
    const leaving = [1, 2, 3].map(() =>
      raw(server, requestOf(JSON.stringify({ inputs: 'left early' })), (socket) => sockets.push(socket)),
    );
    await vi.waitFor(() => expect(server.service.openQuestions).toBe(4), { timeout: 10_000 });
    for (const socket of sockets) socket.destroy();
    await Promise.all(leaving);
    expectAnswer(await stays, 0);
    const asked = run.mock.calls.flatMap(([{ texts }]) => texts.map(({ text }) => text));
    expect(asked).toEqual([TEXTS[0]]);
    expect(await metric(server, 'prumux_cancelled_rows_total')).toBe(3);
  });
});

describe('isolation', () => {
  const keys = ['alpha', 'beta', 'gamma'];
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  let server: ServerKit;
  beforeAll(async () => {
    server = await startTestServer([join(folder, 'mux')], { apiKeys: keys, isolation: 'tenant', rows: 8 });
  }, 120_000);
  afterAll(() => server?.close());

  it.each(['keys', 'a header'])('runs no pass for two tenants, whom %s tell apart', async (how) => {
    const run = vi.spyOn(Engine.prototype, 'run');
    const open = how === 'keys' ? server : await start('mux', { isolation: 'tenant', rows: 8 });
    const headersOf = (tenant: string) => (how === 'keys' ? bearer(tenant) : { 'x-prumux-tenant': tenant });
    const replies = await Promise.all(
      Array.from({ length: 60 }, (_, at) => ask(open, `film ${keys[at % 3]}`, headersOf(keys[at % 3] as string))),
    );
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    const tenantsOf = run.mock.calls.map(([{ texts }]) => new Set(texts.map(({ text }) => text.split(' ')[1])));
    expect(tenantsOf.length).toBeLessThan(60);
    expect(tenantsOf.filter(({ size }) => size !== 1)).toEqual([]);
  });

  it('gives who asks one text after the other the same answers, to the bit, whatever other tenants send', async () => {
    const own = async (): Promise<unknown[]> => {
      const answers: unknown[] = [];
      for (const text of TEXTS.slice(0, 12)) answers.push((await ask(server, text, bearer('alpha'))).body);
      return answers;
    };
    const alone = await own();
    let isOver = false;
    const noise = keys.slice(1).map(async (key) => {
      const statuses = new Set<number>();
      for (let at = 0; !isOver; at++) {
        statuses.add((await ask(server, 'awful long book '.repeat(1 + (at % 7)), bearer(key))).status);
      }
      return statuses;
    });
    const among = await own();
    isOver = true;
    expect(await Promise.all(noise)).toEqual([new Set([200]), new Set([200])]);
    expect(among).toEqual(alone);
  });

  it('by request gives each, to the bit, what the model gives for its texts alone, four to a group', async () => {
    const open = await start('mux', { isolation: 'request', workers: 2, placement: cpu(2) });
    const model = await openServedModel({ model: join(folder, 'mux') }, cpu(1), undefined);
    const requests = Array.from({ length: 40 }, (_, at) => TEXTS.slice(at, at + 1 + (at % 11)));
    const answers = await Promise.all(
      requests.map(async (texts) => {
        const payload = { inputs: texts.map((text) => [text]), raw_scores: true };
        const response = await open.app.inject({ method: 'POST', url: '/predict', payload });
        expect(response.statusCode).toBe(200);
        return response.json<Scores[]>();
      }),
    );
    for (const [at, texts] of requests.entries()) {
      const { logits } = await model.run(texts.map((text) => ({ text, isCut: true })));
      expect(answers[at]?.flatMap(byLabel)).toEqual([...(logits ?? [])]);
    }
    await model.close();
  });

  it('is not there without: neighbours change answers', async () => {
    const open = await start('mux', { maxWaitMs: 1000, rows: 4 });
    const alone = (await ask(open, TEXTS[5] ?? '')).body;
    const among = ask(open, TEXTS[5] ?? '');
    await Promise.all(['awful', 'short film', 'great book'].map((text) => ask(open, text)));
    expect((await among).body).not.toEqual(alone);
  });

  it('lets nobody in without a key', async () => {
    expect((await ask(server, 'film')).status).toBe(401);
    expect((await ask(server, 'film', bearer('alpha'))).status).toBe(200);
    expect(await ask(server, 'film', { 'x-api-key': 'beta' })).toMatchObject({ status: 200 });
    expect((await ask(server, 'film', bearer('delta'))).body).toMatchObject({ error_type: 'Unauthorized' });
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect((await fetch(`${server.url}/info`)).status).toBe(401);
  });

  it('says in the description of the API what a key is for', async () => {
    const { paths } = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { security?: unknown }>>;
    };
    const guarded = ['/predict', '/info', '/v2', '/v2/models/{name}/infer'].map(
      (path) => Object.values(paths[path] ?? {})[0],
    );
    for (const operation of guarded) expect(operation).toMatchObject({ security: [{ key: [] }, { keyHeader: [] }] });
    for (const path of ['/health', '/metrics']) expect(paths[path]?.get?.security).toBeUndefined();
  });
});

describe('overload', () => {
  it('answers what is taken in, and refuses the rest at once, with a time to come back', async () => {
    const answer = Engine.prototype.run;
    let running = 0;
    vi.spyOn(Engine.prototype, 'isFree', 'get').mockImplementation(() => running < 1);
    vi.spyOn(Engine.prototype, 'hasRoomForNext', 'get').mockImplementation(() => running < 2);
    vi.spyOn(Engine.prototype, 'run').mockImplementation(async function (this: Engine, pass) {
      running++;
      await sleep(100);
      const answers = await answer.call(this, pass);
      running--;
      return { ...answers, computeMs: 100 };
    });
    const server = await start('dense', { rows: 4, capacity: 40, maxQueueMs: 300 });
    // Passes are known to be slow, as of full ones a moving average is kept.
    for (let pass = 0; pass < 2; pass++) await Promise.all(TEXTS.slice(0, 4).map((text) => ask(server, text)));
    const replies = await Promise.all(Array.from({ length: 4 }, () => TEXTS.map((text) => ask(server, text))).flat());
    const accepted = replies.filter(({ status }) => status === 200);
    const refused = replies.filter(({ status }) => status === 429);
    expect(accepted.length + refused.length).toBe(replies.length);
    expect(accepted.length).toBeGreaterThan(4);
    expect(refused.length).toBeGreaterThan(0); // how many depends on how fast clients come
    replies.forEach((reply, at) => {
      if (reply.status === 200) expectAnswer(reply, at % TEXTS.length);
    });
    for (const { headers, body } of refused) {
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(body).toMatchObject({ error_type: 'Overloaded' });
    }
  });
});

describe('a full queue', () => {
  it('refuses a request before its body is read', async () => {
    const server = await start('dense', { capacity: 5, maxWaitMs: 1000 });
    const texts = [{ text: 'a film', isCut: true }];
    const asked: Asked[] = [];
    expect(() => {
      for (;;) asked.push(server.service.ask({ texts, tenant: '' }));
    }).toThrow('room for 1 rows');
    const headers = { 'content-type': 'application/json' };
    const post = () => server.app.inject({ method: 'POST', url: '/predict', payload: 'no JSON', headers });
    expect((await post()).statusCode).toBe(429);
    await Promise.all(asked.map((each) => each.answer));
    expect((await post()).statusCode).toBe(400);
  });
});

describe('the end of a server', () => {
  const statusOf = async (server: ServerKit): Promise<number> =>
    (await server.app.inject({ method: 'POST', url: '/predict', payload: { inputs: 'a film' } })).statusCode;
  const texts = [{ text: 'a film', isCut: true }];

  it('is what it says of requests that it has no time for, so that another server is asked', async () => {
    const server = await startTestServer([join(folder, 'dense')], { maxWaitMs: 60_000, rows: 1000 });
    const reply = ask(server, 'a film');
    await vi.waitFor(() => expect(server.service.openQuestions).toBe(1), { timeout: 10_000 });
    expect(await server.drain(50)).toBe(false);
    expect(await reply).toMatchObject({ status: 503, body: { error_type: 'Unhealthy' } });
    expect(server.logged.join()).not.toContain('a pass failed');
  });

  it('is what it says with a full queue, too', async () => {
    const server = await startTestServer([join(folder, 'dense')], { maxWaitMs: 60_000, rows: 1000, capacity: 5 });
    expect(() => {
      for (;;) server.service.ask({ texts, tenant: '' });
    }).toThrow('room for 1 rows');
    expect(await statusOf(server)).toBe(429);
    const ended = server.drain(300);
    expect(await statusOf(server)).toBe(503);
    await ended;
  });

  it('and the loss of all workers are what probes are told, that of life excepted', async () => {
    const server = await start('dense', { rows: 1 });
    const probe = async (url: string): Promise<number> => (await server.app.inject({ url })).statusCode;
    const probes = async (): Promise<number[]> =>
      Promise.all(['/health', '/v2/health/ready', '/v2/models/dense/ready', '/v2/health/live'].map(probe));
    const run = vi.spyOn(Engine.prototype, 'run');
    expectAnswer(await ask(server, TEXTS[0] ?? ''), 0);
    expect(await probes()).toEqual([200, 200, 200, 200]);
    killWorkerOf(run.mock.contexts[0] as Engine);
    await vi.waitFor(async () => expect(await probes()).toEqual([503, 503, 503, 200]), {
      timeout: 10_000,
      interval: 1,
    });
    await vi.waitFor(async () => expect(await probes()).toEqual([200, 200, 200, 200]), { timeout: 20_000 });
    const ended = server.drain(10_000);
    expect(await probes()).toEqual([503, 503, 503, 200]);
    expect(await ended).toBe(true);
  });

  it('waits for no client that sends nothing, or half a request', async () => {
    const server = await startTestServer([join(folder, 'dense')]);
    const half = requestOf('{"inputs": "a film"}').slice(0, -5);
    const backs = ['', half].map((bytes) => raw(server, bytes));
    await vi.waitFor(
      async () => {
        expect(await promisify(server.app.server.getConnections.bind(server.app.server))()).toBe(2);
      },
      { timeout: 10_000 },
    );
    expect(await server.drain(100)).toBe(true);
    expect(await Promise.all(backs)).toEqual(['', '']);
  });
});

/** Connects so many times at once to the port in its arguments, when it is told to; says how long each connection took, in milliseconds. */
const CONNECTING = `
  const { connect } = require('node:net');
  const [port, count] = process.argv.slice(1).map(Number);
  process.once('message', async () => {
    const began = performance.now();
    const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
    const times = await Promise.all(sockets.map((socket) => new Promise((done) => {
      socket.once('connect', () => done(performance.now() - began));
      socket.once('error', () => done(Infinity));
    })));
    process.send(times, () => process.exit());
  });
  process.send('ready');
`;

/** The system's limit of connections that wait to be taken by a program. */
async function mostWaitingConnections(): Promise<number> {
  return Number(await readFile('/proc/sys/net/core/somaxconn', 'utf8').catch(() => '0'));
}

describe('many clients at once', () => {
  const CLIENTS = 1000;
  it('are connected while the server is busy, and not when they try again', { retry: 2 }, async ({ skip }) => {
    const most = await mostWaitingConnections();
    if (most < CLIENTS) skip(`the system lets ${most} connections wait`);
    const child = spawn(process.execPath, ['-e', CONNECTING, new URL(shared.url).port, String(CLIENTS)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(child, 'message');
    const report = once(child, 'message');
    child.send('go');
    await sleep(0);
    for (const end = performance.now() + 700; performance.now() < end; ); // takes no connection meanwhile
    const [times] = (await report) as [number[]];
    // TCP tries again after a second; so may a machine stand still, but not three times in a row.
    expect(times.filter((milliseconds) => milliseconds >= 1000)).toEqual([]);
    expectAnswer(await ask(shared, TEXTS[4] ?? ''), 4);
  });
});

describe('abuse', () => {
  it('of a client that sends slowly ends with its connection', async () => {
    const inHead = raw(shared, 'POST /predict HTTP/1.1\r\nhost: x\r\ncontent-le');
    const inBody = raw(shared, requestOf('{"inputs": "a film"}').slice(0, -5));
    for (const back of [await inHead, await inBody]) expect(back).toMatch(/^HTTP\/1\.1 4|^$/);
    expectAnswer(await ask(shared, TEXTS[1] ?? ''), 1);
  });

  it('by a socket that is half closed leaves nothing behind', async () => {
    await raw(shared, requestOf('{"inputs": "a film"}'), (socket) => socket.end());
    expectAnswer(await ask(shared, TEXTS[2] ?? ''), 2);
    await vi.waitFor(() => expect(shared.service.openQuestions).toBe(0), { timeout: 10_000 });
  });

  it('by more bodies than there is memory for is refused before they are read', async () => {
    const maxBytes = 200_000_000; // two of them are more than may be under way
    const server = await start('dense', { maxBytes, maxWaitMs: 200, rows: 1000 });
    const post = (route: string, head: string, body = ''): string =>
      `POST ${route} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n${head}\r\n\r\n${body}`;
    const text = JSON.stringify({ inputs: 'a film' });
    const chunked = `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
    const untold = () => raw(server, post('/predict', 'transfer-encoding: chunked', chunked));
    let endFirst: () => unknown = () => undefined;
    const first = raw(server, post('/predict', `content-length: ${maxBytes}`), (socket) => {
      endFirst = () => socket.destroy();
    });
    await vi.waitFor(async () => expect(await untold()).toMatch(/^HTTP\/1\.1 429 .*retry-after/s), { timeout: 10_000 });
    expect(await raw(server, post('/nothing', `content-length: ${maxBytes}`))).toMatch(/^HTTP\/1\.1 404 /);
    expect(await raw(server, post('/predict', `content-length: ${maxBytes + 1}`))).toMatch(/^HTTP\/1\.1 413 /);
    expectAnswer(await ask(server, TEXTS[5] ?? ''), 5);
    endFirst();
    await first;
    // Neither holds what it took up while it waits for its answer.
    await vi.waitFor(
      async () => {
        for (const reply of await Promise.all([untold(), untold()])) expect(reply).toMatch(/^HTTP\/1\.1 200 /);
      },
      { timeout: 10_000 },
    );
  });

  it('by bodies of one tenant leaves room for those of another', async () => {
    const maxBytes = 70_000_000;
    const server = await start('dense', { maxBytes });
    const head = (tenant: string): string =>
      `POST /predict HTTP/1.1\r\nhost: x\r\nx-prumux-tenant: ${tenant}\r\ncontent-type: application/json\r\ncontent-length: ${maxBytes}\r\n\r\n`;
    const sockets: Socket[] = [];
    const opened = [1, 2, 3].map(() => raw(server, head('flood'), (socket) => sockets.push(socket))); // 58 MB are left of 256 MiB
    const small = (tenant: string) =>
      server.app.inject({
        ...{ method: 'POST', url: '/predict', headers: { 'x-prumux-tenant': tenant } },
        payload: { inputs: 'a film', filler: 'x'.repeat(30_000_000) },
      });
    await vi.waitFor(async () => expect((await small('flood')).statusCode).toBe(429), { timeout: 10_000 });
    expect((await small('other')).statusCode).not.toBe(429);
    for (const socket of sockets) socket.destroy();
    await Promise.all(opened);
  });

  it('by half a request behind a whole one of its connection holds no memory when both leave', async () => {
    const maxBytes = 300_000_000; // as many as may be under way
    const server = await start('dense', { maxBytes, maxWaitMs: 300, rows: 1000 });
    const text = JSON.stringify({ inputs: 'a film' });
    const post = (length: number, body: string): string =>
      `POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`;
    await raw(server, post(text.length, text) + post(maxBytes - text.length, '{"inputs"'), (socket) =>
      setTimeout(() => socket.destroy(), 50),
    );
    await vi.waitFor(async () => expectAnswer(await ask(server, TEXTS[5] ?? ''), 5), { timeout: 10_000 });
    expect(await countsOf(server, 'prumux_failures_total')).toContain('{code="499"} 1');
  });

  it('by what follows a whole request and is none does not answer that request', async () => {
    const server = await start('dense', { maxWaitMs: 200, rows: 1000 });
    expect(await raw(server, `${requestOf('{"inputs": "a film"}')}nonsense\r\n\r\n`)).toBe('');
    expect(await raw(server, 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\nnonsense\r\n\r\n')).toBe('');
  });

  it('by any body is answered with 200 or a refusal that has a form', async () => {
    const inputs = fc.jsonValue().map((value) => JSON.stringify({ inputs: value }));
    const body = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), inputs);
    const headers = { 'content-type': 'application/json' };
    await fc.assert(
      fc.asyncProperty(body, async (payload) => {
        const response = await shared.app.inject({ method: 'POST', url: '/predict', payload, headers });
        if (response.statusCode === 200) return;
        expect([400, 413, 422]).toContain(response.statusCode);
        expect(response.json()).toEqual({ error: expect.any(String), error_type: expect.any(String) });
      }),
      { numRuns: 300 },
    );
    expectAnswer(await ask(shared, TEXTS[3] ?? ''), 3);
  });
});

it('a model for texts alone answers the text that nobody shares a pass with', async () => {
  const server = await start('mux', { alone: join(folder, 'dense'), logLevel: 'debug', hasTextsInLog: true });
  const reply = await ask(server, TEXTS[4] ?? '');
  expect(reply.headers.get('x-prumux-level')).toBe('alone');
  expectAnswer(reply, 4);
  await vi.waitFor(() => expect(server.logged.join()).toContain(TEXTS[4]), { timeout: 10_000 });
  expect(await countsOf(server, 'prumux_rows_total')).toEqual(['{level="alone"} 1']);
});

describe('metrics', () => {
  it('count failures of clients that leave, are slow, or do not speak HTTP, each once and by a code', async () => {
    const server = await start('dense', { maxWaitMs: 60_000, rows: 1000, requestTimeoutMs: 500 });
    const whole = requestOf('{"inputs": "a film"}');
    const leaving = raw(server, whole, (socket) =>
      vi
        .waitFor(() => expect(server.service.openQuestions).toBe(1), { timeout: 10_000 })
        .finally(() => socket.destroy()),
    );
    await leaving;
    for (const [bytes, status] of [
      ['nonsense\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
      [whole.slice(0, -5), 408],
    ] as const) {
      const back = await raw(server, bytes);
      expect(back).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(JSON.parse(back.slice(back.indexOf('{')))).toEqual({
        ...{ error: expect.any(String), error_type: expect.any(String) },
      });
    }
    await vi.waitFor(
      async () => {
        const counts = await countsOf(server, 'prumux_failures_total');
        expect(counts.sort()).toEqual([400, 408, 431, 499].map((code) => `{code="${code}"} 1`));
      },
      { timeout: 10_000 },
    );
  });

  it('count rows that were answered: none that is too long, none whose client has left', async () => {
    const server = await start('dense', { maxWaitMs: 100, rows: 1000 });
    const run = Engine.prototype.run;
    vi.spyOn(Engine.prototype, 'run').mockImplementation(async function (this: Engine, pass) {
      left.cancel();
      return run.call(this, pass);
    });
    const put = (text: string) => server.service.ask({ texts: [{ text, isCut: false }], tenant: '' });
    const [stays, long, left] = ['a film', 'great film '.repeat(40), 'a book'].map(put) as [Asked, Asked, Asked];
    await expect(long.answer).rejects.toThrow('a longer text');
    await expect(left.answer).rejects.toThrow('to wait');
    await stays.answer;
    expect(await countsOf(server, 'prumux_rows_total')).toEqual(['{level="0"} 1']);
    expect(await countsOf(server, 'prumux_group_fill_ratio')).toContain('_sum 1'); // two rows in two slots
  });
});

it('a trace has a line of each request before it is answered', async () => {
  const server = await start('dense', { logLevel: 'trace', maxWaitMs: 60_000, rows: 1000 });
  const reply = ask(server, 'film', { 'x-request-id': 'mine' });
  const line = '"id":"mine","method":"POST","url":"/predict","msg":"request taken in"';
  await vi.waitFor(() => expect(server.logged.join()).toContain(line), { timeout: 10_000 });
  expect(server.logged.join()).not.toContain('"msg":"request"');
  await server.drain(0);
  expect((await reply).status).toBe(503);
});

it('texts are not in the log, unless that is asked for', async () => {
  await ask(shared, 'quiet film', { 'x-request-id': 'mine' });
  await vi.waitFor(() => expect(shared.logged.join()).toContain('"id":"mine"'), { timeout: 10_000 });
  expect(shared.logged.join()).not.toContain('quiet film');
});
