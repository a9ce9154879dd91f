/** HTTP by injected requests, with a real engine behind it: answers against the model opened in this thread, and every refusal with its code. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { type ServerKit, startTestServer } from '../../test/server.kit.ts';
import { answerTexts, openTextClassifier, type TextClassifier } from '../infer/index.ts';
import { cpu } from '../runtime/index.ts';
import type { ModelDescription } from './served-model.ts';

let folder: string;
let server: ServerKit;
let tokens: ServerKit;
let sequenceModel: TextClassifier;
let tokenModel: TextClassifier;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-http-'));
  const [sequence, tagger] = [join(folder, 'sequence'), join(folder, 'tagger')];
  await writeModel(sequence, randomModel(['no', 'yes', 'maybe']));
  await writeModel(tagger, randomModel(['O', 'B-film', 'I-film'], 'tokens'));
  [sequenceModel, tokenModel] = [await openTextClassifier(sequence, cpu(1)), await openTextClassifier(tagger, cpu(1))];
  server = await startTestServer([sequence], { maxTexts: 4, maxBytes: 2000 });
  tokens = await startTestServer([tagger]);
}, 120_000);
afterAll(async () => {
  await Promise.all([server?.close(), tokens?.close(), sequenceModel?.close(), tokenModel?.close()]);
  await rm(folder, { recursive: true, force: true });
});

const post = (url: string, payload: unknown, more: InjectOptions = {}): Promise<LightMyRequestResponse> =>
  server.app.inject({ method: 'POST', url, payload: payload as object, ...more });

const get = (url: string): Promise<LightMyRequestResponse> => server.app.inject({ url });

const FILM = 'this film was great';
const BOOK = 'that book is awful but short';

/** What TEI's /predict says, from the answer of this thread. */
async function expected(text: string, pair?: string): Promise<{ label: string; score: number }[]> {
  const [answer] = await answerTexts(sequenceModel, [{ text, ...(pair !== undefined && { pair }) }]);
  const scores = Object.entries((answer as { scores: Record<string, number> }).scores);
  return scores.map(([label, score]) => ({ label, score })).sort((a, b) => b.score - a.score);
}

describe('POST /predict', () => {
  it('answers one text with its labels, the most likely first', async () => {
    const response = await post('/predict', { inputs: FILM });
    expect(response.statusCode).toBe(200);
    expect(response.json()).toEqual(await expected(FILM));
    expect(response.headers['content-type']).toContain('application/json');
    expect(response.headers['x-prumux-level']).toBe('0');
  });

  it('answers a pair, and a batch of both, in their order', async () => {
    expect((await post('/predict', { inputs: [FILM, BOOK] })).json()).toEqual(await expected(FILM, BOOK));
    const batch = await post('/predict', { inputs: [[BOOK], [FILM, BOOK], [FILM]] });
    expect(batch.json()).toEqual([await expected(BOOK), await expected(FILM, BOOK), await expected(FILM)]);
  });

  it('gives logits where raw scores are asked for', async () => {
    const scores: { label: string; score: number }[] = (
      await post('/predict', { inputs: FILM, raw_scores: true })
    ).json();
    const weights = scores.map(({ score }) => Math.exp(score));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const probabilities = await expected(FILM);
    weights.forEach((weight, at) => {
      expect(weight / sum).toBeCloseTo(probabilities[at]?.score ?? Number.NaN, 6);
    });
  });

  it('finds entities where the model classifies tokens', async () => {
    const [answer] = await answerTexts(tokenModel, [{ text: FILM }]);
    const response = await tokens.app.inject({ method: 'POST', url: '/predict', payload: { inputs: FILM } });
    expect(response.json()).toEqual((answer as { entities: unknown[] }).entities);
    const pair = await tokens.app.inject({ method: 'POST', url: '/predict', payload: { inputs: [FILM, BOOK] } });
    expect(pair.statusCode).toBe(422);
  });

  it('refuses a long text, or cuts it, as it is asked', async () => {
    const long = 'film '.repeat(60);
    const refused = await post('/predict', { inputs: long });
    expect(refused.statusCode).toBe(413);
    expect(refused.json()).toMatchObject({
      error_type: 'Validation',
      error: expect.stringContaining('at most 32 tokens'),
    });
    expect((await post('/predict', { inputs: long, truncate: true })).json()).toEqual(await expected(long));
    const batch = await post('/predict', { inputs: [[FILM], [long]] });
    expect(batch.statusCode).toBe(413);
  });
});

