/** HTTP in front of a service: routes, limits, errors, and the log. It knows no tensors. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import cors, { type FastifyCorsOptions } from '@fastify/cors';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type ConnectionError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { messageOf, VERSION } from '../base/index.ts';
import { TENANT_HEADER } from './access.ts';
import { type ApiOptions, apiContext, FILL_HEADER, guardAnswers, LEVEL_HEADER, MIN_ACCURACY_HEADER } from './api.ts';
import { limitBodies } from './bodies.ts';
import { hasWholeRequest, onLeft } from './leaving.ts';
import { openInferenceHealth, openInferenceRoutes } from './open-inference-routes.ts';
import { infoRoute, operationRoutes } from './operation-routes.ts';
import { Pace } from './pace.ts';
import { predictRoute } from './predict-route.ts';
import { REFUSALS, type RefusalName, refusalOf } from './refusal.ts';
import type { ErrorBody } from './schemas.ts';
import type { Service } from './service.ts';

export interface ServerOptions extends ApiOptions {
  readonly log: Logger;
  /** Whether texts may be logged. */
  readonly hasTextsInLog: boolean;
  /** Most bytes of a request's body. */
  readonly maxBytes: number;
  /** Whose pages may ask from a browser; nobody's if left out. */
  readonly corsOrigin?: string | undefined;
  /** How long a client may take to send its request. */
  readonly requestTimeoutMs: number;
  /** The HTML page at `/`. */
  readonly page?: string | undefined;
}

/** Connections that are open without a request; longer than the usual minute of proxies in front, which otherwise would meet a closed one. */
const KEEP_ALIVE_MS = 75_000;
/** How often clients are looked at that take their time. */
const CHECK_MS = 1000;
const MAX_CONNECTIONS = 8192;
/** Of a model, as paths have it. */
const LONGEST_NAME = 1000;

/** The server, not listening yet. */
export async function buildServer(service: Service, options: ServerOptions): Promise<FastifyInstance> {
  const { requestTimeoutMs } = options;
  const failed = new WeakSet<Socket>();
  const app = fastify({
    logger: false,
    bodyLimit: options.maxBytes,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { connectionsCheckingInterval: CHECK_MS, headersTimeout: requestTimeoutMs },
    genReqId: ({ headers }) => requestIdOf(headers['x-request-id']),
    // Its own answer has another form; the service refuses what comes then, and says when it ends.
    return503OnClosing: false,
    // What fastify says of addresses that it cannot read.
    frameworkErrors: (error, _, reply) => send(reply, refusalOf(error), messageOf(error)),
    routerOptions: { maxParamLength: LONGEST_NAME },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, service, failed),
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  });
  app.removeContentTypeParser('text/plain');
  app.server.maxConnections = MAX_CONNECTIONS;
  app.decorateRequest('tenant', '');
  app.decorateRequest('texts', null as never);
  logRequests(app, options);
  answerErrors(app, service, options);
  if (options.corsOrigin !== undefined) await app.register(cors, corsOf(options.corsOrigin));
  await app.register(swagger, { openapi: DOCUMENT });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  addRoutes(app, service, options, failed);
  await app.ready();
  return app;
}

/** For pages of these origins, which may read the headers of answers, too. */
function corsOf(origins: string): FastifyCorsOptions {
  const exposedHeaders = [LEVEL_HEADER, FILL_HEADER, 'x-request-id', 'retry-after'];
  return { origin: origins.split(',').map((origin) => origin.trim()), exposedHeaders };
}

const DOCUMENT = {
  openapi: '3.1.0',
  info: {
    title: 'PruMUX',
    version: VERSION,
    description: `Texts that are asked about at the same time share forward passes. Every answer says by \`${LEVEL_HEADER}\` which level it came
from, and by \`${FILL_HEADER}\` how full its pass was. \`${MIN_ACCURACY_HEADER}\` asks for a level of at least that accuracy; \`${TENANT_HEADER}\`
names whose texts they are, where keys do not.`,
  },
  components: {
    securitySchemes: {
      key: { type: 'http' as const, scheme: 'bearer' },
      keyHeader: { type: 'apiKey' as const, in: 'header' as const, name: 'x-api-key' },
    },
  },
};

/** `failed` has the connections that ended with an answer to half a request, which is counted. */
function addRoutes(app: FastifyInstance, service: Service, options: ServerOptions, failed: WeakSet<Socket>): void {
  const context = apiContext(service, options);
  operationRoutes(app, context);
  openInferenceHealth(app, context);
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  const { page } = options;
  if (page !== undefined) app.get('/', { schema: { hide: true } }, (_, reply) => reply.type('text/html').send(page));
  app.register(async (guarded) => {
    countAnswers(guarded, service, failed);
    guardAnswers(guarded, context);
    limitBodies(guarded, options.maxBytes);
    for (const route of [predictRoute, openInferenceRoutes, infoRoute]) route(guarded, context);
  });
}

