/** What `auto` has done: results kept in its run folder, with the seconds that they took, so that a run that was stopped goes on. */
import type { RunFolder } from '../train/index.ts';

/** Kinds of work that time is counted by. */
export const WORK = ['guess', 'train', 'assess', 'measure shapes', 'measure'] as const;
export type Work = (typeof WORK)[number];

/** A result, and how long it took. */
export interface Kept<T> {
  readonly result: T;
  readonly seconds: number;
}

export class WorkNotes {
  private readonly folder: RunFolder;
  private readonly spent = new Map<Work, number>(WORK.map((kind) => [kind, 0]));
  private readonly start = performance.now();
  /** While this process did any of the work itself, several pieces at once counted once. */
  private ownSeconds = 0;
  private underWay = 0;
  private busySince = 0;
  /** That work took which earlier runs did. */
  private foundSeconds = 0;

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
    this.spent.set(kind, (this.spent.get(kind) ?? 0) + kept.seconds);
    if (isFound) this.foundSeconds += kept.seconds;
    return kept;
  }

  /** Of the work so far, by kind, that of earlier runs included; the time in which this process did none of it is `other`. */
  seconds(): Record<string, number> {
    return { ...Object.fromEntries(this.spent), other: this.secondsSince(this.start) - this.ownSeconds };
  }

  /** Since the start, and what earlier runs took for the work that this one found done. */
  elapsed(): number {
    return this.foundSeconds + this.secondsSince(this.start);
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
      return { result, seconds: this.secondsSince(start) };
    } finally {
      this.underWay--;
      if (this.underWay === 0) this.ownSeconds += this.secondsSince(this.busySince);
    }
  }
}
