/**
 * The BERT encoder (Devlin et al., 2019) as graph functions: embeddings, then layers of self-attention and feed-forward, each
 * followed by a residual sum and layer normalisation. Places where techniques may attach are marked as sites; see the glossary.
 */
import { assert, int64 } from '../base/index.ts';
import {
  add,
  cast,
  constant,
  type Dim,
  dims,
  equal,
  gather,
  gelu,
  input,
  layerNorm,
  linear,
  matmul,
  mul,
  type Node,
  prefix,
  product,
  quotient,
  reshape,
  site,
  slice,
  softmax,
  sub,
  transpose,
} from '../graph/index.ts';
import type { ParameterShapes } from './checkpoint.ts';
import type { EncoderConfig, LayerShape } from './config.ts';

/** The nodes that stand for a model's parameters, by name. */
export type Parameters = (name: string) => Node;

/** One graph input per parameter, under a prefix where two models share a graph. */
export function parameterInputs(shapes: ParameterShapes, prefix = ''): ReadonlyMap<string, Node> {
  return new Map(Array.from(shapes, ([name, shape]) => [name, input(`${prefix}${name}`, shape)]));
}

/** Looks parameters up by name; a missing one is a defect of the configuration. */
export function parametersFrom(nodes: ReadonlyMap<string, Node>): Parameters {
  return (name) => {
    const node = nodes.get(name);
    assert(node !== undefined, `a parameter named ${name}`);
    return node;
  };
}

/** Tokenised texts, one a row; all int64 [R, T], where R is B, or N*B in a multiplexed model. */
export interface TokenInputs {
  readonly ids: Node;
  /** 1 for tokens, 0 for padding. */
  readonly mask: Node;
  /** 0 for the first segment, 1 for the second. */
  readonly types: Node;
}

/** The inputs of an exported model, under the names that Hugging Face gives them. */
export function tokenInputs(rows: Dim, T: Dim): TokenInputs {
  return {
    ids: input('input_ids', [rows, T], 'int64'),
    mask: input('attention_mask', [rows, T], 'int64'),
    types: input('token_type_ids', [rows, T], 'int64'),
  };
}

const BIG = 1e4;

/** 0 where attended, -10000 where padded: [B, T] int64 -> [B, 1, 1, T] float32, added to attention scores. */
export function attentionBias(mask: Node): Node {
  const { B, T } = dims(mask, 'B T');
  return reshape(mul(sub(cast(mask, 'float32'), 1), BIG), [B, 1, 1, T]);
}

function normalise(x: Node, name: string, p: Parameters, config: EncoderConfig): Node {
  return layerNorm(x, p(`${name}.weight`), p(`${name}.bias`), config.layerNormEpsilon);
}

function dense(x: Node, name: string, p: Parameters): Node {
  return linear(x, p(`${name}.weight`), p(`${name}.bias`));
}

/** Adds positions and the first segment, normalises: [R, T, D] -> [R, T, D]. `name` prefixes the sites. */
export function situate(x: Node, config: EncoderConfig, p: Parameters, name = 'embeddings'): Node {
  const { T } = dims(x, 'R T D');
  const places = add(prefix(p('bert.embeddings.position_embeddings.weight'), T), segmentOf(0, config, p)); // [T, D]
  const normed = site(normalise(add(x, places), 'bert.embeddings.LayerNorm', p, config), `${name}.norm`);
  return site(normed, `${name}.dropout`);
}

function segmentOf(index: number, { hiddenSize }: EncoderConfig, p: Parameters): Node {
  return reshape(slice(p('bert.embeddings.token_type_embeddings.weight'), 0, index, index + 1), [hiddenSize]);
}

/** x + u v, as one product of matrices with a sum: [..., n], [m, 1], [1, n] -> [..., n] */
function addOuter(x: Node, u: Node, v: Node): Node {
  const product = matmul(u, v);
  return reshape(add(product, reshape(x, product.shape)), x.shape);
}

/**
 * Word, position and segment embeddings: [R, T] -> [R, T, D]. A segment's vector is added as its difference to the first one's, which
 * comes with the positions: that is one pass over [R, T, D] less than looking it up, and costs nothing in models of one segment.
 */
export function embed({ ids, types }: TokenInputs, config: EncoderConfig, p: Parameters): Node {
  const { R, T } = dims(types, 'R T');
  let x = gather(p('bert.embeddings.word_embeddings.weight'), ids);
  for (let segment = 1; segment < config.typeVocabularySize; segment++) {
    const chosen = cast(equal(types, constant(int64([segment], []))), 'float32');
    const difference = sub(segmentOf(segment, config, p), segmentOf(0, config, p));
    x = addOuter(x, reshape(chosen, [product([R, T]), 1]), reshape(difference, [1, config.hiddenSize]));
  }
  return situate(x, config, p);
}

