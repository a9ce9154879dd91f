/** Demultiplexing: N answers out of one state, by what is learned of each instance. */
import { type FloatTensor, float32, random } from '../base/index.ts';
import {
  add,
  constant,
  dims,
  fixed,
  gather,
  gelu,
  layerNorm,
  linear,
  matmul,
  mul,
  type Node,
  product,
  reshape,
  site,
  slice,
  transpose,
} from '../graph/index.ts';
import type { Demultiplexer, MuxContext } from './strategy.ts';

const flat = (states: Node): Node => {
  const { B, S, D } = dims(states, 'B S D');
  return reshape(states, [product([B, S]), D]);
};

/**
 * W [a; b] by halves of W, so that each is computed once, however often it meets the other: [x, D], [y, D] -> [x, D'], [y, D']; their sum,
 * broadcast, is what was asked for.
 */
function byHalves(weight: Node, a: Node, b: Node): [Node, Node] {
  const width = fixed('demultiplexer', a.shape.at(-1));
  const half = (x: Node, from: number): Node => matmul(x, slice(weight, 1, from, from + width), { transposeB: true });
  return [half(a, 0), half(b, width)];
}

/** kᵢ ~ N(0, I): [N, D]; trained. */
function initialDemuxKeys(instances: number, width: number, seed: number): FloatTensor {
  const draws = random(seed, 'demux.keys');
  return float32(
    Float32Array.from({ length: instances * width }, () => draws.normal()),
    [instances, width],
  );
}

/**
 * RSA (MUX-PLM, Murahari et al. 2023, section 3.2): a learned key per instance, and one network that reads key and state together. With x₀ = [kᵢ; h]:
 * x₁ = gelu(W₁ x₀ + b₁),  x₂ = gelu(W₂ x₁ + b₂) + x₁,  o = LN(gelu(Wₚ x₂ + bₚ)) + x₂.
 */
export const rsa: Demultiplexer = {
  shapes: ({ instances, hiddenSize, featureSize: D }) =>
    new Map<string, readonly number[]>([
      ['demux.keys', [instances, hiddenSize]],
      ['demux.dense_1.weight', [D, 2 * hiddenSize]],
      ['demux.dense_1.bias', [D]],
      ['demux.dense_2.weight', [D, D]],
      ['demux.dense_2.bias', [D]],
      ['demux.pre_decoder.weight', [D, D]],
      ['demux.pre_decoder.bias', [D]],
      ['demux.LayerNorm.weight', [D]],
      ['demux.LayerNorm.bias', [D]],
    ]),
  initial: ({ instances, hiddenSize }, seed) =>
    new Map([['demux.keys', initialDemuxKeys(instances, hiddenSize, seed)]]),
  frozen: [],
  demultiplex(states, { instances: N, encoder, p }) {
    const { B, S } = dims(states, 'B S D');
    const keys = site(p('demux.keys'), 'demux.keys');
    const [keyHalf, ofStates] = byHalves(p('demux.dense_1.weight'), keys, flat(states)); // [N, D'], [B·S, D']
    const ofKeys = add(keyHalf, p('demux.dense_1.bias'));
    const { D } = dims(ofKeys, 'N D');
    const x0 = add(reshape(ofStates, [B, 1, S, D]), reshape(ofKeys, [N, 1, D])); // W₁ x₀ + b₁
    const x1 = site(gelu(x0), 'demux.1.dropout');
    const x2 = add(site(gelu(linear(x1, p('demux.dense_2.weight'), p('demux.dense_2.bias'))), 'demux.2.dropout'), x1);
    const projected = gelu(linear(x2, p('demux.pre_decoder.weight'), p('demux.pre_decoder.bias')));
    const normed = layerNorm(
      projected,
      p('demux.LayerNorm.weight'),
      p('demux.LayerNorm.bias'),
      encoder.layerNormEpsilon,
    );
    return reshape(add(normed, x2), [product([N, B]), S, D]);
  },
};

