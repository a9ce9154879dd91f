/** Recipes: everything that decides what a run computes, as typed values with the defaults that the commands start from. */
import { ConfigError } from '../base/index.ts';

/** Fine-tuning of a dense classifier. */
export interface TrainRecipe {
  /** Preset, model folder or Hub id that the encoder starts from. */
  readonly encoder: string;
  /** Folder or Hub id of the tokenizer for a preset; by default a vocabulary is learned from the training texts. */
  readonly tokenizer?: string;
  readonly vocabularySize: number;
  readonly epochs: number;
  readonly learningRate: number;
  /** Rows per batch. */
  readonly rows: number;
  readonly maxTokens: number;
  readonly warmup: number;
  readonly weightDecay: number;
  readonly dropout: number;
}

export const trainDefaults: TrainRecipe = {
  encoder: 'mini',
  vocabularySize: 8000,
  epochs: 3,
  learningRate: 5e-4,
  rows: 32,
  maxTokens: 128,
  warmup: 0.06,
  weightDecay: 0.01,
  dropout: 0.1,
};

/** A pretrained encoder moves in small steps. */
export const PRETRAINED_LEARNING_RATE = 5e-5;

/** Multiplexing and pruning of a dense classifier, its teacher. */
export interface CompressRecipe {
  readonly instances: number;
  /** Share of the encoder's weights to be removed, 0 to below 1. */
  readonly sparsity: number;
  readonly epochs: { readonly multiplex: number; readonly prune: number; readonly recover: number };
  readonly learningRate: { readonly multiplex: number; readonly prune: number; readonly recover: number };
  /** Groups per batch; rows are groups times instances. */
  readonly groups: number;
  readonly maxTokens: number;
  readonly warmup: number;
  readonly weightDecay: number;
  readonly dropout: number;
  /** Weights of the losses: the teacher's logits, the dense model's layers, the hard labels. */
  readonly losses: { readonly logits: number; readonly layers: number; readonly labels: number };
  /** Share of the pruning steps over which the target sparsity rises from 0. */
  readonly sparsityWarmup: number;
}

export const compressDefaults: CompressRecipe = {
  instances: 2,
  sparsity: 0.6,
  epochs: { multiplex: 3, prune: 3, recover: 2 },
  learningRate: { multiplex: 3e-4, prune: 3e-4, recover: 2e-4 },
  groups: 32,
  maxTokens: 128,
  warmup: 0.06,
  weightDecay: 0.01,
  dropout: 0.1,
  losses: { logits: 0.5, layers: 0.5, labels: 0.5 },
  sparsityWarmup: 0.4,
};

/** Refuses what cannot be trained; field names are those of the recipe. */
export function checkTrainRecipe(recipe: TrainRecipe): void {
  checkPositive('epochs', recipe.epochs);
  checkPositive('learningRate', recipe.learningRate);
  checkWhole('rows', recipe.rows);
  checkWhole('maxTokens', recipe.maxTokens, 3);
}

export function checkCompressRecipe(recipe: CompressRecipe): void {
  checkWhole('instances', recipe.instances);
  if (!(recipe.sparsity >= 0 && recipe.sparsity < 1)) {
    throw new ConfigError('sparsity', { expected: 'a number from 0 to below 1', got: String(recipe.sparsity) });
  }
  checkWhole('groups', recipe.groups);
  checkWhole('maxTokens', recipe.maxTokens, 3);
}

function checkWhole(name: string, value: number, least = 1): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new ConfigError(name, { expected: `a whole number, ${least} or more`, got: String(value) });
}

function checkPositive(name: string, value: number): void {
  if (value > 0) return;
  throw new ConfigError(name, { expected: 'a number above 0', got: String(value) });
}
