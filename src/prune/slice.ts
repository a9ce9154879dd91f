/**
 * Cutting a pruned model to what its gates keep. Exact: the smaller model computes what the gated one did (design.md, mechanism 5).
 * Departs from the paper's code, which masks less than it cuts and repairs the difference by training.
 */
import { type FloatTensor, float32, type ParameterTree, sizeOf } from '../base/index.ts';
import type { EncoderConfig, KeptStructure, ModelConfig } from '../model/index.ts';
import type { HardGates } from './hard-gates.ts';

/** What the elements of an axis stand for: hidden dimensions, or two runs of them; rows of heads; units; or nothing that is cut. */
export type CutAxis = 'hidden' | 'hiddenTwice' | 'heads' | 'units' | 'whole';

/** The axes of the parameters of some names. */
export interface SliceRule {
  readonly name: RegExp;
  readonly axes: readonly CutAxis[];
}

/**
 * What each parameter's axes stand for; the first match holds, and a parameter without one is left alone. The last rows are of
 * rooms that this one does not know, by name only; a new multiplexer with parameters over hidden dimensions brings rows of its own.
 */
export const SLICE_RULES: readonly SliceRule[] = [
  { name: /^mux\.subspace\.context\./, axes: [] }, // a layer of a width of its own
  { name: /^mux\.subspace\.projections$/, axes: ['whole', 'whole', 'hidden'] },
  { name: /^mux\.subspace\.dense\.weight$/, axes: ['hidden', 'whole'] },
  { name: /^mux\.subspace\.dense\.bias$/, axes: ['hidden'] },
  { name: /^bert\.embeddings\.\w+_embeddings\.weight$/, axes: ['whole', 'hidden'] },
  { name: /^(bert|mux)\..*LayerNorm\.(weight|bias)$/, axes: ['hidden'] },
  { name: /\.attention\.self\.\w+\.weight$/, axes: ['heads', 'hidden'] },
  { name: /\.attention\.self\.\w+\.bias$/, axes: ['heads'] },
  { name: /\.attention\.output\.dense\.weight$/, axes: ['hidden', 'heads'] },
  { name: /\.intermediate\.dense\.weight$/, axes: ['units', 'hidden'] },
  { name: /\.intermediate\.dense\.bias$/, axes: ['units'] },
  { name: /\.output\.dense\.weight$/, axes: ['hidden', 'units'] },
  { name: /\.output\.dense\.bias$/, axes: ['hidden'] },
  { name: /^bert\.pooler\.dense\.weight$/, axes: ['whole', 'hidden'] },
  { name: /^(mux\.keys|demux\.keys|demux\.prefix)$/, axes: ['whole', 'hidden'] },
  { name: /^mux\.rotations$/, axes: ['whole', 'hidden', 'hidden'] },
  { name: /^mux\.projections$/, axes: ['hidden', 'hidden'] },
  { name: /^demux\.dense(_1)?\.weight$/, axes: ['whole', 'hiddenTwice'] },
  { name: /^demux\.instances\.weight$/, axes: ['whole', 'whole', 'hidden'] },
];

/** A classifier that reads the encoder's own states has hidden dimensions for features. */
const TOKEN_CLASSIFIER_RULE: SliceRule = { name: /^classifier\.weight$/, axes: ['whole', 'hidden'] };

function rulesFor(config: ModelConfig): readonly SliceRule[] {
  const readsStates = config.task === 'tokens' && config.mux === undefined;
  return readsStates ? [...SLICE_RULES, TOKEN_CLASSIFIER_RULE] : SLICE_RULES;
}

/** The kept elements of an axis; undefined for all of them, as of heads and units of layers that are not the encoder's. */
type Kept = (axis: CutAxis) => readonly number[] | undefined;

