/** Records what long work tells of its progress, and what every such tale must keep to. */
import { expect } from 'vitest';
import type { OnProgress } from '../src/base/index.ts';

/** What was told of a piece of work, in order. */
interface Told {
  readonly done: number[];
  readonly totals: number[];
}

export class ProgressRecord {
  private readonly pieces = new Map<string, Told>();

  readonly onProgress: OnProgress = (name, done, total) => {
    const told = this.pieces.get(name) ?? { done: [], totals: [] };
    this.pieces.set(name, { done: [...told.done, done], totals: [...told.totals, total] });
  };

  /** These pieces one after the other, each told of more than once, always forward, and to its end as it was foretold. */
  expectPieces(...names: string[]): void {
    expect([...this.pieces.keys()]).toEqual(names);
    for (const [name, { done, totals }] of this.pieces) {
      expect(done.length, name).toBeGreaterThan(1);
      expect(done, name).toEqual([...new Set(done)].sort((a, b) => a - b));
      expect(new Set(totals), name).toEqual(new Set([done.at(-1)]));
    }
  }
}
