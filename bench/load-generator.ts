/**
 * Load on a server, from a process of its own, and what came of it. Closed: so many clients, each asks again when it has its answer. Open: requests
 * leave at random moments (Poisson), whether or not answers come, as those of people do.
 *
 * Counted are answers that come within the seconds of the load, whenever their requests left. What comes when no more requests leave is answered by a
 * server that has less to do, and is only looked at: whether it comes, and is right.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { random } from '../src/base/index.ts';
import { ConnectionLost, type HttpAnswer, HttpConnection, predictRequest } from './http-connection.ts';

export interface Load {
  readonly url: string;
  readonly texts: readonly string[];
  /** So many texts a request, in the form of a batch; one by itself if left out. */
  readonly textsPerRequest?: number;
  /** Scores by text and label, to hold answers against; they are not looked at if left out. */
  readonly expected?: readonly Readonly<Record<string, number>>[];
  readonly seconds: number;
  /** Answers that come in so many seconds before those are not counted: both ends compile what they run and connect. None if left out. */
  readonly warmUpSeconds?: number;
  /** Closed, by clients; or open, in requests per second. */
  readonly arrivals: { readonly clients: number } | { readonly perSecond: number };
  /** Open load needs a connection per request in flight, of which there are so many at most; as many as a machine can be asked for if left out. */
  readonly mostConnections?: number;
  readonly seed: number;
}

export interface Quantiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

export interface LoadReport {
  /** How long answers were counted. */
  readonly seconds: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests that were due while all connections were waiting for answers, and did not leave. */
  readonly dropped: number;
  /** Requests that were sent and never answered; requests that found no server. */
  readonly lost: number;
  readonly refused: number;
  /** Answers that are not those to their texts, and the first of them. */
  readonly wrong: number;
  readonly wrongSample?: string;
  /** Milliseconds from request to answer, of accepted and of refused ones. */
  readonly accepted: Quantiles;
  readonly rejected: Quantiles;
  /** Milliseconds by which requests left later than they were due: the generator's own, as it shares the machine with the server. */
  readonly late: Quantiles;
  /** Seconds of processor time that the generator took. */
  readonly cpuSeconds: number;
}

const MOST_CONNECTIONS = 4096;
/** Scores of float32 sums in another order. */
const TOLERANCE = 1e-3;

