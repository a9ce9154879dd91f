/**
 * Demultiplexing: N answers out of one state. The RSA demultiplexer (MUX-PLM, Murahari et al. 2023, section 3.2) has a learned key per
 * instance and one network that reads key and state together.
 */
import { type FloatTensor, float32, random } from '../base/index.ts';
import {
  add,
  dims,
  fixed,
  gelu,
  layerNorm,
  linear,
  matmul,
  type Node,
  product,
  reshape,
  site,
  slice,
} from '../graph/index.ts';
import type { ParameterShapes, Parameters } from '../model/index.ts';

/** `width` is the hidden size that is left of the encoder; the network keeps its own, the unpruned one. */
export function rsaShapes(instances: number, width: number, hiddenSize: number): ParameterShapes {
  const D = hiddenSize;
  return new Map<string, readonly number[]>([
    ['demux.keys', [instances, width]],
    ['demux.dense_1.weight', [D, 2 * width]],
    ['demux.dense_1.bias', [D]],
    ['demux.dense_2.weight', [D, D]],
    ['demux.dense_2.bias', [D]],
    ['demux.pre_decoder.weight', [D, D]],
    ['demux.pre_decoder.bias', [D]],
    ['demux.LayerNorm.weight', [D]],
    ['demux.LayerNorm.bias', [D]],
  ]);
}

/** kᵢ ~ N(0, I): [N, D]; trained. */
export function initialDemuxKeys(instances: number, width: number, seed: number): FloatTensor {
  const draws = random(seed, 'demux.keys');
  return float32(
    Float32Array.from({ length: instances * width }, () => draws.normal()),
    [instances, width],
  );
}

/**
 * With x₀ = [kᵢ; h]:  x₁ = gelu(W₁ x₀ + b₁),  x₂ = gelu(W₂ x₁ + b₂) + x₁,  o = LN(gelu(Wₚ x₂ + bₚ)) + x₂.
 * [B, D] -> [N*B, D']. W₁ is applied by halves, so that the state's half is computed once for all N.
 */
export function rsaDemultiplex(state: Node, N: number, epsilon: number, p: Parameters): Node {
  const { B, D } = dims(state, 'B D');
  const keys = site(p('demux.keys'), 'demux.keys');
  const w1 = p('demux.dense_1.weight');
  const width = fixed('demultiplexer', D);
  const half = (from: number): Node => slice(w1, 1, from, from + width);
  const ofState = matmul(state, half(width), { transposeB: true }); // [B, D']
  const ofKeys = add(matmul(keys, half(0), { transposeB: true }), p('demux.dense_1.bias')); // [N, D']
  const { D: wide } = dims(ofKeys, 'N D');
  const x1 = site(gelu(add(reshape(ofState, [B, 1, wide]), ofKeys)), 'demux.1.dropout');
  const x2 = add(site(gelu(linear(x1, p('demux.dense_2.weight'), p('demux.dense_2.bias'))), 'demux.2.dropout'), x1);
  const projected = gelu(linear(x2, p('demux.pre_decoder.weight'), p('demux.pre_decoder.bias')));
  const o = add(layerNorm(projected, p('demux.LayerNorm.weight'), p('demux.LayerNorm.bias'), epsilon), x2);
  return reshape(o, [product([N, B]), wide]);
}
