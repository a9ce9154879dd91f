/** Levels in a whole server: which model answers, as the ladder and the cascade say, compared with the models opened in this thread. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { prunedModel, randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { startTestServer, type TestOptions } from '../../test/server.kit.ts';
import { answerTexts, openTextClassifier, type TextClassifier } from '../infer/index.ts';
import { cpu } from '../runtime/index.ts';
import { Engine } from './engine.ts';
import type { OpenedLevel } from './engine-protocol.ts';
import { ladderDefaults, openLadder } from './ladder.ts';

let folder: string;
const models: TextClassifier[] = [];
const at = (name: string): string => join(folder, name);
const TEXT = 'this film was great';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-levels-'));
  await writeModel(at('accurate'), randomModel());
  await writeModel(at('fast'), prunedModel());
  for (const name of ['accurate', 'fast']) models.push(await openTextClassifier(at(name), cpu(1)));
});
afterAll(async () => {
  for (const model of models) await model.close();
  await rm(folder, { recursive: true, force: true });
});

async function record(name: string, what: object): Promise<void> {
  const path = join(at(name), 'run.json');
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...what }));
}

/** As `prumux calibrate` leaves it. */
function calibrateTo(threshold: number): Promise<void> {
  const cascade = { threshold, share: 0.1, accuracy: 0.9, fastAccuracy: 0.8, accurate: 'accurate' };
  return record('fast', { cascade });
}

/** As `prumux train` and `compress` leave it. */
async function measureAs(accuracies: Readonly<Record<string, number>>): Promise<void> {
  for (const [name, accuracy] of Object.entries(accuracies)) await record(name, { evaluation: { accuracy } });
}

async function scoreOf(level: number): Promise<number> {
  const [answer] = await answerTexts(models[level] as TextClassifier, [{ text: TEXT }]);
  return (answer as { score: number }).score;
}

/** Texts answered, by level. */
const answeredIn = (metrics: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Array.from(metrics.matchAll(/^prumux_rows_total\{level="(\w+)"\} (\d+)$/gm), ([, level, rows]) => [
      level,
      Number(rows),
    ]),
  );

async function ask(options: TestOptions, requests = 1) {
  const server = await startTestServer([at('accurate'), at('fast')], options);
  const replies = [];
  for (let request = 0; request < requests; request++) {
    replies.push(await server.app.inject({ method: 'POST', url: '/predict', payload: { inputs: TEXT } }));
  }
  const metrics = await server.service.metrics.registry.metrics();
  await server.close();
  const recomputed = Number(/^prumux_recomputed_rows_total (\d+)$/m.exec(metrics)?.[1]);
  const last = replies.at(-1);
  return {
    recomputed,
    answered: answeredIn(metrics),
    level: last?.headers['x-prumux-level'],
    score: last?.json()[0].score,
  };
}

const room = { targetLatencyMs: 10_000, utilisation: 1 };

