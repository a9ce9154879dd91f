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

/** The model pruned to each sparsity; the Fisher information is measured once. */
export async function* pruneToEach(
  model: Omit<Prunable, 'fisher'>,
  sparsities: readonly number[],
  calibration: Calibration,
): AsyncGenerator<PrunedModel> {
  const prunable = { ...model, fisher: await measureFisher(model, calibration) };
  for (const sparsity of sparsities) yield pruneWithoutTraining(prunable, sparsity, calibration);
}