/** Instance i has its own embedding at position i and the filler, the last row of the table, elsewhere: [N + 1, D] -> [N, N, D]. */
function indexPrefix({ instances: N, p }: MuxContext): Node {
  const places = BigInt64Array.from({ length: N * N }, (_, cell) => {
    const [instance, position] = [Math.floor(cell / N), cell % N];
    return BigInt(instance === position ? instance : N);
  });
  return gather(p('demux.prefix'), constant({ dtype: 'int64', shape: [N, N], data: places }));
}

/**
 * Index embeddings (DataMUX, Murahari et al. 2022, section 3.2): N positions before the text, at the i-th of which instance i says that it is
 * the i-th. With pᵢ the last state of that position, hᵢ = LN(gelu(W [pᵢ; h] + b)), one network for all instances. Departs from the paper, which puts a [CLS]
 * of its own behind the prefix, and two layers with a gelu between features and classes: here the text's [CLS] is read, by the head that all models have.
 */
export const indexEmbeddings: Demultiplexer = {
  shapes: ({ instances, hiddenSize, featureSize: D }) =>
    new Map<string, readonly number[]>([
      ['demux.prefix', [instances + 1, hiddenSize]],
      ['demux.dense.weight', [D, 2 * hiddenSize]],
      ['demux.dense.bias', [D]],
      ['demux.LayerNorm.weight', [D]],
      ['demux.LayerNorm.bias', [D]],
    ]),
  initial: () => new Map(),
  frozen: [],
  prefix: { length: (instances) => instances, embeddings: indexPrefix },
  demultiplex(states, { instances: N, encoder, p }) {
    const { B, P } = dims(states, 'B P D');
    const text = slice(states, 1, N, P);
    const { S } = dims(text, 'B S D');
    const indices = flat(slice(states, 1, 0, N));
    const [ofIndices, ofText] = byHalves(p('demux.dense.weight'), indices, flat(text)); // [B·N, D'], [B·S, D']
    const { D } = dims(ofText, 'R D');
    const sum = add(reshape(add(ofIndices, p('demux.dense.bias')), [B, N, 1, D]), reshape(ofText, [B, 1, S, D]));
    const h = layerNorm(gelu(sum), p('demux.LayerNorm.weight'), p('demux.LayerNorm.bias'), encoder.layerNormEpsilon);
    return reshape(h, [product([N, B]), S, D]);
  },
};

/** A vector of one value. */
const filled = (size: number, value: number): Node => constant(float32(new Float32Array(size).fill(value), [size]));

/**
 * A network per instance (DataMUX, section 3.2): hᵢ = LNᵢ(gelu(Wᵢ h + bᵢ)). The N products are one, [B·S, D] x [D, N·D'], and the N norms
 * one without scale and bias, which are applied after it. Departs from the paper, where a layer that instances share stands between features and classes.
 */
export const perceptrons: Demultiplexer = {
  shapes: ({ instances: N, hiddenSize, featureSize: D }) =>
    new Map<string, readonly number[]>([
      ['demux.instances.weight', [N, D, hiddenSize]],
      ['demux.instances.bias', [N, D]],
      ['demux.LayerNorm.weight', [N, D]],
      ['demux.LayerNorm.bias', [N, D]],
    ]),
  initial: () => new Map(),
  frozen: [],
  demultiplex(states, { instances: N, featureSize: D, encoder, p }) {
    const { B, S } = dims(states, 'B S D');
    const all = linear(
      site(flat(states), 'demux.dropout'),
      reshape(p('demux.instances.weight'), [N * D, states.shape[2] ?? 0]),
      reshape(p('demux.instances.bias'), [N * D]),
    );
    const h = reshape(gelu(all), [B, S, N, D]);
    const normed = layerNorm(h, filled(D, 1), filled(D, 0), encoder.layerNormEpsilon);
    const each = add(mul(normed, p('demux.LayerNorm.weight')), p('demux.LayerNorm.bias'));
    return reshape(transpose(each, [0, 2, 1, 3]), [product([N, B]), S, D]);
  },
};