function keptElements(encoder: EncoderConfig, { hidden, layers }: HardGates, at: number): Kept {
  const K = encoder.headSize;
  const indices: Record<CutAxis, readonly number[] | undefined> = {
    hidden,
    hiddenTwice: [...hidden, ...hidden.map((index) => index + encoder.hiddenSize)],
    heads: layers[at]?.heads.flatMap((head) => Array.from({ length: K }, (_, row) => head * K + row)),
    units: layers[at]?.intermediate,
    whole: undefined,
  };
  return (axis) => indices[axis];
}

/** The elements of those indices along one axis: [..., n, ...] -> [..., indices, ...] */
function selectAlong(tensor: FloatTensor, axis: number, indices: readonly number[]): FloatTensor {
  const { shape, data } = tensor;
  const size = shape[axis] ?? 1;
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  const selected = new Float32Array(outer * indices.length * inner);
  let end = 0;
  for (let block = 0; block < outer; block++) {
    for (const index of indices) {
      const start = (block * size + index) * inner;
      selected.set(data.subarray(start, start + inner), end);
      end += inner;
    }
  }
  return float32(selected, shape.with(axis, indices.length));
}

/** The layer and the sub-layer that a parameter is of; undefined for one outside the layers. */
function placeOf(name: string): { readonly at: number; readonly attention: boolean } | undefined {
  const [, at, rest] = /^bert\.encoder\.layer\.(\d+)\.(\w+)/.exec(name) ?? [];
  return at === undefined ? undefined : { at: Number(at), attention: rest === 'attention' };
}

/** Whether a parameter is of a sub-layer of which nothing is left. */
function isGone(name: string, { layers }: HardGates): boolean {
  const place = placeOf(name);
  if (place === undefined) return false;
  const layer = layers[place.at];
  return (place.attention ? layer?.heads : layer?.intermediate)?.length === 0;
}

/** Indices in the unpruned model, where this one was cut before. */
function original(indices: readonly number[], earlier: readonly number[] | undefined): readonly number[] {
  return indices.map((index) => earlier?.[index] ?? index);
}

function keptOriginals({ hidden, layers }: HardGates, earlier: KeptStructure | undefined): KeptStructure {
  return {
    hidden: original(hidden, earlier?.hidden),
    layers: layers.map(({ heads, intermediate }, at) => ({
      heads: original(heads, earlier?.layers[at]?.heads),
      intermediate: original(intermediate, earlier?.layers[at]?.intermediate),
    })),
  };
}

function slicedConfig(config: ModelConfig, gates: HardGates): ModelConfig {
  const layers = gates.layers.map((layer) => ({
    heads: layer.heads.length,
    intermediateSize: layer.intermediate.length,
  }));
  const encoder = { ...config.encoder, hiddenSize: gates.hidden.length, layers };
  return { ...config, encoder, kept: keptOriginals(gates, config.kept) };
}

export interface SlicedModel {
  readonly config: ModelConfig;
  readonly parameters: ParameterTree;
}

/**
 * Only what the gates keep. Anything that is laid out like the parameters (an optimiser's moments) can be cut in the same way.
 * `featureSize` stays; `kept` tells the indices in the model that was never pruned.
 */
export function slicePruned(
  config: ModelConfig,
  parameters: ParameterTree,
  gates: HardGates,
  rules: readonly SliceRule[] = rulesFor(config),
): SlicedModel {
  const sliced = new Map<string, FloatTensor>();
  for (const [name, tensor] of parameters) {
    if (isGone(name, gates)) continue;
    const axes = rules.find((rule) => rule.name.test(name))?.axes ?? [];
    const keptOf = keptElements(config.encoder, gates, placeOf(name)?.at ?? -1);
    sliced.set(name, cut(tensor, axes.map(keptOf)));
  }
  return { config: slicedConfig(config, gates), parameters: sliced };
}

function cut(tensor: FloatTensor, kept: readonly (readonly number[] | undefined)[]): FloatTensor {
  return kept.reduce<FloatTensor>(
    (result, indices, axis) => (indices === undefined ? result : selectAlong(result, axis, indices)),
    tensor,
  );
}
