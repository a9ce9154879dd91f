/** What all routes that answer have in common: who asks, how much at once, how the answer is marked, and what happens when the client leaves. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { accessBy, TENANT_HEADER } from './access.ts';
import { onLeft } from './leaving.ts';
import type { Answer } from './question.ts';
import { Refusal } from './refusal.ts';
import { errorBody, jsonSchema } from './schemas.ts';
import type { AskedText } from './served-model.ts';
import type { Service } from './service.ts';

export const LEVEL_HEADER = 'x-prumux-level';
export const FILL_HEADER = 'x-prumux-fill';
export const MIN_ACCURACY_HEADER = 'x-prumux-min-accuracy';

/** What a server is told of its API. */
export interface ApiOptions {
  /** The model's name, in the API. */
  readonly name: string;
  /** Keys that open it; none: it is open. */
  readonly apiKeys: readonly string[];
  /** Most texts of one request. */
  readonly maxTexts: number;
  /** Whether texts that are too long are cut where a request does not say. */
  readonly isCut: boolean;
}

export interface ApiContext extends ApiOptions {
  readonly service: Service;
  /** Asks on behalf of a request; the reply gets the headers that tell of the answer. */
  ask(request: FastifyRequest, reply: FastifyReply, texts: readonly AskedText[]): Promise<Answer>;
}

/** Adds routes. */
export type Api = (app: FastifyInstance, context: ApiContext) => void;

/** Bodies that every route may answer with instead. */
const error = jsonSchema(errorBody);
const retryAfter = { type: 'integer', description: 'Of 429: seconds after which there may be room.' };
export const ERROR_RESPONSES = { '4xx': { ...error, headers: { 'retry-after': retryAfter } }, '5xx': error };

/** Of every answer, as the description of the API has them. */
export const ANSWER_HEADERS = {
  [LEVEL_HEADER]: { type: 'string', description: 'The level that answered, 0 the most accurate; or alone.' },
  [FILL_HEADER]: { type: 'string', description: 'Texts of the pass to its slots, a fraction.' },
};

/** What a request for answers may say in its head. */
const REQUEST_HEADERS = {
  type: 'object',
  properties: {
    [MIN_ACCURACY_HEADER]: { type: 'string', description: 'Least accuracy of the level that answers, a fraction.' },
    [TENANT_HEADER]: { type: 'string', description: 'Whose texts they are, where keys do not say.' },
    'x-request-id': { type: 'string', description: 'What the log is to call the request; sent back.' },
  },
};

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose rows the request's are. */
    tenant: string;
    /** The texts that were asked about, for a log that is to have them. */
    texts: readonly AskedText[];
  }
}

export function apiContext(service: Service, options: ApiOptions): ApiContext {
  return {
    ...options,
    service,
    async ask(request, reply, texts) {
      checkTexts(texts, service, options);
      request.texts = texts;
      const minAccuracy = minAccuracyOf(request);
      const { answer, cancel } = service.ask({ texts, tenant: request.tenant, minAccuracy });
      onLeft(request.raw, reply.raw, cancel);
      const { level, fill, ...rest } = await answer;
      reply.header(LEVEL_HEADER, level).header(FILL_HEADER, fill.toFixed(3));
      return { level, fill, ...rest };
    },
  };
}

/** Routes that answer: only for those who may ask, and refused before their body is read where it would wait too long. */
export function guardAnswers(app: FastifyInstance, { service, apiKeys }: ApiContext): void {
  const tenantOf = accessBy(apiKeys);
  app.addHook('onRoute', (route) => {
    if (apiKeys.length > 0) route.schema = { ...route.schema, security: [{ key: [] }, { keyHeader: [] }] };
    if (route.method === 'POST') route.schema = { ...route.schema, headers: REQUEST_HEADERS };
  });
  app.addHook('onRequest', (request, _, done) => {
    request.tenant = tenantOf(request.headers);
    if (request.method === 'POST') service.requireRoom(request.tenant);
    done();
  });
}

function checkTexts(texts: readonly AskedText[], service: Service, { maxTexts }: ApiOptions): void {
  if (texts.length === 0) throw new Refusal('empty', 'inputs', { expected: 'at least one text', got: 'none' });
  if (texts.length > maxTexts) {
    throw new Refusal('tooLarge', 'inputs', { expected: `at most ${maxTexts} texts`, got: String(texts.length) });
  }
  if (service.task === 'tokens' && texts.some(({ pair }) => pair !== undefined)) {
    throw new Refusal('invalid', 'inputs', { expected: 'single texts, as the model classifies tokens', got: 'a pair' });
  }
}

function minAccuracyOf({ headers }: FastifyRequest): number | undefined {
  const given = headers[MIN_ACCURACY_HEADER];
  if (given === undefined) return undefined;
  const accuracy = Number(given);
  if (accuracy >= 0 && accuracy <= 1) return accuracy;
  throw new Refusal('invalid', MIN_ACCURACY_HEADER, { expected: 'a fraction, 0 to 1', got: String(given) });
}
