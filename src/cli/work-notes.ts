/** What `auto` has done: results kept in its run folder, with the seconds that they took, so that a run that was stopped goes on. */
import type { RunFolder } from '../train/index.ts';

/** Kinds of work that time is counted by. */
export const WORK = ['guess', 'train', 'assess', 'measure shapes', 'measure'] as const;
export type Work = (typeof WORK)[number];

/** A result, when its making began, in seconds since 1970, and how long it took. */
export interface Kept<T> {
  readonly result: T;
  readonly began: number;
  readonly seconds: number;
}

/** Seconds that are in any of the stretches, which may overlap. */
function secondsCovered(stretches: readonly Pick<Kept<unknown>, 'began' | 'seconds'>[]): number {
  let until = Number.NEGATIVE_INFINITY;
  let covered = 0;
  for (const { began, seconds } of stretches.toSorted((a, b) => a.began - b.began)) {
    const end = Math.max(until, began + seconds);
    covered += end - Math.max(until, began);
    until = end;
  }
  return covered;
}

export class WorkNotes {
  private readonly folder: RunFolder;
  private readonly spent = new Map<Work, number>(WORK.map((kind) => [kind, 0]));
  private readonly start = performance.now();
  /** While this process did any of the work itself, several pieces at once counted once. */
  private ownSeconds = 0;
  private underWay = 0;
  private busySince = 0;
  /** Asked for so far, made or found: it counts once. */
  private readonly counted = new Set<string>();
  /** What earlier runs made of it; they may have made several at once. */
  private readonly found: Kept<unknown>[] = [];

  constructor(folder: RunFolder) {
    this.folder = folder;
  }

  /** What `make` gives; asked for the same name again, also by a later run, it is read. */
  async kept<T>(kind: Work, name: string, make: () => Promise<T>): Promise<Kept<T>> {
    let isFound = true;
    const kept = await this.folder.remembered(name, () => {
      isFound = false;
      return this.clocked(make);
    });
    if (this.counted.has(name)) return kept;
    this.counted.add(name);
    this.spent.set(kind, (this.spent.get(kind) ?? 0) + kept.seconds);
    if (isFound) this.found.push(kept);
    return kept;
  }

  /** Of the work so far, by kind, that of earlier runs included; the time in which this process did none of it is `other`. */
  seconds(): Record<string, number> {
    return { ...Object.fromEntries(this.spent), other: this.secondsSince(this.start) - this.ownSeconds };
  }

  /** Since the start, and by the clock what earlier runs took for the work that this one found done. */
  elapsed(): number {
    return secondsCovered(this.found) + this.secondsSince(this.start);
  }

  private secondsSince(moment: number): number {
    return (performance.now() - moment) / 1000;
  }

  private async clocked<T>(make: () => Promise<T>): Promise<Kept<T>> {
    const start = performance.now();
    if (this.underWay === 0) this.busySince = start;
    this.underWay++;
    try {
      const result = await make();
      return { result, began: (performance.timeOrigin + start) / 1000, seconds: this.secondsSince(start) };
    } finally {
      this.underWay--;
      if (this.underWay === 0) this.ownSeconds += this.secondsSince(this.busySince);
    }
  }
}
