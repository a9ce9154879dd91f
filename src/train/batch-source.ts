/**
 * Where a phase's batches come from. A source is asked by the number of the step alone and answers the same each time, so a resumed run sees
 * the batches of an uninterrupted one.
 */
import type { Tensor } from '../base/index.ts';

/** One batch, as a step takes it. */
export interface Batch {
  /** R; with the tokens it is the shape that a step is compiled for. */
  readonly rows: number;
  /** T, padding included. */
  readonly tokens: number;
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** Rows that count. */
  readonly examples: number;
}

export interface BatchSource {
  /** How many batches there are; the seed does not change it. */
  readonly steps: number;
  /** The batch of a step, from 1. */
  batch(step: number): Promise<Batch>;
}

/** The batches of a phase, for the seed that everything random in it follows from. */
export type Batches = (seed: number) => BatchSource;
