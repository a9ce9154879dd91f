/**
 * How much of an encoder is pruned away: the share of the weights of its attention and feed-forward sub-layers. Embeddings, norms,
 * pooler and classifier do not count.
 * Paper: Structured Pruning Learns Compact and Accurate Models (CoFi; Xia et al. 2022), section 3.1, eq. 4 - https://arxiv.org/abs/2204.00408
 */
import { add, mul, type Node, reduceSum, reshape, sub } from '../graph/index.ts';
import type { EncoderConfig, KeptStructure } from '../model/index.ts';
import { type GateNodes, keepProbability } from './gates.ts';
import { type UniformShape, uniformShape } from './uniform-shape.ts';

/** Weights of one head's share of query, key, value and output, and biases: 4 K (D + 1), the published (4 D² + 4 D) / H. */
const headSize = ({ D, K }: UniformShape): number => 4 * K * (D + 1);

/** M = L (H 4 K (D + 1) + 2 D F + D + F): the weights and biases that pruning can remove; 85,017,600 for BERT-base. */
export function prunableSize(config: EncoderConfig): number {
  const shape = uniformShape(config);
  const { D, H, F, L } = shape;
  return L * (H * headSize(shape) + 2 * D * F + D + F);
}

/** Σ over a layer's gates, each open only with its layer: [L], [L, n] -> [] */
function openIn(layers: Node, parts: Node): Node {
  return reduceSum(mul(layers, reduceSum(parts, [1])), [0]);
}

/**
 * With p = P(z > 0):  size = Σ p_hidden · (4 K (D + 1) / D · Σ p_attention p_head + 2 · Σ p_ffn p_unit): a scalar. The published sum over
 * all (layer, unit, hidden dimension) is a product of sums, as the gates are independent.
 */
export function expectedSize(config: EncoderConfig, logAlpha: GateNodes): Node {
  const shape = uniformShape(config);
  const heads = openIn(keepProbability(logAlpha.attention), keepProbability(logAlpha.heads));
  const units = openIn(keepProbability(logAlpha.ffn), keepProbability(logAlpha.intermediate));
  const perDimension = add(mul(heads, headSize(shape) / shape.D), mul(units, 2));
  return reshape(mul(reduceSum(keepProbability(logAlpha.hidden), [0]), perDimension), []);
}

/** ŝ = 1 - size / M: a scalar. With every gate open it is slightly above 0 (0.00054 for BERT-base): `expectedSize` drops some biases. */
export function expectedSparsity(config: EncoderConfig, logAlpha: GateNodes): Node {
  return sub(1, mul(expectedSize(config, logAlpha), 1 / prunableSize(config)));
}

/** 1 - (4 K · heads + 2 · units) · hidden dimensions / M, counting what is kept. */
export function realisedSparsity(config: EncoderConfig, { hidden, layers }: KeptStructure): number {
  const perDimension = layers.reduce(
    (sum, { heads, intermediate }) => sum + 4 * config.headSize * heads.length + 2 * intermediate.length,
    0,
  );
  return 1 - (perDimension * hidden.length) / prunableSize(config);
}
