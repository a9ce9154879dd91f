/** What the server counts and measures, for Prometheus. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AnswerLevel } from './question.ts';

/** What is asked at the moment of a scrape. */
export interface Gauges {
  queueDepth(): number;
  /** How long all that was taken in should take the workers. */
  queueSeconds(): number;
  level(): number;
  readyWorkers(): number;
}

/** A pass that has run. */
export interface PassRecord {
  readonly level: AnswerLevel;
  /** That went through: those that are too long did not. */
  readonly rows: number;
  /** G·N */
  readonly slots: number;
  readonly computeMs: number;
}

/** The first pass of its rows. */
export interface FirstPassRecord extends PassRecord {
  /** How long each row has waited, too long or not. */
  readonly waitsMs: readonly number[];
}

/** No bound is more than half as much again as the one before it, 10 s the last: quantiles are read off them. */
const SECONDS = [0.001, 0.01, 0.1, 1]
  .flatMap((unit) => [1, 1.5, 2, 3, 4, 5, 6, 8].map((step) => Number((step * unit).toPrecision(2))))
  .concat(10);
const SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

export class Metrics {
  readonly registry = new Registry();
  private readonly requests = this.counter('prumux_requests_total', 'Requests for answers, by status', ['code']);
  private readonly failures = this.counter('prumux_failures_total', 'Requests without an answer, by status', ['code']);
  private readonly total = this.histogram('prumux_request_seconds', 'From a request to its answer', SECONDS);
  private readonly wait = this.histogram('prumux_wait_seconds', 'How long rows waited for their pass', SECONDS);
  private readonly compute = this.histogram(
    'prumux_compute_seconds',
    'How long passes took, tokenizing included',
    SECONDS,
  );
  private readonly fill = this.histogram('prumux_group_fill_ratio', 'Rows of a pass to its slots', SHARES);
  private readonly passes = this.counter('prumux_passes_total', 'Forward passes, by level', ['level']);
  private readonly rows = this.counter('prumux_rows_total', 'Rows answered, by level', ['level']);
  private readonly recomputedRows = this.counter(
    'prumux_recomputed_rows_total',
    'Rows answered again by the most accurate level',
    [],
  );
  private readonly cancelled = this.counter(
    'prumux_cancelled_rows_total',
    'Rows whose clients left before their pass',
    [],
  );
  private readonly restarts = this.counter('prumux_worker_restarts_total', 'Workers lost, and replaced', []);
  private readonly reloads = this.counter('prumux_reloads_total', 'Times that the models were loaded anew', []);

  constructor(gauges: Gauges) {
    collectDefaultMetrics({ register: this.registry });
    this.gauge('prumux_queue_depth', 'Rows that wait', gauges.queueDepth);
    this.gauge(
      'prumux_queue_seconds',
      'How long what waits and what workers have should take them',
      gauges.queueSeconds,
    );
    this.gauge('prumux_level', 'The level that a pass would run at now, 0 the most accurate', gauges.level);
    this.gauge('prumux_ready_workers', 'Workers that are ready', gauges.readyWorkers);
  }

  answered(status: number, seconds: number): void {
    this.requests.inc({ code: status });
    if (status >= 400) this.failures.inc({ code: status });
    else this.total.observe(seconds);
  }

  ran({ waitsMs, ...pass }: FirstPassRecord): void {
    this.passRan(pass);
    for (const ms of waitsMs) this.wait.observe(ms / 1000);
  }

  /** Rows whose clients got answers, of the level that gave them. */
  rowsAnswered(level: AnswerLevel, rows: number): void {
    if (rows > 0) this.rows.inc({ level }, rows);
  }

  /** A pass of rows that have answers already. */
  recomputed(pass: PassRecord): void {
    this.passRan(pass);
    this.recomputedRows.inc(pass.rows);
  }

  private passRan({ level, rows, slots, computeMs }: PassRecord): void {
    this.passes.inc({ level });
    if (slots > 0) this.fill.observe(rows / slots);
    this.compute.observe(computeMs / 1000);
  }

  left(rows: number): void {
    this.cancelled.inc(rows);
  }

  workerLost(): void {
    this.restarts.inc();
  }

  reloaded(): void {
    this.reloads.inc();
  }

  private counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  private histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name, help, buckets, registers: [this.registry] });
  }

  private gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      ...{ name, help, registers: [this.registry] },
      collect() {
        this.set(read());
      },
    });
  }
}