describe('the cascade', () => {
  it('has unsure answers recomputed by the most accurate level', async () => {
    await calibrateTo(2); // no margin is that large
    expect(await ask({ levelFor: () => 1, cascade: room })).toEqual({
      ...{ recomputed: 1, answered: { 0: 1 }, level: '0', score: await scoreOf(0) },
    });
  });

  it('recomputes no more in a pass than one may be of', async () => {
    await calibrateTo(2);
    const server = await startTestServer([at('accurate'), at('fast')], { levelFor: () => 1, cascade: room, rows: 4 });
    const runs = vi.spyOn(Engine.prototype, 'run');
    const levels = [{ rows: 2, passMs: 1, groupMs: 0.5 }, {}].map((facts, level) => ({
      ...server.service.levels[level],
      ...facts,
    }));
    vi.spyOn(Engine.prototype, 'levels', 'get').mockReturnValue(levels as OpenedLevel[]);
    const inputs = new Array(4).fill([TEXT]);
    await server.app.inject({ method: 'POST', url: '/predict', payload: { inputs } });
    const again = runs.mock.calls.filter(([{ level }]) => level === 0).map(([{ texts }]) => texts.length);
    expect(again).toEqual([2, 2]);
    vi.restoreAllMocks();
    await server.close();
  });

  it('recomputes nothing for a client that has left', async () => {
    await calibrateTo(2);
    const server = await startTestServer([at('accurate'), at('fast')], { levelFor: () => 1, cascade: room });
    const run = Engine.prototype.run;
    const runs = vi.spyOn(Engine.prototype, 'run').mockImplementation(async function (this: Engine, pass) {
      const answers = await run.call(this, pass);
      asked.cancel();
      return answers;
    });
    const asked = server.service.ask({ texts: [{ text: TEXT, isCut: true }], tenant: '' });
    await expect(asked.answer).rejects.toThrow('to wait');
    await server.close();
    expect(runs.mock.calls.map(([{ level }]) => level)).toEqual([1]);
    vi.restoreAllMocks();
  });

  it('gives who asked for several texts no answer of two sets of labels, as of models that are loaded anew in between', async () => {
    const server = await startTestServer([at('accurate')], { rows: 1 });
    const run = Engine.prototype.run;
    let passes = 0;
    vi.spyOn(Engine.prototype, 'run').mockImplementation(async function (this: Engine, pass) {
      const answers = await run.call(this, pass);
      const labels = passes++ === 0 ? answers.model.labels : answers.model.labels.toReversed();
      return { ...answers, model: { ...answers.model, labels } };
    });
    const url = '/v2/models/accurate/infer';
    const infer = (n: number) => {
      const data = Array.from({ length: n }, () => TEXT);
      const inputs = [{ name: 'text', datatype: 'BYTES', shape: [n], data }];
      return server.app.inject({ method: 'POST', url, payload: { inputs } });
    };
    expect((await infer(2)).statusCode).toBe(503);
    expect((await infer(2)).statusCode).toBe(200);
    await server.close();
    vi.restoreAllMocks();
  });

  it.each(['/predict', '/v2/models/accurate/infer'])(
    'gives no logits that are no numbers, raw ones either: %s',
    async (url) => {
      const server = await startTestServer([at('accurate')]);
      const run = Engine.prototype.run;
      vi.spyOn(Engine.prototype, 'run').mockImplementation(async function (this: Engine, pass) {
        const answers = await run.call(this, pass);
        answers.logits?.fill(Number.POSITIVE_INFINITY, 0, 1);
        return answers;
      });
      const payload = {
        '/predict': { inputs: TEXT, raw_scores: true },
        '/v2/models/accurate/infer': {
          inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: [TEXT] }],
          parameters: { raw_scores: true },
        },
      }[url] as object;
      const { statusCode } = await server.app.inject({ method: 'POST', url, payload });
      expect(statusCode).toBe(424);
      await server.close();
      vi.restoreAllMocks();
    },
  );

  it('gives others their answers where the logits of a text are no numbers', async () => {
    await calibrateTo(2);
    const server = await startTestServer([at('accurate'), at('fast')], { levelFor: () => 1, cascade: room, rows: 4 });
    const run = Engine.prototype.run;
    vi.spyOn(Engine.prototype, 'run').mockImplementation(async function (this: Engine, pass) {
      const answers = await run.call(this, pass);
      if (pass.level === 1) answers.logits?.fill(Number.NaN, 0, 2);
      return answers;
    });
    const asked = Array.from({ length: 4 }, () =>
      server.service.ask({ texts: [{ text: TEXT, isCut: true }], tenant: '' }),
    );
    const levels = (await Promise.all(asked.map(({ answer }) => answer))).map(({ level }) => level);
    expect(levels).toEqual([1, 0, 0, 0]);
    await server.close();
    vi.restoreAllMocks();
  });

  it('leaves sure answers, and all where there is no room', async () => {
    const fast = { recomputed: 0, answered: { 1: 1 }, level: '1', score: await scoreOf(1) };
    await calibrateTo(2);
    expect(await ask({ levelFor: () => 1 })).toEqual(fast);
    expect(await ask({ levelFor: () => 1, cascade: { ...room, targetLatencyMs: 0 } })).toEqual(fast);
    await calibrateTo(0); // no margin is that small
    expect(await ask({ levelFor: () => 1, cascade: room })).toEqual(fast);
  });
});

it('rows that wait while less accurate models are loaded get an answer that is accurate enough, or none', async () => {
  await measureAs({ accurate: 0.9, fast: 0.8 });
  const options = { levelFor: () => 1, rows: 2, maxWaitMs: 60_000 };
  const server = await startTestServer([at('accurate'), at('fast')], options);
  const askFor = async (accuracy: string) => {
    const headers = { 'x-prumux-min-accuracy': accuracy };
    const reply = await server.app.inject({ method: 'POST', url: '/predict', headers, payload: { inputs: TEXT } });
    return { status: reply.statusCode, level: reply.headers['x-prumux-level'] };
  };
  // Both levels may answer the one, only the first may answer the other: two lanes.
  const early = [askFor('0.75'), askFor('0.85')];
  await vi.waitFor(() => expect(server.service.openQuestions).toBe(2), { timeout: 10_000 });
  await measureAs({ accurate: 0.8, fast: 0.7 });
  expect(await server.reload()).toBe(true);
  const late = [askFor('0.6'), askFor('0.75')]; // they fill the passes of these lanes
  const accurate = { status: 200, level: '0' };
  expect(await Promise.all([...early, ...late])).toEqual([accurate, { status: 422 }, accurate, accurate]);
  await server.close();
});

