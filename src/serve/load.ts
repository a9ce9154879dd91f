/** What the service measures of its load, and what a policy of levels decides by. */
import type { OpenedLevel } from './engine-protocol.ts';
import { passCost, workMs } from './pass-shape.ts';
import type { Backlog } from './queue.ts';

/** The state of the server when a pass is about to leave. */
export interface Observation {
  readonly nowMs: number;
  /**
   * How long what waits, and may go down to a level, would take the workers there, passes that were given to a worker and not begun included: by the passes
   * that it would leave in, which are not full where few rows may share one.
   */
  readonly waitsMs: readonly number[];
  /** How long all that waits would take them at the level of now, what may not go down to it included. */
  readonly backlogMs: number;
  /** How long the first of the rows that wait has. */
  readonly oldestWaitMs: number;
  /** Rows per second, over the last second or so. */
  readonly arrivalsPerSecond: number;
  /** Rows per second that each level could answer with full passes, as measured. */
  readonly ratesPerSecond: readonly number[];
}

/** Decides the level of the next pass, 0 the most accurate. */
export type LevelFor = (observation: Observation) => number;

/** How long arrivals are remembered, and passes, by the time that they took. */
const MEMORY_MS = 1000;

/** Rows per second: every arrival counts, and is forgotten exponentially. */
export class ArrivalRate {
  private perMs = 0;
  private atMs = 0;

  arrived(rows: number, nowMs: number): void {
    this.perMs = this.decayed(nowMs) + rows / MEMORY_MS;
    this.atMs = nowMs;
  }

  perSecond(nowMs: number): number {
    return 1000 * this.decayed(nowMs);
  }

  private decayed(nowMs: number): number {
    return this.perMs * Math.exp((this.atMs - nowMs) / MEMORY_MS);
  }
}

/** Milliseconds by weight, of late: both sums are forgotten by the time that passes took, so a long pass counts as often as a short one. */
class RecentMean {
  private weighted: number;
  private weights: number;

  /** The guess counts as one value. */
  constructor(guess: number, weight: number) {
    this.weighted = guess * weight;
    this.weights = weight;
  }

  get value(): number {
    return this.weighted / this.weights;
  }

  add(value: number, weight: number, passMs: number): void {
    if (weight === 0) return;
    const kept = Math.exp(-passMs / MEMORY_MS);
    this.weighted = kept * this.weighted + weight * value;
    this.weights = kept * this.weights + weight;
  }
}

/** Of one pass. */
function foreseenMs(opened: OpenedLevel, tokens: number): number {
  const { fixedMs, tokenMs } = passCost(opened);
  return fixedMs + tokens * tokenMs;
}

/** Passes of less work than this share of a full one of short texts say little about the time of a slot: what a pass costs by itself is shared by too few. */
const TELLING_SHARE = 0.5;

/** Duration of the passes of a level in its worker, and of its slots: a busy loop of the server is no part of it, or refusals would beget refusals. */
export class PassTimes {
  private readonly opened: OpenedLevel;
  private readonly slotMs: RecentMean;
  /** Time of passes to what they were thought to take when the model was opened. */
  private readonly slowness: RecentMean;

  /** Until passes ran, all are thought to take what a worker's passes of short texts took when it opened. */
  constructor(opened: OpenedLevel) {
    const { rows, passMs } = opened;
    this.opened = opened;
    this.slotMs = new RecentMean(passMs / rows, rows);
    this.slowness = new RecentMean(1, passMs);
  }

  ran(passMs: number, slots: number, lengthClass: number): void {
    if (slots === 0) return;
    const tokens = slots * lengthClass;
    const thoughtMs = foreseenMs(this.opened, tokens);
    this.slowness.add(passMs / thoughtMs, thoughtMs, passMs);
    const isTelling = workMs(this.opened, tokens) >= TELLING_SHARE * this.opened.passMs;
    if (isTelling) this.slotMs.add(passMs / slots, slots, passMs);
  }

  /** How long a pass of so many tokens should take, those of repeats included. */
  expectedMs(tokens: number): number {
    return this.slowness.value * foreseenMs(this.opened, tokens);
  }

  /** How long what waits should take a worker: full passes, and of every lane one more, whose last group has one row. */
  backlogMs({ rows, tokens, lanes }: Backlog): number {
    const { description } = this.opened;
    const { fixedMs, tokenMs } = passCost(this.opened);
    const emptyTokens = (description.instances - 1) * (tokens / rows);
    return this.slowness.value * (workMs(this.opened, tokens) + lanes * (fixedMs + emptyTokens * tokenMs));
  }

  /** Rows per second of full passes, on so many workers. */
  ratePerSecond(workers: number): number {
    return (1000 * workers) / this.slotMs.value;
  }
}
