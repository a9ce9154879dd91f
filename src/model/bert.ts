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
import { type ParameterShapes, POSITION_TABLE, SEGMENT_TABLE, WORD_TABLE } from './checkpoint.ts';
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

function normalise(
  x: Node,
  name: string,
  p: Parameters,
  { layerNormEpsilon }: Pick<EncoderConfig, 'layerNormEpsilon'>,
): Node {
  return layerNorm(x, p(`${name}.weight`), p(`${name}.bias`), layerNormEpsilon);
}

/** Adds positions and the first segment, normalises: [R, T, D] -> [R, T, D]. `name` prefixes the sites. */
export function situate(x: Node, config: EncoderConfig, p: Parameters, name = 'embeddings'): Node {
  const normed = site(normalise(addPlaces(x, config, p), 'bert.embeddings.LayerNorm', p, config), `${name}.norm`);
  return site(normed, `${name}.dropout`);
}

/** Adds positions and the first segment: [R, T, D] -> [R, T, D]. */
export function addPlaces(x: Node, config: EncoderConfig, p: Parameters): Node {
  const { T } = dims(x, 'R T D');
  const places = add(p(POSITION_TABLE), segmentOf(0, config, p)); // one table, when exported
  return add(x, prefix(places, T));
}

function segmentOf(index: number, { hiddenSize }: EncoderConfig, p: Parameters): Node {
  return reshape(slice(p(SEGMENT_TABLE), 0, index, index + 1), [hiddenSize]);
}

/** x + u v, as one product of matrices with a sum: [..., n], [m, 1], [1, n] -> [..., n] */
function addOuter(x: Node, u: Node, v: Node): Node {
  const product = matmul(u, v);
  return reshape(add(product, reshape(x, product.shape)), x.shape);
}

/** Word, position and segment embeddings, normalised: [R, T] -> [R, T, D]. */
export function embed(inputs: TokenInputs, config: EncoderConfig, p: Parameters): Node {
  return situate(embedWords(inputs, config, p), config, p);
}

/**
 * Word embeddings, and what segments other than the first differ from it by, which comes with the positions: [R, T] -> [R, T, D]. That is one
 * pass over [R, T, D] less than looking segments up, and costs nothing in models of one segment.
 */
export function embedWords({ ids, types }: Omit<TokenInputs, 'mask'>, config: EncoderConfig, p: Parameters): Node {
  const { R, T } = dims(types, 'R T');
  let x = gather(p(WORD_TABLE), ids);
  for (let segment = 1; segment < config.typeVocabularySize; segment++) {
    const chosen = cast(equal(types, constant(int64([segment], []))), 'float32');
    const difference = sub(segmentOf(segment, config, p), segmentOf(0, config, p));
    x = addOuter(x, reshape(chosen, [product([R, T]), 1]), reshape(difference, [1, config.hiddenSize]));
  }
  return x;
}

/** A transformer layer: its shape, and its parameters and sites under the names that they have within it. */
export interface TransformerLayer extends LayerShape, Pick<EncoderConfig, 'headSize' | 'layerNormEpsilon'> {
  readonly p: Parameters;
  readonly mark: (x: Node, name: string) => Node;
}

/** Places of a layer in a model: what the names of its parameters and of its sites begin with. */
export interface LayerPlaces {
  readonly parameters: string;
  readonly sites: string;
}

/** The layer of that shape whose parameters and sites stand at those places. */
export function layerAt(
  { parameters, sites }: LayerPlaces,
  { heads, intermediateSize }: LayerShape,
  { headSize, layerNormEpsilon }: EncoderConfig,
  p: Parameters,
): TransformerLayer {
  return {
    heads,
    intermediateSize,
    headSize,
    layerNormEpsilon,
    p: (name) => p(`${parameters}.${name}`),
    mark: (x, name) => site(x, `${sites}.${name}`),
  };
}

/** What states attend to: all states of B sequences, [B·T, D], and what is added to the scores, [B, 1, 1, T]. */
export interface Attended {
  readonly states: Node;
  readonly B: Dim;
  readonly bias?: Node;
}

function dense(x: Node, name: string, { p }: TransformerLayer): Node {
  return linear(x, p(`${name}.weight`), p(`${name}.bias`));
}