export function quantilesOf(values: number[]): Quantiles {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

class Tally {
  private readonly startMs = performance.now();
  private readonly startCpu = process.cpuUsage();
  private window: Pick<LoadReport, 'seconds' | 'cpuSeconds'> | undefined;
  private readonly statuses: Record<string, number> = {};
  private readonly accepted: number[] = [];
  private readonly rejected: number[] = [];
  private readonly late: number[] = [];
  private wrong = 0;
  private wrongSample: string | undefined;
  private lost = 0;
  private refused = 0;
  private dropped = 0;

  /** What comes from now on is not counted. */
  close(): Pick<LoadReport, 'seconds' | 'cpuSeconds'> {
    const { user, system } = process.cpuUsage(this.startCpu);
    const cpuSeconds = (user + system) / 1e6;
    this.window ??= { seconds: (performance.now() - this.startMs) / 1000, cpuSeconds };
    return this.window;
  }

  answered({ status, body }: HttpAnswer, milliseconds: number, expected?: Load['expected']): void {
    if (this.window === undefined) {
      this.statuses[status] = (this.statuses[status] ?? 0) + 1;
      (status === 200 ? this.accepted : this.rejected).push(milliseconds);
    }
    if (status === 200 && expected !== undefined && !isRight(body, expected)) {
      this.wrong++;
      this.wrongSample ??= `${body} instead of ${JSON.stringify(expected)}`;
    }
  }

  left(lateMs: number): void {
    this.late.push(lateMs);
  }

  drop(): void {
    this.dropped++;
  }

  failed(error: unknown): void {
    if (error instanceof ConnectionLost && !error.wasSent) this.refused++;
    else this.lost++;
  }

  report(): LoadReport {
    const { statuses, lost, refused, dropped, wrong, wrongSample } = this;
    return {
      ...this.close(),
      ...{ statuses, lost, refused, dropped, wrong },
      ...(wrongSample !== undefined && { wrongSample }),
      accepted: quantilesOf(this.accepted),
      rejected: quantilesOf(this.rejected),
      late: quantilesOf(this.late),
    };
  }
}

type Scores = readonly { readonly label: string; readonly score: number }[];

/** Whether these are the answers to the texts that were asked about, in their order. */
function isRight(body: string, expected: NonNullable<Load['expected']>): boolean {
  const answers = JSON.parse(body) as Scores | readonly Scores[];
  const all = Array.isArray(answers[0]) ? (answers as readonly Scores[]) : [answers as Scores];
  return (
    all.length === expected.length &&
    all.every(
      (scores, at) =>
        scores.length === Object.keys(expected[at] ?? {}).length &&
        scores.every(({ label, score }) => Math.abs(score - (expected[at]?.[label] ?? Number.NaN)) < TOLERANCE),
    )
  );
}

/** Texts, or what belongs to them, as requests have them: request r asks about the k that begin with r·k, around the end. */
function perRequest<T>(all: readonly T[], k: number): T[][] {
  return all.map((_, request) => Array.from({ length: k }, (_, at) => all[(request * k + at) % all.length] as T));
}

class Generator {
  private tally = new Tally();
  private readonly url: URL;
  private readonly requests: readonly Buffer[];
  private readonly expected: readonly NonNullable<Load['expected']>[] | undefined;
  private readonly idle: HttpConnection[] = [];
  private readonly load: Load;
  private connections = 0;
  private next: number;
  private endMs = 0;

  constructor(load: Load) {
    this.load = load;
    this.url = new URL(load.url);
    const { texts, textsPerRequest: k, expected } = load;
    const asked = k === undefined ? texts : perRequest(texts, k);
    this.requests = asked.map((each) => predictRequest(this.url.host, each));
    this.expected = expected && perRequest(expected, k ?? 1);
    this.next = random(load.seed, 'texts').integer(load.texts.length);
  }

  async run(): Promise<LoadReport> {
    const { arrivals, seconds, warmUpSeconds = 0 } = this.load;
    const lengthMs = 1000 * (warmUpSeconds + seconds);
    this.endMs = performance.now() + lengthMs;
    setTimeout(() => {
      this.tally = new Tally();
    }, 1000 * warmUpSeconds).unref();
    setTimeout(() => this.tally.close(), lengthMs).unref();
    if ('clients' in arrivals) await Promise.all(Array.from({ length: arrivals.clients }, () => this.client()));
    else await this.openLoad(arrivals.perSecond);
    return this.tally.report();
  }

  stop(): void {
    this.endMs = 0;
  }

  private async client(): Promise<void> {
    while (performance.now() < this.endMs) {
      if (!(await this.ask())) await sleep(20);
    }
  }

  private async openLoad(perSecond: number): Promise<void> {
    const { seed, mostConnections = MOST_CONNECTIONS } = this.load;
    const draws = random(seed, 'arrivals');
    const underWay = new Set<Promise<boolean>>(); // not all of them: an hour of requests is more than memory is for
    for (let due = performance.now(); due < this.endMs; due += (-1000 / perSecond) * Math.log(1 - draws.uniform())) {
      const ahead = due - performance.now();
      if (ahead > 1) await sleep(ahead);
      if (this.connections >= mostConnections && this.idle.length === 0) {
        this.tally.drop();
        continue;
      }
      const asked = this.ask(due);
      underWay.add(asked);
      void asked.finally(() => underWay.delete(asked));
    }
    await Promise.all(underWay);
  }

  /** Asks about the next text; whether an answer came. */
  private async ask(due = performance.now()): Promise<boolean> {
    const start = performance.now();
    this.tally.left(start - due);
    const which = this.next++ % this.requests.length;
    const connection = this.connection();
    try {
      const answer = await connection.send(this.requests[which] as Buffer);
      this.tally.answered(answer, performance.now() - start, this.expected?.[which]);
      if (connection.isOpen) this.idle.push(connection);
      else this.connections--;
      return true;
    } catch (error) {
      this.connections--;
      this.tally.failed(error);
      return false;
    }
  }

  /** One that is idle and open, or a new one. */
  private connection(): HttpConnection {
    for (let found = this.idle.pop(); found !== undefined; found = this.idle.pop()) {
      if (found.isOpen) return found;
      this.connections--;
    }
    this.connections++;
    return new HttpConnection(this.url);
  }
}

export interface RunningLoad {
  /** What came of it, at its end. */
  readonly report: Promise<LoadReport>;
  /** Ends it before its time. */
  stop(): void;
}

/** Puts load on a server, from a process that ends with it; when it has begun. */
export async function startLoad(load: Load): Promise<RunningLoad> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: ['--import', import.meta.resolve('tsx')] });
  await once(child, 'message'); // it is ready
  child.send(load);
  const report = once(child, 'message').then(([message]) => message as LoadReport);
  return { report, stop: () => void child.send('stop') };
}

export const generateLoad = async (load: Load): Promise<LoadReport> => (await startLoad(load)).report;

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send !== undefined) {
  let generator: Generator | undefined;
  process.on('message', async (message: Load | 'stop') => {
    if (message === 'stop') {
      generator?.stop();
      return;
    }
    generator = new Generator(message);
    process.send?.(await generator.run(), () => process.exit());
  });
  process.send('ready');
}
