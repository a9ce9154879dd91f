/** What a queue is asked: to train a compression into a folder. All paths are this machine's. */
import { type CompressRecipe, compressClassifier, type DataSource, type RunOptions } from '../train/index.ts';

export interface TrialOrder {
  readonly name: string;
  /** Folder of the dense model. */
  readonly model: string;
  readonly recipe: CompressRecipe;
  readonly seed: number;
  readonly source: DataSource;
  /** The folder of the trained model; its checkpoints go beside it. */
  readonly output: string;
  /** The finished model of the same recipe at sparsity 0, where there is one. */
  readonly multiplexed?: string;
}

/** Where trials are trained; whoever orders them does not know where that is. */
export interface TrialQueue {
  /** How many trials can be under way at once. */
  capacity(): Promise<number>;
  /** Ends when the trained model is in its folder; an order that was begun before, by whomever, goes on from its checkpoint. */
  train(order: TrialOrder): Promise<void>;
  close(): Promise<void>;
}

/** What a training is told of the machine that it runs on. */
export type TrialSurroundings = Omit<RunOptions, 'source' | 'output' | 'seed'>;

/** Trains it here and now. */
export async function trainOrder(order: TrialOrder, surroundings: TrialSurroundings): Promise<void> {
  const { model, recipe, seed, source, output, multiplexed } = order;
  const found = multiplexed === undefined ? {} : { multiplexed };
  await compressClassifier(model, recipe, { ...surroundings, seed, source, output, ...found });
}
