/** `prumux serve`: a model folder as an HTTP server, until it is told to end. */
import { basename, resolve } from 'node:path';
import pino from 'pino';
import { aborted } from '../base/index.ts';
import type { PreciseModel } from '../infer/index.ts';
import { resolveModel } from '../model/index.ts';
import { PAGE_STYLE } from '../report/index.ts';
import {
  ISOLATIONS,
  ladderDefaults,
  MAX_CHARACTERS,
  openLadder,
  type RunningServer,
  type RunOptions,
  servingPage,
  startServer,
} from '../serve/index.ts';
import { type Context, command } from './command.ts';
import { choice, keys, number, type Options, option, optional, text, toggle, type Values, whole } from './option.ts';
import { preciseModel } from './precision-option.ts';
import { UsageError } from './usage-error.ts';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

const OPTIONS = {
  host: option('address to listen at; 0.0.0.0 for all', text('HOST'), '127.0.0.1'),
  port: option(
    'port to listen at; 0 for any that is free',
    number({ least: 0, below: 65536, isWhole: true }, 'PORT'),
    8080,
  ),
  name: optional("the model's name in the API [that of its folder]", text('NAME')),
  maxWait: option(
    'how long a text waits for others to share a pass with, in milliseconds',
    number({ least: 0 }, 'MS'),
    5,
  ),
  rows: optional(
    'texts of a full pass, about; fewer long ones [64; of small models as many as take 20 ms, up to 256]',
    whole(),
  ),
  targetLatency: option(
    'of several models, each is used while texts wait no longer than this, in milliseconds',
    number({ above: 0 }, 'MS'),
    100,
  ),
  noCascade: option('do not recompute unsure answers, where models are calibrated', toggle, false),
  alone: optional('model of one text per pass, for texts that nobody shares a pass with', text('MODEL')),
  streams: optional('threads that run passes, each with its share of --threads [one for each]', whole()),
  workers: optional('run passes in so many processes instead, which may crash without harm', whole()),
  maxTokens: optional('longest text, in tokens [as the model was trained]', whole(3)),
  autoTruncate: option(
    'cut texts that are too long where a request does not say; otherwise they are refused',
    toggle,
    false,
  ),
  maxTexts: option('most texts of one request', whole(), 64),
  maxBytes: option(
    'most bytes of one request',
    number({ least: 1, below: MAX_CHARACTERS + 1, isWhole: true }),
    2_000_000,
  ),
  queue: option('most texts that wait; of one tenant four fifths', whole(), 16384),
  maxQueueWait: option(
    'requests that would wait longer are refused with 429, in milliseconds',
    number({ above: 0 }, 'MS'),
    2000,
  ),
  isolation: optional(
    'whose texts may share a pass: of all, of one tenant, of one request [tenant with several keys, otherwise none]',
    choice(ISOLATIONS),
  ),
  apiKey: optional('keys that open the API, with commas between; with several, each is a tenant', keys('KEY,KEY')),
  cors: optional('origins whose pages may ask, with commas between; * for all [none]', text('ORIGIN,ORIGIN')),
  requestTimeout: option('how long a client may take to send a request, in milliseconds', whole(), 10_000),
  drainTimeout: option('how long open requests are answered after SIGTERM, in milliseconds', whole(), 25_000),
  logLevel: option(
    'what is logged; debug has a line per request when it is answered, trace another when it comes',
    choice(LOG_LEVELS),
    'info',
  ),
  logTexts: option('have the texts in the lines of requests, too', toggle, false),
} satisfies Options;

export default command({
  name: 'serve',
  description: 'Serve a model over HTTP: requests that come together share forward passes.',
  example: 'models/fast --port 8080 --max-wait 5',
  operands: {
    name: 'model',
    description: 'model folders or Hub ids, the most accurate first; DIR, or of a precision DIR:int8',
    isMany: true,
  },
  options: OPTIONS,
  unheeded: ['seed', 'progress'],
  isEndless: true,
  hasVariables: true,
  async run(values, models, context) {
    const { terminal } = context;
    const starting = runOptions(values, models, context).then(startServer);
    // A SIGHUP that comes while it starts would end the process if nobody listened.
    terminal.onHangUp?.(() => void starting.then((running) => running.reload()).catch(() => undefined));
    // Large models open for minutes; nobody has asked anything yet.
    const server = await Promise.race([starting, aborted(terminal.interrupt)]);
    if (server === undefined) return { isDrained: true } satisfies Ended;
    terminal.stderr.write(`prumux: listening on ${server.url} (API: ${server.url}/docs)\n`);
    await aborted(terminal.interrupt);
    return { url: server.url, isDrained: await server.drain(values.drainTimeout) } satisfies Ended;
  },
  print: ({ isDrained }) => (isDrained ? '' : 'Some requests were not answered in time.\n'),
});

/** Without an address where it was told to end before it had one. */
interface Ended extends Partial<Pick<RunningServer, 'url'>> {
  readonly isDrained: boolean;
}

async function resolved(operand: string): Promise<PreciseModel> {
  const { model, precision } = preciseModel(operand);
  return { model: await resolveModel(model), precision };
}

async function runOptions(
  values: Values<typeof OPTIONS>,
  models: readonly [string, ...string[]],
  { placement, terminal }: Context,
): Promise<RunOptions> {
  const {
    apiKey: apiKeys = [],
    alone,
    rows,
    maxWait,
    queue,
    maxQueueWait,
    workers,
    streams,
    maxTokens,
    host,
    port,
  } = values;
  if (workers !== undefined && streams !== undefined) {
    throw new UsageError('--streams', { expected: 'nothing, as --workers says who runs passes', got: String(streams) });
  }
  if (values.logTexts && values.logLevel !== 'debug' && values.logLevel !== 'trace') {
    const expected = '--log-level debug or trace with it: other levels have no line of a request';
    throw new UsageError('--log-texts', { expected, got: values.logLevel });
  }
  const levels = await Promise.all(models.map(resolved));
  return {
    ...{ levels, host, port },
    ...(alone !== undefined && { alone: await resolved(alone) }),
    engine: {
      ...{ placement, maxTokens, rows, workers: workers ?? streams ?? placement.threads },
      kind: workers === undefined ? 'thread' : 'process',
    },
    service: {
      isolation: values.isolation ?? (apiKeys.length > 1 ? 'tenant' : 'none'),
      ...{ maxWaitMs: maxWait, capacity: queue, maxQueueMs: maxQueueWait },
      ...levelPolicy(values),
    },
    server: {
      ...{ apiKeys, name: values.name ?? basename(resolve(preciseModel(models[0]).model)) },
      // One of more texts than may wait would never be taken in.
      ...{ maxTexts: Math.min(values.maxTexts, queue), maxBytes: values.maxBytes, isCut: values.autoTruncate },
      ...{ corsOrigin: values.cors, requestTimeoutMs: values.requestTimeout },
      log: pino({ level: values.logLevel }, terminal.stderr),
      hasTextsInLog: values.logTexts,
      page: servingPage(PAGE_STYLE),
    },
  };
}

/** Which level a pass runs at, and what may be recomputed: both so that texts wait no longer than they should. */
function levelPolicy({
  targetLatency,
  noCascade,
}: Values<typeof OPTIONS>): Pick<RunOptions['service'], 'levelFor' | 'cascade'> {
  const settings = { ...ladderDefaults, targetLatencyMs: targetLatency };
  return { levelFor: openLadder(settings), ...(!noCascade && { cascade: settings }) };
}
