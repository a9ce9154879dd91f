/**
 * The BERT encoder (Devlin et al., 2019) as graph functions: embeddings, then layers of self-attention and feed-forward, each
 * followed by a residual sum and layer normalisation. Places where techniques may attach are marked as sites; see the glossary.
 */
import { assert } from '../base/index.ts';
import {
  add,
  cast,
  type Dim,
  dims,
  gather,
  gelu,
  input,
  layerNorm,
  linear,
  matmul,
  mul,
  type Node,
  oneHot,
  prefix,
  product,
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

/** Adds positions and segments to vectors, normalises: [R, T, D] x [..., D] -> [R, T, D]. `name` prefixes the sites. */
export function situate(x: Node, segments: Node, config: EncoderConfig, p: Parameters, name = 'embeddings'): Node {
  const { T } = dims(x, 'R T D');
  const positions = prefix(p('bert.embeddings.position_embeddings.weight'), T);
  const summed = add(add(x, positions), segments);
  const normed = site(normalise(summed, 'bert.embeddings.LayerNorm', p, config), `${name}.norm`);
  return site(normed, `${name}.dropout`);
}

/** Word, position and segment embeddings: [R, T] -> [R, T, D]. */
export function embed({ ids, types }: TokenInputs, config: EncoderConfig, p: Parameters): Node {
  const words = gather(p('bert.embeddings.word_embeddings.weight'), ids);
  // A product with one-hot rows: as many rows as there are segments, so the gradient is one too, and not a scatter.
  const segments = matmul(oneHot(types, config.typeVocabularySize), p('bert.embeddings.token_type_embeddings.weight'));
  return situate(words, segments, config, p);
}

/** softmax(Q Kᵀ / √K + bias) V for every head: [B, T, D] -> [B, T, D]. */
function attend(x: Node, bias: Node, { heads: H }: LayerShape, config: EncoderConfig, p: Parameters, at: number): Node {
  const { B, T } = dims(x, 'B T D');
  const K = config.headSize;
  const attention = `bert.encoder.layer.${at}.attention`;
  const project = (name: string): Node =>
    transpose(reshape(dense(x, `${attention}.self.${name}`, p), [B, T, H, K]), [0, 2, 1, 3]);
  const scores = matmul(mul(project('query'), 1 / Math.sqrt(K)), project('key'), { transposeB: true });
  const weights = site(softmax(add(scores, bias)), `layer.${at}.attention.weights.dropout`);
  const context = site(matmul(weights, project('value')), `layer.${at}.heads`); // [B, H, T, K]
  const joined = reshape(transpose(context, [0, 2, 1, 3]), [B, T, product([H, K])]);
  return dense(joined, `${attention}.output.dense`, p);
}

/** W₂ gelu(W₁ x): [B, T, D] -> [B, T, D]. */
function feedForward(x: Node, p: Parameters, at: number): Node {
  const layer = `bert.encoder.layer.${at}`;
  const units = site(gelu(dense(x, `${layer}.intermediate.dense`, p)), `layer.${at}.ffn.units`);
  return dense(units, `${layer}.output.dense`, p);
}

/** LN(x + y), with sites on the sub-layer's result and on the norm. A sub-layer that is gone is skipped with its norm. */
function residual(x: Node, y: Node, norm: string, name: string, config: EncoderConfig, p: Parameters): Node {
  const output = site(site(y, `${name}.output`), `${name}.output.dropout`);
  return site(normalise(add(x, output), norm, p, config), `${name}.norm`);
}

/** The layers, over embeddings and an attention bias: [B, T, D], [B, 1, 1, T] -> [B, T, D]. */
export function encode(embeddings: Node, bias: Node, config: EncoderConfig, p: Parameters): Node {
  let x = embeddings;
  config.layers.forEach((layer, at) => {
    const name = `bert.encoder.layer.${at}`;
    if (layer.heads > 0) {
      const y = attend(x, bias, layer, config, p, at);
      x = residual(x, y, `${name}.attention.output.LayerNorm`, `layer.${at}.attention`, config, p);
    }
    if (layer.intermediateSize > 0) {
      x = residual(x, feedForward(x, p, at), `${name}.output.LayerNorm`, `layer.${at}.ffn`, config, p);
    }
    x = site(x, `layer.${at}`);
  });
  return x;
}

/** The state of the first token, [CLS]: [B, T, D] -> [B, D]. */
export function firstToken(states: Node): Node {
  const { B, D } = dims(states, 'B T D');
  return reshape(slice(states, 1, 0, 1), [B, D]);
}
