/**
 * Two servers behind nginx, with the configuration of deploy/: one is terminated under load, replaced, and the other one killed; every request gets the
 * answer that the model, opened in this thread, has for its text. Skipped where there is no nginx.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerTexts, closing, openTextClassifier } from '../src/infer/index.ts';
import { cpu } from '../src/runtime/index.ts';
import { randomModel, writeModel } from './model-folder.kit.ts';
import { type ServedProcess, serveInProcess } from './served-process.kit.ts';

const NGINX = '/usr/sbin/nginx';
const CONFIGURATION = fileURLToPath(new URL('../deploy/nginx.conf', import.meta.url));
const TEXTS = ['this film was great', 'that book is awful but short', 'a fine and quiet story', 'poor old tale'];
const CLIENTS = 12;

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

describe.skipIf(!existsSync(NGINX))(`two servers behind nginx (skipped where there is no ${NGINX})`, () => {
  let folder: string;
  let proxy: ChildProcess;
  let url: string;
  let scores: number[];
  const servers: ServedProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prumux-replicas-'));
    const model = join(folder, 'model');
    await writeModel(model, randomModel());
    const answers = await closing(await openTextClassifier(model, cpu(1)), (open) =>
      answerTexts(
        open,
        TEXTS.map((text) => ({ text })),
      ),
    );
    scores = answers.map((answer) => ('score' in answer ? answer.score : 0));
    servers.push(...(await Promise.all([serveInProcess(model), serveInProcess(model)])));
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    await writeFile(join(folder, 'nginx.conf'), await configurationFor(port));
    const settings = `daemon off; pid ${folder}/pid; error_log ${folder}/error.log;`;
    proxy = spawn(NGINX, ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log'), '-g', settings]);
    while (!(await fetch(`${url}/health`).catch(() => undefined))?.ok) await sleep(50);
  }, 120_000);
  afterAll(async () => {
    proxy?.kill();
    for (const { child } of servers) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  /** That of deploy/, at other addresses and without a log of requests. */
  async function configurationFor(port: number): Promise<string> {
    const [one, other] = servers.map((server) => new URL(server.url).host);
    return (await readFile(CONFIGURATION, 'utf8'))
      .replace('127.0.0.1:8080', `127.0.0.1:${port}`)
      .replace('127.0.0.1:8081', String(one))
      .replace('127.0.0.1:8082', String(other))
      .replace('http {', 'http {\n  access_log off;');
  }

  async function ask(text: string): Promise<{ readonly status: number; readonly score: number }> {
    const body = JSON.stringify({ inputs: text });
    const response = await fetch(`${url}/predict`, {
      ...{ method: 'POST', body, headers: { 'content-type': 'application/json' } },
    });
    return { status: response.status, score: ((await response.json()) as { score: number }[])[0]?.score ?? 0 };
  }

  /** Clients that ask one text after the other until `work` is done; how many answers there were that should have been, and the others. */
  async function whileAsking(work: () => Promise<unknown>) {
    let [isOver, right] = [false, 0];
    const wrong: unknown[] = [];
    const client = async (start: number): Promise<void> => {
      for (let at = start; !isOver; at++) {
        const which = at % TEXTS.length;
        const answer = await ask(TEXTS[which] as string).catch((error: unknown) => error);
        const expected = { status: 200, score: expect.closeTo(scores[which] as number, 5) };
        try {
          expect(answer).toEqual(expected);
          right++;
        } catch {
          wrong.push(answer);
        }
      }
    };
    const clients = Array.from({ length: CLIENTS }, (_, at) => client(at));
    await work();
    isOver = true;
    await Promise.all(clients);
    return { right, wrong };
  }

  /** Requests that a server has answered. */
  async function answeredBy(server: ServedProcess): Promise<number> {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    return Number(/^prumux_requests_total\{code="200"\} (\d+)/m.exec(metrics)?.[1]);
  }

  it('share the requests', async () => {
    await whileAsking(() => sleep(300));
    for (const server of servers) expect(await answeredBy(server)).toBeGreaterThan(0);
  });

  it('lose no request when one is terminated', async () => {
    const [first] = servers as [ServedProcess];
    const { right, wrong } = await whileAsking(async () => {
      await sleep(300);
      first.child.kill('SIGTERM');
      expect(await first.ended).toBe(0);
      await sleep(300);
    });
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(CLIENTS);
  });

  it('take it in again when it is back', async () => {
    const { port } = new URL((servers[0] as ServedProcess).url);
    servers[0] = await serveInProcess(join(folder, 'model'), Number(port));
    await sleep(2100); // fail_timeout
    await whileAsking(() => sleep(300));
    expect(await answeredBy(servers[0])).toBeGreaterThan(0);
  }, 120_000);

  it('lose no request when one is killed', async () => {
    const second = servers[1] as ServedProcess;
    const { right, wrong } = await whileAsking(async () => {
      await sleep(300);
      second.child.kill('SIGKILL');
      await second.ended;
      await sleep(300);
    });
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(CLIENTS);
  });
});
