/** How fast models of some shape are before any was trained: random ones, exported and measured as those that are delivered. */
import type { Precision } from '../base/index.ts';
import { compareThroughput, exportClassifier, type ThroughputOptions } from '../infer/index.ts';
import type { Encoding, ModelConfig } from '../model/index.ts';
import { proportionalLayers } from '../prune/index.ts';
import { type CompressSettings, recipeAt } from './recipe.ts';
import { anyParameters } from './relative-times.ts';
import { studentConfig } from './student.ts';

/** What a compression to a point might leave of a dense model. */
export function likelyShape(
  dense: ModelConfig,
  settings: CompressSettings,
  point: { readonly instances: number; readonly sparsity: number },
): ModelConfig {
  const student = studentConfig(dense, recipeAt(settings, point));
  const layers = point.sparsity > 0 ? proportionalLayers(dense.encoder, point.sparsity) : dense.encoder.layers;
  return { ...student, encoder: { ...student.encoder, layers } };
}

/** A model to be, by its shape and its numbers. */
export interface Shape {
  readonly name: string;
  readonly config: ModelConfig;
  readonly precision: Precision;
}

/** How many times as fast as the dense shape each is. */
export async function shapeRatios(
  dense: ModelConfig,
  shapes: readonly Shape[],
  encodings: readonly Encoding[],
  options: ThroughputOptions,
): Promise<number[]> {
  const baseline: Shape = { name: 'dense', config: dense, precision: 'fp32' };
  const contestants = [baseline, ...shapes].map(({ name, config, precision }) => ({
    ...{ name, config },
    onnx: exportClassifier(config, anyParameters(config), { precision }).bytes,
  }));
  const [, ...measured] = await compareThroughput(contestants, encodings, options);
  return measured.map(({ ratio }) => ratio);
}
