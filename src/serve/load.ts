/** What the service measures of its load, and what a policy of levels decides by. */
import type { OpenedLevel } from './engine-protocol.ts';
import { fullPass, workMs } from './pass-shape.ts';

/** The state of the server when a pass is about to leave. */
export interface Observation {
  readonly nowMs: number;
  /** Rows that wait, those of passes that were given to a worker and not begun included; and how long the first of the others has. */
  readonly waiting: number;
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

/** Passes of less work than this share of a full one of short texts say little about the time of a slot: what a pass costs by itself is shared by too few. */
const TELLING_SHARE = 0.5;

/** Duration of the passes of a level in its worker, and of its slots: a busy loop of the server is no part of it, or refusals would beget refusals. */
export class PassTimes {
  private readonly opened: OpenedLevel;
  private readonly passMs: RecentMean;
  private readonly slotMs: RecentMean;
  /** Time of passes to what they were thought to take when the model was opened. */
  private readonly slowness: RecentMean;

  /** Until passes ran, all are thought to take what a worker's last full pass of a short text took when it opened. */
  constructor(opened: OpenedLevel) {
    const { rows, passMs } = opened;
    this.opened = opened;
    this.passMs = new RecentMean(passMs, 1);
    this.slotMs = new RecentMean(passMs / rows, rows);
    this.slowness = new RecentMean(1, passMs);
  }

  ran(passMs: number, slots: number, lengthClass: number): void {
    const { groups, instances } = fullPass(this.opened, lengthClass);
    this.passMs.add(passMs, slots / (groups * instances), passMs);
    const work = workMs(this.opened, slots * lengthClass);
    if (work > 0) this.slowness.add(passMs / work, work, passMs);
    const isTelling = work >= TELLING_SHARE * this.opened.passMs;
    if (isTelling) this.slotMs.add(passMs / slots, slots, passMs);
  }

  /** Of the pass that a slot is in: full ones count for more, as those are what a queue is made of. */
  get meanMs(): number {
    return this.passMs.value;
  }

  /** How long so many tokens should take a worker. */
  expectedMs(tokens: number): number {
    return this.slowness.value * workMs(this.opened, tokens);
  }

  /** Rows per second of full passes, on so many workers. */
  ratePerSecond(workers: number): number {
    return (1000 * workers) / this.slotMs.value;
  }
}
