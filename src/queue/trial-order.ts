/** What a queue is asked: to train a compression into a folder. All paths are this machine's. */
import { existsSync } from 'node:fs';
import { pruningPath } from '../model/index.ts';
import {
  type AskedRecipe,
  type CompressRecipe,
  compressClassifier,
  type DataSource,
  type PruningSource,
  type RunOptions,
} from '../train/index.ts';

export interface TrialOrder {
  readonly name: string;
  /** Folder of the dense model. */
  readonly model: string;
  readonly recipe: AskedRecipe;
  readonly seed: number;
  readonly source: DataSource;
  /** The folder of the trained model; its checkpoints go beside it. */
  readonly output: string;
  /** The finished model of the same recipe at sparsity 0, where there is one. */
  readonly multiplexed?: string;
  /** The pruning of a trial of less sparsity that it goes on from. */
  readonly from?: PruningSource;
}

/** Whether the folder of a trial has all that others go on from: where it was pruned, also what it was sliced from. */
export function hasStart(folder: string, { target }: Pick<CompressRecipe, 'target'>): boolean {
  return existsSync(target.levels.some((level) => level > 0) ? pruningPath(folder) : folder);
}

/** Where trials are trained; whoever orders them does not know where that is. */
export interface TrialQueue {
  /** How many trials can be under way at once. */
  capacity(): Promise<number>;
  /**
   * Ends when the trained model is in its folder; an order that was begun before, by whomever, goes on from its checkpoint. Tells how many seconds
   * that took, where it is another time than that since the order.
   */
  train(order: TrialOrder): Promise<number | undefined>;
  close(): Promise<void>;
}

/** What a training is told of the machine that it runs on. */
export type TrialSurroundings = Omit<RunOptions, 'source' | 'output' | 'seed'>;

/** Trains it here and now; the model comes with the pruning that it was sliced from. */
export async function trainOrder(order: TrialOrder, surroundings: TrialSurroundings): Promise<void> {
  const { name: _, model, recipe, ...options } = order;
  await compressClassifier(model, recipe, { ...surroundings, ...options, keepsPruning: true });
}