/** softmax(Q Kᵀ / √K + bias) V for every head; Q from x, K and V from all: [B·Q, D], [B·T, D], [B, 1, 1, T] -> [B·Q, D]. */
function attend(x: Node, all: Node, bias: Node, layer: LayerAt, config: EncoderConfig, p: Parameters): Node {
  const { B } = dims(bias, 'B X Y T');
  const K = config.headSize;
  const H = layer.heads;
  const attention = `bert.encoder.layer.${layer.at}.attention`;
  const project = (from: Node, name: string): Node => {
    const positions = quotient(from.shape[0] as Dim, B) as Dim;
    const heads = reshape(dense(from, `${attention}.self.${name}`, p), [B, positions, H, K]);
    return transpose(heads, [0, 2, 1, 3]);
  };
  const scores = matmul(mul(project(x, 'query'), 1 / Math.sqrt(K)), project(all, 'key'), { transposeB: true });
  const weights = site(softmax(add(scores, bias)), `layer.${layer.at}.attention.weights.dropout`);
  const context = site(matmul(weights, project(all, 'value')), `layer.${layer.at}.heads`); // [B, H, Q, K]
  const joined = reshape(transpose(context, [0, 2, 1, 3]), [x.shape[0] as Dim, product([H, K])]);
  return dense(joined, `${attention}.output.dense`, p);
}

/** W₂ gelu(W₁ x): [B·T, D] -> [B·T, D]. */
function feedForward(x: Node, p: Parameters, at: number): Node {
  const layer = `bert.encoder.layer.${at}`;
  const units = site(gelu(dense(x, `${layer}.intermediate.dense`, p)), `layer.${at}.ffn.units`);
  return dense(units, `${layer}.output.dense`, p);
}

/** LN(x + y), with sites on the sub-layer's result and on the norm. */
function residual(x: Node, y: Node, norm: string, name: string, config: EncoderConfig, p: Parameters): Node {
  const output = site(site(y, `${name}.output`), `${name}.output.dropout`);
  return site(normalise(add(x, output), norm, p, config), `${name}.norm`);
}

interface LayerAt extends LayerShape {
  readonly at: number;
}

/** One layer over the states x out of all: the same ones, or only the first of each row. A sub-layer that is gone is skipped with its norm. */
function encodeLayer(x: Node, all: Node, bias: Node, layer: LayerAt, config: EncoderConfig, p: Parameters): Node {
  const { at } = layer;
  const name = `bert.encoder.layer.${at}`;
  let y = x;
  if (layer.heads > 0) {
    const attended = attend(x, all, bias, layer, config, p);
    y = residual(y, attended, `${name}.attention.output.LayerNorm`, `layer.${at}.attention`, config, p);
  }
  if (layer.intermediateSize > 0) {
    y = residual(y, feedForward(y, p, at), `${name}.output.LayerNorm`, `layer.${at}.ffn`, config, p);
  }
  return site(y, `layer.${at}`);
}

/** Which states of the last layer are wanted: classification reads the first token's only, and the rest need not be computed. */
export type Wanted = 'all' | 'first';

/**
 * The layers, over embeddings and an attention bias: [B, T, D], [B, 1, 1, T] -> [B, T, D], or [B, 1, D] if only the first is wanted. Within,
 * states are matrices [B·T, D]: only attention needs to know which positions belong together.
 */
export function encode(embeddings: Node, bias: Node, config: EncoderConfig, p: Parameters, wanted: Wanted): Node {
  const { B, T, D } = dims(embeddings, 'B T D');
  // Where only the first position is wanted, the others matter up to the last attention.
  const last = Math.max(
    config.layers.findLastIndex(({ heads }) => heads > 0),
    0,
  );
  let x = reshape(embeddings, [product([B, T]), D]);
  config.layers.forEach((shape, at) => {
    const all = x;
    if (wanted === 'first' && at === last) x = firstToken(reshape(x, [B, T, D]));
    x = encodeLayer(x, all, bias, { ...shape, at }, config, p);
  });
  return reshape(x, [B, wanted === 'first' && config.layers.length > 0 ? 1 : T, D]);
}

/** The state of the first token, [CLS]: [B, T, D] -> [B, D]. */
export function firstToken(states: Node): Node {
  const { B, T, D } = dims(states, 'B T D');
  return reshape(T === 1 ? states : slice(states, 1, 0, 1), [B, D]);
}
