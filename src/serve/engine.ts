/**
 * The engine: workers that have the models open and run passes, as the runtime blocks the thread that it runs in. A worker that ends is replaced;
 * what waited behind what it was running runs elsewhere.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert, BackendError, messageOf, type PrumuxError } from '../base/index.ts';
import type { PreciseModel } from '../infer/index.ts';
import type { Placement } from '../runtime/index.ts';
import { type WorkerKind, WorkerLink, WorkerLost } from './engine-link.ts';
import type { OpenedLevel, OpenRequest, PassRequest } from './engine-protocol.ts';
import { Refusal } from './refusal.ts';
import type { ModelDescription, PassAnswers } from './served-model.ts';

export interface EngineOptions {
  /** By level, the most accurate first. */
  readonly models: readonly PreciseModel[];
  /** Its threads are shared by the workers. */
  readonly placement: Placement;
  readonly workers: number;
  readonly kind: WorkerKind;
  /** Longest row, in tokens; otherwise what each model was trained on. */
  readonly maxTokens?: number | undefined;
  /** Rows of a full pass; otherwise as many as are worth a pass of each model. */
  readonly rows?: number | undefined;
  /** Told why a worker ended that should not have. */
  onWorkerLost?(why: string): void;
  /** Told why one did not start that was to replace it; it is tried again. */
  onFailedStart?(why: string): void;
}

/** Answers, and the model that they are of. */
export interface EngineAnswers extends PassAnswers {
  readonly model: ModelDescription;
}

/** A worker that is ready, and what it has open: of a folder that was replaced meanwhile, the new model. */
interface Ready {
  readonly link: WorkerLink;
  readonly levels: readonly OpenedLevel[];
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** After so long without a worker nobody should wait for one: a lost one is replaced in seconds, unless something is wrong that stays so. */
const OUTAGE_MS = 30_000;

export class Engine {
  readonly options: EngineOptions;
  /** Told when a worker is ready, by itself: nothing else may happen that would give it something to do. */
  onWorkerReady: (() => void) | undefined;
  /** Told when it is out of service: there has been no worker for so long that whoever waits for one gets this instead. */
  onOutage: ((reason: Refusal) => void) | undefined;
  private readonly ready: Ready[] = [];
  private readonly starting = new Set<WorkerLink>();
  /** Who waits for any worker to be ready. */
  private readonly waiting: ((error?: PrumuxError) => void)[] = [];
  private isClosed = false;
  /** While there is no worker, until that has lasted too long; and from then on why there is no answer. */
  private outageTimer: NodeJS.Timeout | undefined;
  private outageReason: Refusal | undefined;

  private constructor(options: EngineOptions) {
    this.options = options;
  }

