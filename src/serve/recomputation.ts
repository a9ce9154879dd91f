/** Recomputing in the service: which answers of a pass are worth another one, and how many are on their way. */
import { marginOf } from '../infer/index.ts';
import { type CascadeRoom, roomToRecompute, rowsToRecompute } from './cascade.ts';
import type { EngineAnswers } from './engine.ts';
import type { Observation } from './load.ts';

export class Recomputation {
  private pending = 0;
  private readonly room: CascadeRoom | undefined;

  /** Without room nothing is recomputed. */
  constructor(room: CascadeRoom | undefined) {
    this.room = room;
  }

  /** The places of a pass whose answers are to be recomputed; none where the model is not calibrated. */
  unsure(answers: EngineAnswers, level: number, seen: Observation, workers: number): readonly number[] {
    const { cascade } = answers.model;
    if (this.room === undefined || cascade === undefined || answers.logits === undefined) return [];
    const room = roomToRecompute(seen, level, this.pending, { ...this.room, workers });
    return room === 0 ? [] : rowsToRecompute(marginsOf(answers), cascade.threshold, room);
  }

  /** What it gives while so many rows are recomputed; nothing where that fails, as there are answers already. */
  async attempt<T>(rows: number, work: () => Promise<T>): Promise<T | undefined> {
    this.pending += rows;
    try {
      return await work();
    } catch {
      return undefined;
    } finally {
      this.pending -= rows;
    }
  }
}

/** By place; texts that got no answer need no other one, nor do those whose logits are no numbers, which fail by themselves. */
function marginsOf({ logits = new Float32Array(), tooLong, model }: EngineAnswers): number[] {
  const C = model.labels.length;
  return Array.from({ length: logits.length / C }, (_, at) => {
    const own = logits.subarray(at * C, (at + 1) * C);
    return tooLong.includes(at) || !own.every(Number.isFinite) ? Number.POSITIVE_INFINITY : marginOf(own);
  });
}