/** softmax(Q Kᵀ / √K + bias) V for every head; Q from x, K and V from what is attended: [B·Q, D] -> [B·Q, D]. */
function attend(x: Node, { states, B, bias }: Attended, layer: TransformerLayer): Node {
  const { heads: H, headSize: K, mark } = layer;
  const project = (from: Node, name: string): Node => {
    const positions = quotient(from.shape[0] as Dim, B) as Dim;
    const heads = reshape(dense(from, `attention.self.${name}`, layer), [B, positions, H, K]);
    return transpose(heads, [0, 2, 1, 3]);
  };
  const scores = matmul(mul(project(x, 'query'), 1 / Math.sqrt(K)), project(states, 'key'), { transposeB: true });
  const weights = mark(softmax(bias === undefined ? scores : add(scores, bias)), 'attention.weights.dropout');
  const context = mark(matmul(weights, project(states, 'value')), 'heads'); // [B, H, Q, K]
  const joined = reshape(transpose(context, [0, 2, 1, 3]), [x.shape[0] as Dim, product([H, K])]);
  return dense(joined, 'attention.output.dense', layer);
}

/** W₂ gelu(W₁ x): [B·T, D] -> [B·T, D]. */
function feedForward(x: Node, layer: TransformerLayer): Node {
  const units = layer.mark(gelu(dense(x, 'intermediate.dense', layer)), 'ffn.units');
  return dense(units, 'output.dense', layer);
}

/** LN(x + y), with sites on the sub-layer's result and on the norm. */
function residual(x: Node, y: Node, norm: string, name: string, layer: TransformerLayer): Node {
  const { mark, p } = layer;
  const output = mark(mark(y, `${name}.output`), `${name}.output.dropout`);
  return mark(normalise(add(x, output), norm, p, layer), `${name}.norm`);
}

/** One layer over states: all that are attended to, or the first ones of each sequence. A sub-layer that is gone is skipped with its norm. */
export function transform(x: Node, attended: Attended, layer: TransformerLayer): Node {
  let y = x;
  if (layer.heads > 0) {
    y = residual(y, attend(x, attended, layer), 'attention.output.LayerNorm', 'attention', layer);
  }
  if (layer.intermediateSize > 0) y = residual(y, feedForward(y, layer), 'output.LayerNorm', 'ffn', layer);
  return y;
}

/** Which states are read: classification reads the first token's only, and of the rest the last layer need not compute any. */
export type Wanted = 'all' | 'first';

/** How many states of the last layer are computed, from the first on. */
export type Leading = 'all' | number;

/** Layers `from` up to and without `to`. */
export interface LayerRange {
  readonly from: number;
  readonly to: number;
}

/**
 * The layers, over embeddings and an attention bias: [B, T, D], [B, 1, 1, T] -> [B, T, D], or [B, n, D] if only the first n are wanted. Within,
 * states are matrices [B·T, D]: only attention needs to know which positions belong together.
 */
export function encode(
  embeddings: Node,
  bias: Node,
  config: EncoderConfig,
  p: Parameters,
  leading: Leading,
  { from, to }: LayerRange = { from: 0, to: config.layers.length },
): Node {
  const { B, T, D } = dims(embeddings, 'B T D');
  if (from === to) return leading === 'all' ? embeddings : firstStates(embeddings, leading);
  const range = config.layers.slice(from, to);
  // Where only the first positions are wanted, the others matter up to the last attention.
  const last = Math.max(
    range.findLastIndex(({ heads }) => heads > 0),
    0,
  );
  let x = flat(embeddings);
  range.forEach((shape, place) => {
    const at = from + place;
    const layer = layerAt({ parameters: `bert.encoder.layer.${at}`, sites: `layer.${at}` }, shape, config, p);
    const attended: Attended = { states: x, B, bias };
    if (leading !== 'all' && place === last) x = flat(firstStates(reshape(x, [B, T, D]), leading));
    x = site(transform(x, attended, layer), `layer.${at}`);
  });
  return reshape(x, [B, leading === 'all' ? T : leading, D]);
}

/** [B, T, D] -> [B·T, D] */
function flat(states: Node): Node {
  const { B, T, D } = dims(states, 'B T D');
  return reshape(states, [product([B, T]), D]);
}

/** The states of the first positions: [B, T, D] -> [B, count, D]. */
export function firstStates(states: Node, count: number): Node {
  const { T } = dims(states, 'B T D');
  return T === count ? states : slice(states, 1, 0, count);
}
