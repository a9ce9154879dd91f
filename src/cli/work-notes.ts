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
  /** Of the work that this process did itself. */
  private ownSeconds = 0;

  constructor(folder: RunFolder) {
    this.folder = folder;
  }

  /** What `make` gives; asked for the same name again, also by a later run, it is read. */
  async kept<T>(kind: Work, name: string, make: () => Promise<T>): Promise<Kept<T>> {
    const kept = await this.folder.remembered(name, () => this.clocked(make));
    this.count(kind, kept.seconds);
    return kept;
  }

  /** So far, by kind, that of earlier runs included; what this process did besides is `other`. */
  seconds(): Record<string, number> {
    const other = (performance.now() - this.start) / 1000 - this.ownSeconds;
    return { ...Object.fromEntries(this.spent), other: Math.max(0, other) };
  }

  private async clocked<T>(make: () => Promise<T>): Promise<Kept<T>> {
    const start = performance.now();
    const result = await make();
    const seconds = (performance.now() - start) / 1000;
    this.ownSeconds += seconds;
    return { result, seconds };
  }

  private count(kind: Work, seconds: number): void {
    this.spent.set(kind, (this.spent.get(kind) ?? 0) + seconds);
  }
}
