/**
 * Fisher information of the gates of heads and units: how much the loss would rise if they were closed, told by gradients at the trained model,
 * where all gates are 1. With g the gradient of an example's loss, the rise is about ½ (1 - m)ᵀ Σ g gᵀ (1 - m) for gates m.
 * Paper: A Fast Post-Training Pruning Framework for Transformers (Kwon et al. 2022), section 4.1 - https://arxiv.org/abs/2204.09656
 */
import { assert, type FloatTensor, float32 } from '../base/index.ts';
import {
  attach,
  constant,
  type Dim,
  dims,
  gradients,
  matmul,
  mul,
  type Node,
  product,
  quotient,
  reshape,
} from '../graph/index.ts';
import type { EncoderConfig } from '../model/index.ts';
import { type LayerParts, type Parts, partsOf } from './parts.ts';

/**
 * Σ g gᵀ by layer, over examples: heads [H, H], units [F, F]. What gates of different sub-layers have in common is taken for 0, as in the paper;
 * the factors ½ and 1 / examples are left out, as only ranks and differences count.
 */
export type Fisher = readonly LayerParts<FloatTensor>[];

/** Gates of 1 for each group: [B, n]. With one per group, a single backward pass gives the gradient of every group's own loss. */
function groupGates({ count }: Parts, groups: number): Node {
  return constant(float32(new Float32Array(groups * count).fill(1), [groups, count]));
}

/** Outputs of parts times the gates of their group, [B, n]: heads [X, H, T, K] or units [X·T, F] of X sequences, those of a group consecutive. */
function gateGroups(outputs: Node, gates: Node): Node {
  const { B, n } = dims(gates, 'B n');
  const [all, , ...inner] = outputs.shape as [Dim, Dim, ...Dim[]];
  const perGroup = quotient(all, B);
  assert(perGroup !== undefined, `outputs of ${B} groups`);
  const grouped = reshape(outputs, [B, perGroup, n, product(inner)]);
  return reshape(mul(grouped, reshape(gates, [B, 1, n, 1])), outputs.shape);
}

/**
 * The block of each sub-layer for one batch, in the order of `partsOf`: [n, n] each. The loss is the sum of the losses of that many groups; a
 * group is one row, or the N rows that are multiplexed.
 */
export function fisherBlocks(loss: Node, config: EncoderConfig, groups: number): Node[] {
  const parts = partsOf(config);
  const gates = new Map(parts.map((each) => [each.site, groupGates(each, groups)]));
  const gateSite = (name: string, x: Node): Node | undefined => {
    const ofSite = gates.get(name);
    return ofSite && gateGroups(x, ofSite);
  };
  const [gated] = attach([loss], [gateSite]) as [Node];
  const slopes = gradients(gated, [...gates.values()]); // [B, n] each
  return slopes.map((slope) => matmul(slope, slope, { transposeA: true }));
}
