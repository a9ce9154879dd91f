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

/** How long arrivals are remembered. */
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

/** What the newest pass weighs. */
const NEWEST = 0.1;

/** Passes of fewer slots than this share of a full one say little about the time of a slot: what a pass costs by itself is shared by too few. */
const TELLING_SHARE = 0.5;

/** Duration of the passes of a level, from dispatch to answer, and of its slots. */
export class PassTimes {
  private readonly slots: number;
  private passMs: number;
  private slotMs: number;

  constructor({ passMs }: OpenedLevel, slots: number) {
    this.slots = slots;
    this.passMs = passMs;
    this.slotMs = passMs / slots;
  }

  ran(passMs: number, slots: number): void {
    this.passMs += NEWEST * (passMs - this.passMs);
    if (slots >= TELLING_SHARE * this.slots) this.slotMs += NEWEST * (passMs / slots - this.slotMs);
  }

  get meanMs(): number {
    return this.passMs;
  }

  /** Rows per second of full passes, on so many workers. */
  ratePerSecond(workers: number): number {
    return (1000 * workers) / this.slotMs;
  }
}
