/**
 * Pruning without training: heads and units are chosen by Fisher information, what is kept is rescaled, and the model is cut. No weight is
 * trained; a few thousand labelled rows are enough.
 * Paper: A Fast Post-Training Pruning Framework for Transformers (Kwon et al. 2022) - https://arxiv.org/abs/2204.09656
 */
import type { ParameterTree } from '../base/index.ts';
import type { ModelConfig } from '../model/index.ts';
import {
  type Fisher,
  foldScales,
  realisedSparsity,
  rearrangeGates,
  type SlicedModel,
  searchGates,
  slicePruned,
} from '../prune/index.ts';
import type { Calibration } from './calibration.ts';
import type { EncodedSet } from './encoded-set.ts';
import { evaluateParameters } from './evaluate.ts';
import { measureFisher } from './fisher-information.ts';
import { rescaleParts } from './rescaling.ts';

/** A model and its Fisher information, which serves every sparsity. */
export interface Prunable {
  readonly config: ModelConfig;
  readonly parameters: ParameterTree;
  readonly fisher: Fisher;
}

export interface PrunedModel extends SlicedModel {
  /** Realised share of the encoder's weights that is gone. */
  readonly sparsity: number;
}

/** Cuts at least that share of the encoder's weights. Throws ConfigError for a sparsity that takes more than heads and units. */
export async function pruneWithoutTraining(
  { config, parameters, fisher }: Prunable,
  sparsity: number,
  calibration: Calibration,
): Promise<PrunedModel> {
  const kept = rearrangeGates(searchGates(config.encoder, fisher, sparsity), fisher);
  const scales = await rescaleParts({ config, parameters }, kept, calibration);
  const folded = foldScales(config.encoder, parameters, scales);
  return { ...slicePruned(config, folded, kept), sparsity: realisedSparsity(config.encoder, kept) };
}

/** What a model would be like at some sparsity, by a first guess. */
export interface GuessedAccuracy {
  readonly sparsity: number;
  readonly accuracy: number;
}

export interface GuessOptions {
  /** Rows that accuracy is measured on. */
  readonly evaluationSet: EncodedSet;
  readonly maxTokens: number;
  readonly seed: number;
}

/**
 * The accuracy of the model pruned without training at each sparsity, a lower bound of sorts for what training reaches there: minutes, where
 * training is hours. The Fisher information is measured once.
 */
export async function guessAccuracies(
  { config, parameters }: Omit<Prunable, 'fisher'>,
  sparsities: readonly number[],
  calibration: Calibration,
  { evaluationSet, maxTokens, seed }: GuessOptions,
): Promise<GuessedAccuracy[]> {
  const { placement, onProgress } = calibration;
  const prunable = { config, parameters, fisher: await measureFisher({ config, parameters }, calibration) };
  const guesses: GuessedAccuracy[] = [];
  for (const sparsity of sparsities) {
    const pruned = await pruneWithoutTraining(prunable, sparsity, calibration);
    const options = { maxTokens, seed, placement, onProgress };
    const { accuracy } = await evaluateParameters(pruned.config, pruned.parameters, evaluationSet, options);
    guesses.push({ sparsity, accuracy });
  }
  return guesses;
}
