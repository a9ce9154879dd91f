/** SST-2 on two cores: a dense `mini` from scratch, and the same with four inputs per pass at sparsity 0.6. */
import { type AskedRecipe, compressDefaults, type TrainRecipe, trainDefaults } from '../src/train/index.ts';

/** 67,349 rows / 64 = 1,053 steps an epoch. */
export const sst2Teacher: TrainRecipe = { ...trainDefaults, encoder: 'mini', rows: 64, epochs: 3, learningRate: 5e-4 };

/** 4 x 32 = 128 rows a step, 527 steps an epoch. */
export const sst2Compressed: AskedRecipe = {
  ...compressDefaults,
  instances: 4,
  target: { measure: 'sparsity', levels: [0.6] },
  epochs: { multiplex: 3, prune: 3, recover: 2 },
};
