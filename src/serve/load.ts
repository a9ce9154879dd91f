/** What the service measures of its load, and what a policy of levels decides by. */
import type { OpenedLevel } from './engine-protocol.ts';

/** The state of the server when a pass is about to leave. */
export interface Observation {
  readonly nowMs: number;
  /** Rows that wait, and how long the first of them has. */
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

/** A mean that forgets: the first values count alike, and the guess that came before them not at all. */
class RecentMean {
  value: number;
  private count = 0;

  constructor(guess: number) {
    this.value = guess;
  }

  /** `share` is what the value weighs at least. */
  add(value: number, share: number): void {
    this.count++;
    this.value += Math.min(1, Math.max(share, 1 / this.count)) * (value - this.value);
  }
}

/** Passes of fewer slots than this share of a full one say little about the time of a slot: what a pass costs by itself is shared by too few. */
const TELLING_SHARE = 0.5;

/** Duration of the passes of a level in its worker, and of its slots: a busy loop of the server is no part of it, or refusals would beget refusals. */
export class PassTimes {
  private readonly slots: number;
  private readonly passMs: RecentMean;
  private readonly slotMs: RecentMean;

  /** Until passes ran, they are thought to be as long as the worker's own. */
  constructor({ passMs }: OpenedLevel, slots: number) {
    this.slots = slots;
    this.passMs = new RecentMean(passMs);
    this.slotMs = new RecentMean(passMs / slots);
  }

  ran(passMs: number, slots: number): void {
    const share = passMs / MEMORY_MS;
    this.passMs.add(passMs, share);
    if (slots >= TELLING_SHARE * this.slots) this.slotMs.add(passMs / slots, share);
  }

  get meanMs(): number {
    return this.passMs.value;
  }

  /** Rows per second of full passes, on so many workers. */
  ratePerSecond(workers: number): number {
    return (1000 * workers) / this.slotMs.value;
  }
}
