/** A server in a process of its own, as a benchmark sees it: its address, its metrics, its processor time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BackendError } from '../src/base/index.ts';

const PRUMUX = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const BASELINE = fileURLToPath(new URL('./serving-baseline.ts', import.meta.url));

const LISTENING = /listening on (\S+)/;

/** Linux counts processor time in hundredths of a second. */
const TICKS_PER_SECOND = 100;

export class ServerUnderTest {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** What it has written to standard error. */
  said = '';

  private constructor(child: ChildProcess, ended: Promise<number | null>) {
    this.child = child;
    this.ended = ended;
  }

  /** `prumux serve`, as it was built, on any free port. */
  static prumux(models: readonly string[], flags: readonly string[] = []): Promise<ServerUnderTest> {
    const quiet = flags.includes('--log-level') ? [] : ['--log-level', 'warn']; // a flag is given once
    return ServerUnderTest.start([PRUMUX, 'serve', ...models, '--port', '0', ...quiet, ...flags]);
  }

  /** transformers.js behind fastify. */
  static baseline(model: string, dtype: 'fp32' | 'q8'): Promise<ServerUnderTest> {
    return ServerUnderTest.start(['--import', import.meta.resolve('tsx'), BASELINE, model, dtype]);
  }

  private static start(argv: readonly string[]): Promise<ServerUnderTest> {
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    process.once('exit', () => child.kill('SIGKILL'));
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    const server = new ServerUnderTest(child, ended);
    return new Promise((resolve, reject) => {
      child.stderr.on('data', (text) => {
        server.said += text;
        if (LISTENING.test(server.said)) resolve(server);
      });
      void ended.then((code) => {
        const got = `its end with ${code}: ${server.said}`;
        reject(new BackendError('serve', { expected: 'a server that listens', got }));
      });
    });
  }

  get url(): string {
    return LISTENING.exec(this.said)?.[1] ?? '';
  }

  /** Processes that it has started. */
  get workers(): readonly number[] {
    const { pid } = this.child;
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  }

  /** Seconds that it and its workers have had a processor for. */
  get cpuSeconds(): number {
    return [this.child.pid, ...this.workers]
      .map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [])
      .reduce((sum, fields) => sum + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND, 0);
  }

  get residentBytes(): number {
    return [this.child.pid, ...this.workers]
      .map((pid) => /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
      .reduce<number>((sum, kilobytes) => sum + 1024 * Number(kilobytes), 0);
  }

  /** The text of `/metrics`. */
  async metrics(): Promise<string> {
    return (await fetch(`${this.url}/metrics`)).text();
  }

  async end(): Promise<number | null> {
    this.child.kill('SIGTERM');
    return this.ended;
  }
}

/** The sum of a metric over its labels. */
export function metricIn(metrics: string, name: string): number {
  const lines = metrics.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** The median of a histogram, linear within its bucket, as Prometheus has it; between two scrapes. */
export function medianBetween(before: string, after: string, name: string): number {
  const counts = (text: string): [number, number][] =>
    Array.from(text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\d+)`, 'gm')), ([, bound, count]) => [
      bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound),
      Number(count),
    ]);
  const earlier = counts(before);
  const buckets = counts(after).map(([bound, count], at) => [bound, count - (earlier[at]?.[1] ?? 0)] as const);
  const half = (buckets.at(-1)?.[1] ?? 0) / 2;
  const found = buckets.findIndex(([, count]) => count >= half);
  const [bound = 0, count = 0] = buckets[found] ?? [];
  const [lower, below] = buckets[found - 1] ?? [0, 0];
  return lower + ((bound - lower) * (half - below)) / Math.max(1, count - below);
}
