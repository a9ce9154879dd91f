/** A server from its start to its end: models opened, requests taken in when all is warm, models loaded anew, and an end that loses nothing. */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { BackendError, CheckpointError, ConfigError, messageOf } from '../base/index.ts';
import type { PreciseModel } from '../infer/index.ts';
import { Engine, type EngineOptions } from './engine.ts';
import type { OpenedLevel } from './engine-protocol.ts';
import { inPrecision, type ModelDescription } from './served-model.ts';
import { buildServer, type ServerOptions } from './server.ts';
import { Service, type ServiceOptions } from './service.ts';

export interface RunOptions {
  readonly engine: Omit<EngineOptions, 'models' | 'onWorkerLost' | 'onFailedStart'>;
  /** By level, the most accurate first. */
  readonly levels: readonly PreciseModel[];
  /** A model of one text per pass, for texts that would go through alone. */
  readonly alone?: PreciseModel | undefined;
  readonly service: Omit<ServiceOptions, 'alone'>;
  readonly server: ServerOptions;
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
}

export interface RunningServer {
  readonly app: FastifyInstance;
  readonly service: Service;
  readonly url: string;
  /** Opens the folders again; where they do not open, what is open stays. Whether they did. */
  reload(): Promise<boolean>;
  /** Takes in nothing more, answers what was taken in, and ends; whether all was answered in time. */
  drain(deadlineMs: number): Promise<boolean>;
}

/** Opens the models, warms them up, and listens. Throws CheckpointError or BackendError where that cannot be. */
export async function startServer(options: RunOptions): Promise<RunningServer> {
  const { levels, alone, host, port, server } = options;
  const { log } = server;
  const openEngine = (): Promise<Engine> =>
    openChecked(levels.length, {
      ...options.engine,
      models: alone === undefined ? levels : [...levels, alone],
      onWorkerLost(why) {
        log.error({ why }, 'a worker was lost; another one starts');
        service?.metrics.workerLost();
      },
      onFailedStart: (why) => log.error({ why }, 'a worker did not start; it is tried again'),
    });
  let service: Service | undefined;
  const engine = await openEngine();
  const opened = new Service(engine, { ...options.service, ...(alone !== undefined && { alone: levels.length }) });
  service = opened;
  const app = await buildServer(opened, server);
  const url = await listen(app, host, port).catch(async (error: unknown) => {
    await opened.close();
    throw error;
  });
  let reloading: Promise<boolean> = Promise.resolve(true);
  warnOfOrder(opened, log);
  log.info({ url, levels: namesOf(engine.levels), workers: engine.readyWorkers }, 'ready');
  return {
    app,
    service: opened,
    url,
    reload() {
      reloading = reloading.then(() => reload(opened, openEngine, log));
      return reloading;
    },
    drain: (deadlineMs) => drain(app, opened, deadlineMs, log),
  };
}

/** Opens so many levels, and the model for texts alone, where there is one. */
async function openChecked(levels: number, options: EngineOptions): Promise<Engine> {
  const engine = await Engine.open(options);
  try {
    checkModels(
      engine.levels.map(({ description }) => description),
      levels,
    );
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

/** All must say the same labels of the same task, and take the same texts: which of them answers follows from the load. */
function checkModels(models: readonly ModelDescription[], levels: number): void {
  const [first, ...others] = models;
  for (const { folder, labels, task, maxTokens } of others) {
    if (task !== first?.task || labels.join() !== first.labels.join()) {
      const expected = `the task and labels of ${first?.folder}`;
      throw new CheckpointError(folder, { expected, got: `${task}: ${labels.join(', ')}` });
    }
    if (maxTokens !== first.maxTokens) {
      const expected = `texts of up to ${first.maxTokens} tokens, as ${first.folder} has them`;
      const hint = `--max-tokens ${Math.min(maxTokens, first.maxTokens)} has all of them take the same.`;
      throw new CheckpointError(folder, { expected, got: String(maxTokens), hint });
    }
  }
  const alone = models[levels];
  if (alone === undefined || alone.instances === 1) return;
  throw new CheckpointError(alone.folder, {
    expected: 'a model of one text per pass, for texts alone',
    got: `one of ${alone.instances}`,
  });
}

/**
 * Connections that the kernel keeps until this process takes them, where its own limit (net.core.somaxconn) is not lower. One beyond is not refused
 * but left without an answer: its client tries again after one, three and seven seconds, and waits so long for an answer or a 429.
 */
const BACKLOG = 8192;

async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    await app.listen({ host, port, backlog: BACKLOG });
  } catch (cause) {
    throw new ConfigError(`${host}:${port}`, {
      expected: 'a free address of this machine',
      got: messageOf(cause),
      cause,
    });
  }
  const { address, port: bound, family } = app.server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`;
}

async function reload(service: Service, open: () => Promise<Engine>, log: Logger): Promise<boolean> {
  if (service.isDraining) return false;
  try {
    const engine = await open();
    if (service.isDraining) {
      await engine.close();
      return false;
    }
    service.replaceEngine(engine);
    warnOfOrder(service, log);
    log.info({ levels: namesOf(engine.levels) }, 'models loaded anew');
    return true;
  } catch (error) {
    log.error({ reason: messageOf(error) }, 'models not loaded anew; the old ones stay');
    return false;
  }
}

/**
 * A floor of accuracy keeps a request on the levels before the first that is below it, or of which none is known, so an accurate one behind that answers
 * none.
 */
function warnOfOrder({ levels }: Service, log: Logger): void {
  const accuracies = levels.map(({ description }) => description.accuracy ?? null);
  const known = accuracies.map((accuracy) => accuracy ?? 0);
  if (known.every((accuracy, at) => at === 0 || accuracy <= (known[at - 1] as number))) return;
  log.warn(
    { levels: namesOf(levels), accuracies },
    'levels are not in the order of their accuracies, the most accurate first',
  );
}

/** What connections have to close by themselves, whatever is left of the time: the last answers leave through them. */
const LEAST_CLOSE_MS = 1000;

async function drain(app: FastifyInstance, service: Service, deadlineMs: number, log: Logger): Promise<boolean> {
  log.info({ deadlineMs }, 'draining');
  const endMs = performance.now() + deadlineMs;
  const isDone = await service.drain(deadlineMs);
  if (!isDone) log.error(new BackendError('drain', { expected: 'all answers in time', got: 'open requests' }).message);
  await closeWithin(app, Math.max(LEAST_CLOSE_MS, endMs - performance.now()));
  await service.close();
  log.info('ended');
  return isDone;
}

/**
 * Connections that are idle are closed at once, the others when they have their answer, and when the time is up those of clients that have sent
 * nothing, half a request, or do not read: a server that has begun to close has no timeouts any more.
 */
async function closeWithin(app: FastifyInstance, limitMs: number): Promise<void> {
  const end = setTimeout(() => app.server.closeAllConnections(), limitMs);
  await app.close();
  clearTimeout(end);
}

function namesOf(levels: readonly OpenedLevel[]): string[] {
  return levels.map(({ description: { folder, precision } }) => inPrecision(folder, precision));
}