/** Counts each request for answers once: by its answer, or as one whose client has left before. */
function countAnswers(app: FastifyInstance, { metrics }: Service, failed: WeakSet<Socket>): void {
  const counted = new WeakSet<FastifyReply>();
  const count = (reply: FastifyReply, status: number): void => {
    if (counted.has(reply)) return;
    counted.add(reply);
    metrics.answered(status, reply.elapsedTime / 1000);
  };
  app.addHook('onRequest', ({ method, raw }, reply, done) => {
    // Of a client that leaves nothing else is told. Of half a request that was answered by hand, that has been counted.
    const left = (): void => {
      if (raw.complete || !failed.has(raw.socket)) count(reply, REFUSALS.cancelled.status);
    };
    if (method === 'POST') onLeft(raw, reply.raw, left);
    done();
  });
  app.addHook('onResponse', ({ method }, reply, done) => {
    if (method === 'POST') count(reply, reply.statusCode);
    done();
  });
}

/** What node's parser says of requests that it does not understand or that take too long; all others are not HTTP. */
const CLIENT_ERRORS: Readonly<Record<string, RefusalName>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'tooSlow',
  HPE_HEADER_OVERFLOW: 'tooLargeHead',
};

/**
 * Answers a request that never became one, by hand, and ends its connection. Where another one waits for its answer there, it would be taken for that:
 * then it only ends. A connection on which nothing was ever sent is no request.
 */
function answerClientError(error: ConnectionError, socket: Socket, service: Service, failed: WeakSet<Socket>): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (socket.bytesRead === 0) {
    socket.destroy();
    return;
  }
  const { status, type } = REFUSALS[CLIENT_ERRORS[error.code] ?? 'malformed'];
  failed.add(socket);
  service.metrics.answered(status, 0);
  const body = JSON.stringify({ error: `expected a whole request of HTTP, got ${error.code}`, error_type: type });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  if (socket.writable && !hasWholeRequest(socket)) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroy(error);
}

/** What a client calls its request, if that can be logged and sent back; otherwise a number. */
function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : `r${(requests++).toString(36)}`;
}
let requests = 0;

/** A line of each request: when it comes, and when it is answered. */
function logRequests(app: FastifyInstance, { log, hasTextsInLog }: ServerOptions): void {
  app.addHook('onRequest', ({ id, method, url }, _, done) => {
    if (log.isLevelEnabled('trace')) log.trace({ id, method, url }, 'request taken in');
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    if (log.isLevelEnabled('debug')) log.debug(recordOf(request, reply, hasTextsInLog), 'request');
    done();
  });
}

function answerErrors(app: FastifyInstance, service: Service, options: ServerOptions): void {
  const { log } = options;
  const refusals = new Pace();
  app.addHook('onRequest', ({ method, raw }, reply, done) => {
    // For `answerClientError`; what is posted is known by being counted.
    if (method !== 'POST') onLeft(raw, reply.raw, () => undefined);
    done();
  });
  app.addHook('onSend', (request, reply, _, done) => {
    reply.header('x-request-id', request.id);
    if (service.isDraining) reply.header('connection', 'close');
    done();
  });
  const answerUnknown = (request: FastifyRequest, reply: FastifyReply): void =>
    send(reply, 'unknown', `expected a route of the API, got ${request.method} ${request.url}. See /docs.`);
  app.setNotFoundHandler(answerUnknown);
  // Fastify would read its body first, from anybody.
  app.addHook('preParsing', (request, reply, body, done) => {
    if (request.is404) answerUnknown(request, reply);
    else done(null, body);
  });
  app.setErrorHandler((error, request, reply) => {
    const kind = refusalOf(error);
    const { id, tenant } = request;
    if (kind === 'internal') log.error({ id, err: error }, 'a request failed');
    if (kind === 'failed') log.warn({ id, reason: messageOf(error) }, 'a pass failed');
    if (kind !== 'overloaded') return send(reply, kind, kind === 'internal' ? 'internal error' : messageOf(error));
    refusals.add(() => {
      reply.header('retry-after', retryAfter(service.expectedWaitMs(tenant)));
      send(reply, kind, messageOf(error));
    });
  });
}

/** Whole seconds, as HTTP has it. */
const retryAfter = (waitMs: number): number => Math.max(1, Math.ceil(waitMs / 1000));

function send(reply: FastifyReply, kind: RefusalName, error: string): void {
  const { status, type } = REFUSALS[kind];
  // A route may have set one for its answers; with one of its own, fastify says no type.
  reply
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .code(status)
    .send({ error, error_type: type } satisfies ErrorBody);
}

function recordOf(request: FastifyRequest, reply: FastifyReply, hasTexts: boolean): object {
  const { id, method, url, tenant } = request;
  const texts = hasTexts && {
    texts: request.texts?.map(({ text, pair }) => (pair === undefined ? text : [text, pair])),
  };
  return { id, method, url, status: reply.statusCode, ms: Math.round(reply.elapsedTime), tenant, ...texts };
}