  /** When all workers are open and warm. Throws BackendError where one does not open. */
  static async open(options: EngineOptions): Promise<Engine> {
    const engine = new Engine(options);
    try {
      await Promise.all(Array.from({ length: options.workers }, () => engine.start()));
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  /** The models by level. */
  get levels(): readonly OpenedLevel[] {
    const [first] = this.ready;
    if (first !== undefined) this.known = first.levels;
    return this.known;
  }
  private known: readonly OpenedLevel[] = [];

  /** Whether a worker has nothing to do. */
  get isFree(): boolean {
    return this.ready.some(({ link }) => link.load === 0);
  }

  /** Whether a worker would wait for its next pass when it has answered. */
  get hasRoomForNext(): boolean {
    return this.ready.some(({ link }) => link.load < 2);
  }

  /** Milliseconds until a worker that has room for its next pass should have done the one that it runs. */
  get soonestMs(): number {
    return Math.min(...this.ready.filter(({ link }) => link.load < 2).map(({ link }) => link.leftMs));
  }

  /** Passes that workers have been given and not begun. */
  get passesGiven(): number {
    return this.ready.reduce((sum, { link }) => sum + Math.max(0, link.load - 1), 0);
  }

  /** Milliseconds that these should take. */
  get givenMs(): number {
    return this.ready.reduce((sum, { link }) => sum + link.givenMs, 0);
  }

  /** Milliseconds of work that workers have been given and not done, of all of them together, as far as was foreseen. */
  get leftMs(): number {
    let left = 0;
    for (const { link } of this.ready) left += link.leftMs;
    return left;
  }

  get readyWorkers(): number {
    return this.ready.length;
  }

  /** Why it has been out of service for a while, if it has: its workers are lost, and none starts in their place. */
  get outage(): Refusal | undefined {
    return this.outageReason;
  }

  /** Of workers that are processes. */
  get pids(): readonly number[] {
    return this.ready.flatMap(({ link }) => link.pid ?? []);
  }

  /** As a failure of the system would end it. */
  killWorker(at: number): void {
    this.ready[at]?.link.kill();
  }

  /**
   * Runs a pass on the worker that should be the first to begin it, and again where that is lost over another pass. A WorkerLost where it is lost over
   * this one, a Refusal where there is no worker for long.
   */
  async run(pass: PassRequest): Promise<EngineAnswers> {
    for (;;) {
      try {
        return await this.runOnce(pass);
      } catch (error) {
        if (!(error instanceof WorkerLost) || this.isClosed || error.wasBegun) throw error;
      }
    }
  }

  /** Ends the workers at once. What is under way fails: wait for it before. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.outageTimer);
    for (const { link } of this.ready) link.kill();
    for (const link of this.starting) link.kill();
    for (const wake of this.waiting.splice(0)) wake(closedError());
  }

  private async runOnce(pass: PassRequest): Promise<EngineAnswers> {
    while (this.ready.length === 0) await this.untilReady();
    const { link, levels } = this.ready.reduce((best, each) => (isSooner(each.link, best.link) ? each : best));
    const model = levels[pass.level]?.description;
    assert(model !== undefined, `a level ${pass.level}`);
    return { ...(await link.run(pass)), model };
  }

  private untilReady(): Promise<void> {
    const reason = this.isClosed ? closedError() : this.outageReason;
    if (reason !== undefined) return Promise.reject(reason);
    return new Promise((resolve, reject) => this.waiting.push((error) => (error ? reject(error) : resolve())));
  }

  private async start(): Promise<void> {
    const link: WorkerLink = new WorkerLink(this.options.kind, (why) => this.ended(link, why));
    this.starting.add(link);
    try {
      const levels = await link.open(openRequest(this.options));
      this.ready.push({ link, levels });
      this.outageReason = undefined;
      clearTimeout(this.outageTimer);
      for (const wake of this.waiting.splice(0)) wake();
      this.onWorkerReady?.();
    } catch (error) {
      link.kill();
      throw error;
    } finally {
      this.starting.delete(link);
    }
  }

  private ended(link: WorkerLink, why: string): void {
    const at = this.ready.findIndex((each) => each.link === link);
    if (at < 0 || this.isClosed) return;
    this.ready.splice(at, 1);
    if (this.ready.length === 0) this.outageTimer = setTimeout(() => this.beginOutage(), OUTAGE_MS).unref();
    this.options.onWorkerLost?.(why);
    void this.replace();
  }

  private beginOutage(): void {
    const reason = new Refusal('unhealthy', 'engine', {
      expected: 'a worker that is ready',
      got: `none for ${OUTAGE_MS / 1000} s`,
    });
    this.outageReason = reason;
    for (const wake of this.waiting.splice(0)) wake(reason);
    this.onOutage?.(reason);
  }

  private async replace(): Promise<void> {
    for (let waitMs = FIRST_RETRY_MS; !this.isClosed; waitMs = Math.min(2 * waitMs, LAST_RETRY_MS)) {
      try {
        await this.start();
        return;
      } catch (error) {
        if (!this.isClosed) this.options.onFailedStart?.(messageOf(error));
        await sleep(waitMs, undefined, { ref: false });
      }
    }
  }
}

/** Whether a worker would begin a pass before another one: those come first that wait for one, then those that have none to begin when they are done. */
function isSooner(a: WorkerLink, b: WorkerLink): boolean {
  const [ofA, ofB] = [Math.min(2, a.load), Math.min(2, b.load)];
  return ofA < ofB || (ofA === ofB && a.leftMs < b.leftMs);
}

function openRequest({ models, placement, workers, maxTokens, rows }: EngineOptions): OpenRequest {
  const threads = Math.max(1, Math.floor(placement.threads / workers));
  return { models, placement: { ...placement, threads }, maxTokens, rows };
}

function closedError(): BackendError {
  return new BackendError('engine', { expected: 'an open engine', got: 'a closed one' });
}