describe('refusals', () => {
  const json = { 'content-type': 'application/json' };
  it.each([
    ['not JSON', { payload: '{"inputs": ', headers: json }, 400, 'Validation'],
    ['another type', { payload: 'inputs=a', headers: { 'content-type': 'text/plain' } }, 400, 'Validation'],
    ['no texts', { payload: { inputs: [] } }, 400, 'Empty'],
    ['no inputs', { payload: {} }, 422, 'Validation'],
    ['a number', { payload: { inputs: 7 } }, 422, 'Validation'],
    ['three texts in one', { payload: { inputs: [['a', 'b', 'c']] } }, 422, 'Validation'],
    ['too many texts', { payload: { inputs: [['a'], ['b'], ['c'], ['d'], ['e']] } }, 413, 'Validation'],
    ['too many bytes', { payload: { inputs: 'a'.repeat(3000) } }, 413, 'Validation'],
    ['too high a floor', { payload: { inputs: 'a' }, headers: { 'x-prumux-min-accuracy': '0.9' } }, 422, 'Validation'],
    ['a cut at the start', { payload: { inputs: 'a', truncation_direction: 'Left' } }, 422, 'Validation'],
    ['no floor', { payload: { inputs: 'a' }, headers: { 'x-prumux-min-accuracy': 'high' } }, 422, 'Validation'],
  ] as [string, InjectOptions, number, string][])('%s', async (_, request, status, type) => {
    const response = await server.app.inject({ method: 'POST', url: '/predict', ...request });
    expect([response.statusCode, response.json()]).toEqual([status, { error: expect.any(String), error_type: type }]);
    expect(response.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it.each([
    ['an unknown route', '/nothing', 404, 'NotFound'],
    ['an address that cannot be read', '/v2/models/%zz/ready', 400, 'Validation'],
    ['a long name of no model', `/v2/models/${'m'.repeat(500)}/ready`, 404, 'NotFound'],
  ])('%s', async (_, url, status, type) => {
    const response = await get(url);
    expect([response.statusCode, response.json()]).toEqual([status, { error: expect.any(String), error_type: type }]);
    expect(response.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it('an answer that cannot be written', async () => {
    const answers = vi.spyOn(server.service, 'ask').mockImplementation(({ texts }) => ({
      answer: Promise.resolve({
        texts: texts.map(() => ({
          logits: new Float32Array(3).fill(Number.NaN),
          model: server.service.levels[0]?.description as ModelDescription,
        })),
        level: 0,
        fill: 1,
      }),
      cancel: () => undefined,
    }));
    for (const raw_scores of [false, true]) {
      const { statusCode, body } = await post('/predict', { inputs: FILM, raw_scores });
      expect([statusCode, JSON.parse(body)]).toEqual([
        expect.any(Number),
        { error: expect.any(String), error_type: expect.any(String) },
      ]);
      expect(statusCode).toBeGreaterThanOrEqual(424);
    }
    answers.mockRestore();
  });
});

describe('the Open Inference Protocol', () => {
  const tensor = (name: string, ...data: string[]) => ({ name, shape: [data.length], datatype: 'BYTES', data });

  it('answers texts as tensors', async () => {
    const response = await post('/v2/models/sequence/infer', { id: 'x', inputs: [tensor('text', FILM, BOOK)] });
    expect(response.statusCode).toBe(200);
    const { outputs, ...rest } = response.json();
    expect(rest).toEqual({ model_name: 'sequence', model_version: '1', id: 'x' });
    const answers = [await expected(FILM), await expected(BOOK)];
    expect(outputs[1]).toEqual(tensor('label', ...answers.map(([best]) => best?.label ?? '')));
    const scores = answers.flatMap((answer) =>
      ['no', 'yes', 'maybe'].map((label) => answer.find((each) => each.label === label)?.score),
    );
    expect(outputs[0]).toEqual({ name: 'scores', shape: [2, 3], datatype: 'FP32', data: scores });
  });

  it('gives the outputs that are asked for, and takes pairs', async () => {
    const inputs = [tensor('text', FILM), tensor('pair', BOOK)];
    const response = await post('/v2/models/sequence/infer', { inputs, outputs: [{ name: 'label' }] });
    expect(response.json().outputs).toEqual([tensor('label', (await expected(FILM, BOOK))[0]?.label ?? '')]);
  });

  it.each([
    ['another model', '/v2/models/other/infer', [tensor('text', FILM)], 404],
    ['another version', '/v2/models/sequence/versions/99/infer', [tensor('text', FILM)], 404],
    ['two texts', '/v2/models/sequence/infer', [tensor('text', FILM), tensor('text', BOOK)], 422],
    [
      'a tensor that nobody asked for',
      '/v2/models/sequence/infer',
      [tensor('text', FILM), tensor('text_pair', BOOK)],
      422,
    ],
    ['no text', '/v2/models/sequence/infer', [tensor('pair', FILM)], 422],
    ['a wrong shape', '/v2/models/sequence/infer', [{ ...tensor('text', FILM), shape: [2] }], 422],
    ['a wrong type', '/v2/models/sequence/infer', [{ ...tensor('text', FILM), datatype: 'FP32' }], 422],
  ])('refuses %s', async (_, url, inputs, status) => {
    expect((await post(url, { inputs })).statusCode).toBe(status);
  });

  it('takes what is null for left out', async () => {
    const nothing = { id: null, parameters: null, outputs: null };
    const inputs = [{ ...tensor('text', FILM), parameters: null }];
    const response = await post('/v2/models/sequence/infer', { ...nothing, inputs });
    expect(response.json()).toEqual(
      (await post('/v2/models/sequence/infer', { inputs: [tensor('text', FILM)] })).json(),
    );
  });

  it('gives the entities of a text as JSON, where the model classifies tokens', async () => {
    const [answer] = await answerTexts(tokenModel, [{ text: FILM }]);
    const { entities } = answer as { entities: unknown[] };
    expect((await tokens.app.inject({ url: '/v2/models/tagger' })).json()).toMatchObject({
      inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
      outputs: [{ name: 'entities', datatype: 'BYTES', shape: [-1] }],
    });
    const payload = { inputs: [tensor('text', FILM)] };
    const response = await tokens.app.inject({ method: 'POST', url: '/v2/models/tagger/infer', payload });
    expect(response.json().outputs).toEqual([tensor('entities', JSON.stringify(entities))]);
  });

  it('tells of server, model and readiness', async () => {
    expect((await get('/v2')).json()).toMatchObject({ name: 'prumux' });
    expect((await get('/v2/models/sequence')).json()).toMatchObject({
      name: 'sequence',
      inputs: [{ name: 'text' }, { name: 'pair' }],
    });
    for (const path of [
      '/v2/health/live',
      '/v2/health/ready',
      '/v2/models/sequence/ready',
      '/v2/models/sequence/versions/1',
      '/v2/models/sequence/versions/1/ready',
    ]) {
      expect((await get(path)).statusCode).toBe(200);
    }
    for (const path of ['', '/ready']) {
      expect((await get(`/v2/models/sequence/versions/2${path}`)).statusCode).toBe(404);
    }
  });
});

describe('operation', () => {
  it('tells health and the model', async () => {
    expect((await get('/health')).json()).toEqual({ status: 'ok' });
    const info = (await get('/info')).json();
    expect(info).toMatchObject({
      ...{
        model_id: 'sequence',
        labels: ['no', 'yes', 'maybe'],
        instances: 1,
        max_input_length: 32,
        max_client_batch_size: 4,
      },
      model_type: {
        classifier: { id2label: { 0: 'no', 1: 'yes', 2: 'maybe' }, label2id: { no: 0, yes: 1, maybe: 2 } },
      },
      model_dtype: 'float32',
      levels: [{ level: 0, name: 'sequence', precision: 'fp32', accuracy: null }],
    });
  });

  it('counts requests and passes, each once, and measures them in seconds', async () => {
    const own = await startTestServer([join(folder, 'sequence')]);
    for (const inputs of [[[FILM], [FILM], [BOOK]], FILM, 7]) {
      await own.app.inject({ method: 'POST', url: '/predict', payload: { inputs } });
    }
    const { body, headers } = await own.app.inject({ url: '/metrics' });
    await own.close();
    expect(headers['content-type']).toContain('text/plain');
    const lines = (name: string): string[] => body.match(new RegExp(`^${name}\\S* .+$`, 'gm')) ?? [];
    expect(lines('prumux_requests_total')).toEqual(
      expect.arrayContaining(['prumux_requests_total{code="200"} 2', 'prumux_requests_total{code="422"} 1']),
    );
    expect(lines('prumux_requests_total')).toHaveLength(2);
    expect(lines('prumux_failures_total')).toEqual(['prumux_failures_total{code="422"} 1']);
    expect(lines('prumux_rows_total')).toEqual(['prumux_rows_total{level="0"} 4']);
    const value = (name: string): number => Number(lines(name)[0]?.split(' ')[1]);
    expect(value('prumux_passes_total')).toBeLessThan(4);
    expect(value('prumux_queue_depth')).toBe(0);
    expect(value('prumux_ready_workers')).toBe(1);
    for (const [name, count] of [
      ['request', 2],
      ['wait', 4],
      ['compute', value('prumux_passes_total')],
    ] as const) {
      expect(value(`prumux_${name}_seconds_count`)).toBe(count);
      // Milliseconds each, and not a second.
      expect(value(`prumux_${name}_seconds_sum`)).toBeGreaterThan(0);
      expect(value(`prumux_${name}_seconds_sum`)).toBeLessThan(count);
    }
  });

  it('describes itself', async () => {
    const document = (await get('/openapi.json')).json();
    expect(document.openapi).toBe('3.1.0');
    const paths = ['/predict', '/info', '/health', '/metrics', '/v2/models/{name}/infer'];
    expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(paths));
    const { schema } = document.paths['/predict'].post.requestBody.content['application/json'];
    expect(schema.required).toEqual(['inputs']);
    const { parameters, responses } = document.paths['/predict'].post;
    expect(parameters).toContainEqual(expect.objectContaining({ in: 'header', name: 'x-prumux-min-accuracy' }));
    expect(Object.keys(responses['200'].headers)).toEqual(['x-prumux-level', 'x-prumux-fill']);
    expect(responses['4XX'].headers).toHaveProperty('retry-after');
    expect((await get('/docs/')).body).toContain('swagger-ui');
  });

  it('gives a request its id back, unless that cannot be logged', async () => {
    const id = async (given: string): Promise<unknown> =>
      (await post('/predict', { inputs: FILM }, { headers: { 'x-request-id': given } })).headers['x-request-id'];
    expect(await id('abc-1')).toBe('abc-1');
    expect(await id('a b\tc')).toMatch(/^r\w+$/);
  });

  it('has no CORS headers', async () => {
    const response = await post('/predict', { inputs: FILM }, { headers: { origin: 'https://a.example' } });
    expect(response.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('has them for pages of the origins that may ask, and for no other', async () => {
    const corsOrigin = 'https://a.example, https://b.example';
    const open = await startTestServer([join(folder, 'sequence')], { corsOrigin });
    const allowed = async (origin: string): Promise<unknown> => {
      const request = { method: 'POST', url: '/predict', payload: { inputs: FILM }, headers: { origin } } as const;
      const { headers } = await open.app.inject(request);
      expect(headers['access-control-expose-headers']).toContain('x-prumux-level');
      return headers['access-control-allow-origin'];
    };
    expect(await allowed('https://a.example')).toBe('https://a.example');
    expect(await allowed('https://b.example')).toBe('https://b.example');
    expect(await allowed('https://c.example')).not.toBe('https://c.example');
    await open.close();
  });
});
