/** The layers that pruning to a sparsity might leave, without pruning: of heads and units the same share, and as many in every layer as can be. */
import type { EncoderConfig, LayerShape } from '../model/index.ts';
import { uniformShape } from './uniform-shape.ts';

/** So much of a whole, in as many nearly equal parts as there are layers. */
function spread(whole: number, parts: number): number[] {
  const before = (part: number): number => Math.round((part * whole) / parts);
  return Array.from({ length: parts }, (_, part) => before(part + 1) - before(part));
}

/** Throws ConfigError for an encoder whose layers are not alike. */
export function proportionalLayers(encoder: EncoderConfig, sparsity: number): LayerShape[] {
  const { H, F, L } = uniformShape(encoder);
  const density = 1 - sparsity;
  const heads = spread(Math.round(density * L * H), L);
  const units = spread(Math.round(density * L * F), L);
  return heads.map((count, layer) => ({ heads: count, intermediateSize: units[layer] ?? 0 }));
}