it('the level is told as of now, and not as of the last pass', async () => {
  const server = await startTestServer([at('accurate'), at('fast')], {
    levelFor: ({ arrivalsPerSecond }) => (arrivalsPerSecond > 0.1 ? 1 : 0),
  });
  const { headers } = await server.app.inject({ method: 'POST', url: '/predict', payload: { inputs: TEXT } });
  expect(headers['x-prumux-level']).toBe('1');
  const { registry } = server.service.metrics;
  await vi.waitFor(async () => {
    expect(await registry.getSingleMetricAsString('prumux_level')).toMatch(/^prumux_level 0$/m);
  }, 10_000);
  await server.close();
});

it('the ladder climbs where texts wait longer than they should', async () => {
  const ladder = openLadder({ ...ladderDefaults, targetLatencyMs: 0.01 });
  // Of models this small the times tell nothing: the rates are given.
  const reply = await ask({ levelFor: (seen) => ladder({ ...seen, ratesPerSecond: [100, 1000] }) }, 2);
  expect(reply).toMatchObject({ level: '1', score: await scoreOf(1) });
});

it('the ladder climbs while more comes than its level takes, and comes down after that', async () => {
  const ladder = openLadder({ ...ladderDefaults, holdMs: 200, targetLatencyMs: 60_000 });
  const server = await startTestServer([at('accurate'), at('fast')], {
    levelFor: (seen) => ladder({ ...seen, ratesPerSecond: [40, 1e6] }),
  });
  const level = async (): Promise<unknown> => {
    const reply = await server.app.inject({ method: 'POST', url: '/predict', payload: { inputs: TEXT } });
    return reply.headers['x-prumux-level'];
  };
  expect(await level()).toBe('0');
  expect((await Promise.all(Array.from({ length: 200 }, level))).at(-1)).toBe('1');
  await vi.waitFor(async () => expect(await level()).toBe('0'), { timeout: 20_000, interval: 100 });
  await server.close();
});

describe('models that are served together', () => {
  const start = (models: readonly string[], alone?: string): Promise<string> =>
    startTestServer(models.map(at), alone === undefined ? {} : { alone: at(alone) }).then(
      async (server) => {
        await server.close();
        return 'started';
      },
      (error: Error) => error.message,
    );

  beforeAll(async () => {
    const model = randomModel();
    await writeModel(at('short'), { ...model, config: { ...model.config, maxTokens: 16 } });
  });

  it('are warned of where they are not in the order of their accuracies', async () => {
    const warningsOf = async (accuracies: Readonly<Record<string, number>>): Promise<string[]> => {
      await measureAs(accuracies);
      const server = await startTestServer([at('accurate'), at('fast')]);
      await server.close();
      return server.logged.filter((line) => line.includes('not in the order of their accuracies'));
    };
    expect(await warningsOf({ accurate: 0.9, fast: 0.8 })).toEqual([]);
    expect(await warningsOf({ accurate: 0.8, fast: 0.9 })).toHaveLength(1);
  });

  it('take texts of the same length, or are told to', async () => {
    expect(await start(['accurate', 'short'])).toMatch(
      /short: expected texts of up to 32 tokens, .*, got 16.*--max-tokens 16/,
    );
    expect(await start(['accurate'], 'short')).toContain('got 16');
  });

  it('are of one text per pass where they are for texts alone', async () => {
    const description = { folder: 'x', task: 'sequence', labels: [], maxTokens: 32 };
    const levels = [1, 2].map((instances) => ({
      description: { ...description, instances },
    })) as unknown as OpenedLevel[];
    vi.spyOn(Engine.prototype, 'levels', 'get').mockReturnValue(levels);
    expect(await start(['accurate'], 'fast')).toBe(
      'x: expected a model of one text per pass, for texts alone, got one of 2.',
    );
    vi.restoreAllMocks();
  });
});
