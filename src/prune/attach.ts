/**
 * Gates at the sites of an encoder. What a closed gate stands for takes no part in the result, to the last bias, so that a model with
 * gates of 0 and 1 computes what remains when the closed parts are cut out (`slice.ts`).
 *
 * Departs from the paper's code (CoFi and PruMUX), where the two differ: both embedding passes, every norm and the demultiplexer's
 * keys are gated; hidden gates multiply once, after each norm; a sub-layer without heads or units goes as a whole, bias and norm too.
 */
import { assert } from '../base/index.ts';
import {
  add,
  cast,
  clip,
  type Dim,
  dims,
  div,
  greater,
  is,
  matmul,
  mul,
  type Node,
  neg,
  product,
  reduceMax,
  reduceSum,
  reshape,
  type SiteHandler,
  slice,
  sqrt,
  where,
} from '../graph/index.ts';
import type { EncoderConfig } from '../model/index.ts';
import type { GateNodes } from './gates.ts';

type Rewrite = (x: Node) => Node;

/** What a norm computes with: what each dimension weighs in the statistics, [D, 1]; scale and bias, [D]; and epsilon. */
interface NormTerms {
  readonly weights: Node;
  readonly scale: Node;
  readonly bias: Node;
  readonly epsilon: Node | number;
}

/** (x - μ) / √(σ² + ε) · scale + bias, with the weighted mean μ and variance σ²: [..., D] -> [..., D] */
function normalise(x: Node, { weights, scale, bias, epsilon }: NormTerms): Node {
  const rows = reshape(x, [product(x.shape.slice(0, -1)), x.shape.at(-1) as Dim]);
  const centred = add(rows, matmul(rows, neg(weights)));
  const variance = matmul(mul(centred, centred), weights); // [R, 1]
  const normalised = mul(centred, div(1, sqrt(add(variance, epsilon))));
  return reshape(add(mul(normalised, scale), bias), x.shape);
}

/** Makes a norm the identity where the sub-layer before it is dead: (x - 0) / √(0 + 1) · 1 + 0. On small tensors, so it costs no pass. */
function onlyAlive({ weights, scale, bias, epsilon }: NormTerms, alive: Node): NormTerms {
  const living = cast(alive, 'float32');
  return {
    weights: mul(weights, living),
    scale: where(alive, scale, 1),
    bias: mul(bias, living),
    epsilon: where(alive, epsilon, 1),
  };
}

/** The weight of each dimension in means over those that are kept: 1 / their number, or 0; [D] -> [D, 1]. No gradient flows. */
function keptWeights(hidden: Node): Node {
  const { D } = dims(hidden, 'D');
  const kept = cast(greater(hidden, 0), 'float32');
  const count = clip(reduceSum(kept, [0], true), 1, Number.MAX_SAFE_INTEGER); // none in a sample: zeros, not 0/0
  return reshape(div(kept, count), [D, 1]);
}

/**
 * A layer norm over the kept dimensions only, its result times the hidden gates: those dropped are 0 after it and ignored in it.
 * Written out and not as the fused operator, whose statistics are over all dimensions.
 */
function gateNorm(hidden: Node, alive?: Node): Rewrite {
  const weights = keptWeights(hidden);
  return (norm) => {
    assert(is(norm, 'layerNorm'), `a layer norm at its site, not ${norm.op}`);
    const [x, scale, bias] = norm.inputs as readonly [Node, Node, Node];
    const { epsilon } = norm.attributes;
    const terms = { weights, scale: mul(scale, hidden), bias: mul(bias, hidden), epsilon };
    return normalise(x, alive === undefined ? terms : onlyAlive(terms, alive));
  };
}

/** The gates of one layer: [L, n] -> [n]; of a vector of layers, [L] -> [1]. */
function ofLayer(gates: Node, at: number): Node {
  const row = slice(gates, 0, at, at + 1);
  return reshape(row, [product(row.shape)]);
}

interface SubLayer {
  /** Prefix of its sites. */
  readonly name: string;
  /** Its own gate, [1], and those of its heads or units, [n]. */
  readonly gate: Node;
  readonly parts: Node;
}

/** Whether a sub-layer lives: if its gate and one of its parts are open. [1], [n] -> bool [1]; no gradient flows */
function isAlive(gate: Node, parts: Node): Node {
  return greater(mul(gate, reduceMax(parts, [0], true)), 0);
}

/** The result of a sub-layer that does not live is 0, and its norm the identity. */
function gateSubLayer({ name, gate, parts }: SubLayer, hidden: Node): [string, Rewrite][] {
  const alive = isAlive(gate, parts);
  const openness = mul(gate, cast(alive, 'float32'));
  return [
    [`${name}.output`, (x) => mul(x, openness)],
    [`${name}.norm`, gateNorm(hidden, alive)],
  ];
}

function gateLayer(gates: GateNodes, at: number): [string, Rewrite][] {
  const name = `layer.${at}`;
  const heads = ofLayer(gates.heads, at);
  const units = ofLayer(gates.intermediate, at);
  return [
    [`${name}.heads`, (x) => mul(x, reshape(heads, [...heads.shape, 1, 1]))], // [B, H, T, K] x [H, 1, 1]
    [`${name}.ffn.units`, (x) => mul(x, units)],
    ...gateSubLayer({ name: `${name}.attention`, gate: ofLayer(gates.attention, at), parts: heads }, gates.hidden),
    ...gateSubLayer({ name: `${name}.ffn`, gate: ofLayer(gates.ffn, at), parts: units }, gates.hidden),
  ];
}

/** 1 for each layer of which a sub-layer lives, 0 for one that passes its input on: [1] each. */
export function layersAlive({ layers }: EncoderConfig, gates: GateNodes): Node[] {
  return layers.map((_, at) => {
    const attention = isAlive(ofLayer(gates.attention, at), ofLayer(gates.heads, at));
    const feedForward = isAlive(ofLayer(gates.ffn, at), ofLayer(gates.intermediate, at));
    return clip(add(cast(attention, 'float32'), cast(feedForward, 'float32')), 0, 1);
  });
}

/**
 * Multiplies gates in at their sites; see `GATE_FAMILIES` for their shapes. For `attach`, of a classifier of any multiplexing: every norm
 * outside the encoder's layers (of embeddings, a mixture, a multiplexer's own layers) is over hidden dimensions.
 */
export function gateSites({ layers }: EncoderConfig, gates: GateNodes): SiteHandler {
  const rewrites = new Map<string, Rewrite>([
    ['demux.keys', (keys) => mul(keys, gates.hidden)], // [N, D]
    ...layers.flatMap((_, at) => gateLayer(gates, at)),
  ]);
  const gateOtherNorm = gateNorm(gates.hidden);
  return (name, x) => {
    const rewrite = rewrites.get(name) ?? (name.endsWith('.norm') ? gateOtherNorm : undefined);
    return rewrite?.(x);
  };
}
