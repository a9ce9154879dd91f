/** What `auto` has done: results kept in its run folder, with the seconds that they took, so that a run that was stopped goes on. */
import type { RunFolder } from '../train/index.ts';

/** Kinds of work that time is counted by. */
export const WORK = ['guess', 'train', 'assess', 'measure shapes', 'measure'] as const;
export type Work = (typeof WORK)[number];

/** When work began, in seconds since 1970, and how long it took. */
interface Stretch {
  readonly began: number;
  readonly seconds: number;
}

/** A result, and the making of it: when it began, or went on for the last time, and all that it took. */
export interface Kept<T> extends Stretch {
  readonly result: T;
}

/** Seconds that are in any of the stretches, which may overlap. */
function secondsCovered(stretches: readonly Stretch[]): number {
  let until = Number.NEGATIVE_INFINITY;
  let covered = 0;
  for (const { began, seconds } of stretches.toSorted((a, b) => a.began - b.began)) {
    const end = Math.max(until, began + seconds);
    covered += end - Math.max(until, began);
    until = end;
  }
  return covered;
}

const attemptsNote = (name: string): string => `${name}-attempts`;

export class WorkNotes {
  private readonly folder: RunFolder;
  private readonly spent = new Map<Work, number>(WORK.map((kind) => [kind, 0]));
  private readonly start = performance.now();
  /** While this process did any of the work itself, several pieces at once counted once. */
  private ownSeconds = 0;
  private underWay = 0;
  private busySince = 0;
  /** Notes of what was asked for so far, made or found: each counts once. */
  private readonly counted = new Set<string>();
  /** When earlier runs were at it; they may have been at several pieces at once. */
  private readonly found: Stretch[] = [];

  constructor(folder: RunFolder) {
    this.folder = folder;
  }

  /** What `make` gives; asked for the same name again, also by a later run, it is read. */
  async kept<T>(kind: Work, name: string, make: () => Promise<T>): Promise<Kept<T>> {
    const earlier = await this.attempts(kind, name);
    let isFound = true;
    const kept = await this.folder.remembered(name, () => {
      isFound = false;
      return this.clocked(make, (attempt) => this.breakOff(kind, name, [...earlier, attempt]));
    });
    if (this.isNew(name)) {
      this.spend(kind, [kept]);
      if (isFound) this.found.push(kept);
    }
    return { ...kept, seconds: earlier.reduce((sum, { seconds }) => sum + seconds, kept.seconds) };
  }

  /** When it was worked on before to no end. That counts from when it is asked for again: then a run that was stopped is where it was. */
  private async attempts(kind: Work, name: string): Promise<Stretch[]> {
    const note = attemptsNote(name);
    const earlier = (await this.folder.noted<Stretch[]>(note)) ?? [];
    if (this.isNew(note)) {
      this.spend(kind, earlier);
      this.found.push(...earlier);
    }
    return earlier;
  }

  /** Keeps when it was worked on to no end, the last time just now. */
  private async breakOff(kind: Work, name: string, attempts: readonly Stretch[]): Promise<void> {
    this.spend(kind, attempts.slice(-1));
    // That this cannot be kept must not hide why the work has failed.
    await this.folder.note(attemptsNote(name), attempts).catch(() => undefined);
  }

  private isNew(note: string): boolean {
    const isNew = !this.counted.has(note);
    this.counted.add(note);
    return isNew;
  }

  private spend(kind: Work, stretches: readonly Stretch[]): void {
    for (const { seconds } of stretches) this.spent.set(kind, (this.spent.get(kind) ?? 0) + seconds);
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

  private async clocked<T>(make: () => Promise<T>, onFailure: (attempt: Stretch) => Promise<void>): Promise<Kept<T>> {
    const start = performance.now();
    const stretch = (): Stretch => ({
      began: (performance.timeOrigin + start) / 1000,
      seconds: this.secondsSince(start),
    });
    if (this.underWay === 0) this.busySince = start;
    this.underWay++;
    try {
      const result = await make();
      return { result, ...stretch() };
    } catch (error) {
      await onFailure(stretch());
      throw error;
    } finally {
      this.underWay--;
      if (this.underWay === 0) this.ownSeconds += this.secondsSince(this.busySince);
    }
  }
}
