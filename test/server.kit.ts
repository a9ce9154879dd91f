/** A whole server on a free port, for tests: real engine, real queue, a log that is kept. */
import { basename } from 'node:path';
import pino from 'pino';
import { preciseModel } from '../src/cli/precision-option.ts';
import { cpu } from '../src/runtime/index.ts';
import { type RunningServer, type RunOptions, startServer } from '../src/serve/running-server.ts';
import type { ServerOptions } from '../src/serve/server.ts';
import type { ServiceOptions } from '../src/serve/service.ts';

export interface ServerKit extends RunningServer {
  /** The lines of its log, as they were written. */
  readonly logged: readonly string[];
  close(): Promise<void>;
}

/** What tests set, wherever it belongs. */
export interface TestOptions
  extends Partial<Omit<ServiceOptions, 'alone'>>,
    Partial<ServerOptions>,
    Partial<RunOptions['engine']> {
  readonly alone?: string;
  readonly logLevel?: string;
}

const DRAIN_MS = 10_000;

export async function startTestServer(levels: readonly string[], options: TestOptions = {}): Promise<ServerKit> {
  const logged: string[] = [];
  const log = pino({ level: options.logLevel ?? 'info' }, { write: (line: string) => void logged.push(line) });
  const { alone, placement = cpu(1), workers = 1, kind = 'thread', rows = 16, ...rest } = options;
  const server = await startServer({
    levels: levels.map((operand) => preciseModel(operand)),
    alone: alone === undefined ? undefined : preciseModel(alone),
    engine: { placement, workers, kind, rows },
    service: {
      ...{ isolation: 'none', maxWaitMs: 5, capacity: 1000, maxQueueMs: 60_000, levelFor: () => 0 },
      ...rest,
    },
    server: {
      ...{ name: basename(levels[0] ?? ''), apiKeys: [], maxTexts: 64, isCut: false, log, hasTextsInLog: false },
      ...{ maxBytes: 100_000, requestTimeoutMs: 10_000 },
      ...rest,
    },
    host: '127.0.0.1',
    port: 0,
  });
  return { ...server, logged, close: () => server.drain(DRAIN_MS).then(() => undefined) };
}
