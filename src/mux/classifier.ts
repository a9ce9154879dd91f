/**
 * The classifier of any model folder: alone (N = 1) as BERT defines it; multiplexed, N inputs in one forward pass (PruMUX, Su et al.
 * 2023, section 3; papers' formulas in the docstrings of the parts).
 */
import { assert, ConfigError, type FloatTensor, int64, type ParameterTree } from '../base/index.ts';
import {
  add,
  concat,
  constant,
  dims,
  expand,
  gather,
  layerNorm,
  mul,
  type Node,
  plus,
  quotient,
  reduceMean,
  reshape,
  rmsNorm,
  type SiteHandler,
  site,
  slice,
  transpose,
} from '../graph/index.ts';
import {
  addPlaces,
  attentionBias,
  classify,
  embed,
  embedWords,
  encode,
  firstStates,
  hasPooler,
  headShapes,
  initialParameters,
  type ModelConfig,
  type MuxConfig,
  type ParameterShapes,
  type Parameters,
  POSITION_TABLE,
  parameterShapes,
  pool,
  situate,
  type TokenInputs,
  takenFrom,
  type Wanted,
} from '../model/index.ts';
import { unionMask } from './multiplexer.ts';
import { strategiesOf } from './strategies.ts';
import type { Demultiplexer, Multiplexer, MuxContext, MuxSizes } from './strategy.ts';

/** How many inputs a model takes into one forward pass. */
export function instancesOf(config: ModelConfig): number {
  return config.mux?.instances ?? 1;
}

function sizesOf({ mux, encoder, featureSize, kept }: ModelConfig): MuxSizes {
  const { hiddenSize } = encoder;
  const dimensions = kept?.hidden ?? Array.from({ length: hiddenSize }, (_, at) => at);
  return { instances: mux?.instances ?? 1, hiddenSize, featureSize, dimensions };
}

/** The strategies of a multiplexed model; none of one that takes inputs alone. */
function partsOf({ mux }: ModelConfig): readonly (Multiplexer | Demultiplexer)[] {
  return mux === undefined ? [] : Object.values(strategiesOf(mux));
}

const prefillLayersOf = ({ mux }: ModelConfig): number => mux?.prefillLayers ?? 0;

/** Positions that the demultiplexer puts before every text. */
function prefixLength({ mux }: ModelConfig): number {
  return mux === undefined ? 0 : (strategiesOf(mux).demultiplexer.prefix?.length(mux.instances) ?? 0);
}

/** The longest row that there are positions for, in tokens. */
export function longestRow(config: ModelConfig): number {
  return config.encoder.maxPositions - prefixLength(config);
}

/** Throws ConfigError for a multiplexer that this encoder cannot have. */
export function checkMux(config: ModelConfig): void {
  const { encoder, mux } = config;
  if (longestRow(config) < 1) {
    const expected = `fewer than the ${encoder.maxPositions} positions that the encoder has`;
    throw new ConfigError('instances', { expected, got: `${mux?.instances}, each with a position before the text` });
  }
  const layers = encoder.layers.length;
  const k = prefillLayersOf(config);
  if (k > 0 && k >= layers) {
    throw new ConfigError('prefillLayers', { expected: `fewer than the ${layers} layers`, got: String(k) });
  }
}

/** The norm of a mixture that does not go through the embeddings' own. */
function mixtureShapes(config: ModelConfig): ParameterShapes {
  const { hiddenSize } = config.encoder;
  if (prefillLayersOf(config) === 0) return new Map();
  return new Map([
    ['mux.LayerNorm.weight', [hiddenSize]],
    ['mux.LayerNorm.bias', [hiddenSize]],
  ]);
}

/** Every parameter by name that features are made with: of the encoder, the multiplexer, the demultiplexer. */
export function featureShapes(config: ModelConfig): ParameterShapes {
  return new Map([
    ...parameterShapes(config.encoder),
    ...partsOf(config).flatMap(({ shapes }) => [...shapes(sizesOf(config))]),
    ...mixtureShapes(config),
  ]);
}

/** Every parameter of a classifier by name. */
export function modelShapes(config: ModelConfig): ParameterShapes {
  return new Map([...featureShapes(config), ...headShapes(config)]);
}

/** Names of parameters that are never trained. */
export function frozenNames(config: ModelConfig): ReadonlySet<string> {
  return new Set(partsOf(config).flatMap(({ frozen }) => frozen));
}

/** Fresh parameters of those shapes, a classifier's or others over the same features; those that `from` has in the same shape are taken from there. */
export function initialModel(
  config: ModelConfig,
  seed: number,
  from: ParameterTree = new Map(),
  shapes: ParameterShapes = modelShapes(config),
): ParameterTree {
  const own = partsOf(config).flatMap(({ initial }) => [...initial(sizesOf(config), seed)]);
  const fresh = new Map<string, FloatTensor>([...initialParameters(shapes, seed), ...own]);
  return takenFrom(from, fresh);
}

/** Token ids to logits: [R, T] -> [R, C], of tokens [R, T, C]; R = N*B rows. `wanted` says which states of the last layer are there to read. */
export function classifier(inputs: TokenInputs, config: ModelConfig, p: Parameters, wanted: Wanted = 'first'): Node {
  if (config.task === 'tokens') return classifyFeatures(features(inputs, config, p, 'all'), config, p);
  const { states, separate } = encodeTexts(inputs, config, p, wanted);
  return classifyFeatures(separate(firstStates(states, prefixLength(config) + 1)), config, p);
}

/** Features to logits: [R, S, D'] -> [R, C], of tokens [R, S, C]. */
export function classifyFeatures(features: Node, config: ModelConfig, p: Parameters): Node {
  if (config.task === 'tokens') return classify(features, p);
  const { R, D } = dims(features, 'R S D');
  const read = reshape(firstStates(features, 1), [R, D]);
  return classify(hasPooler(config) ? pool(read, p) : read, p);
}

/**
 * What heads read: [R, T] -> [R, S, D'], with S = 1 for the first token and T for all. Of texts alone the encoder's states (D' = D, no pooler),
 * of multiplexed ones what the demultiplexer makes of them.
 */
export function features(inputs: TokenInputs, config: ModelConfig, p: Parameters, wanted: Wanted): Node {
  const { states, separate } = encodeTexts(inputs, config, p, wanted);
  return separate(states);
}

/** States of the last layer, those of a prefix first, and what makes features of each row out of them: [B, P+S, D] -> [R, S, D']. */
interface EncodedTexts {
  readonly states: Node;
  readonly separate: (states: Node) => Node;
}

function encodeTexts(inputs: TokenInputs, config: ModelConfig, p: Parameters, wanted: Wanted): EncodedTexts {
  const { encoder, mux } = config;
  if (mux !== undefined) return encodeGroups(inputs, config, mux, p, wanted);
  const leading = wanted === 'all' ? wanted : 1;
  const states = encode(embed(inputs, encoder, p), attentionBias(inputs.mask), encoder, p, leading);
  return { states, separate: (states) => states };
}

/**
 * Embeds all rows, lets them pass the first k layers one by one, mixes each group, and encodes the mixture in the other layers.
 * Paper: RevMUX (Xu et al. 2024), "prefilling" - https://arxiv.org/abs/2410.04519; k = 0 in DataMUX, MUX-PLM and PruMUX.
 */
function encodeGroups(
  inputs: TokenInputs,
  config: ModelConfig,
  mux: MuxConfig,
  p: Parameters,
  wanted: Wanted,
): EncodedTexts {
  checkMux(config);
  const { encoder } = config;
  const { multiplexer, demultiplexer } = strategiesOf(mux);
  const context = contextOf(inputs, config, p);
  const leading = wanted === 'all' ? wanted : prefixLength(config) + 1;
  const k = prefillLayersOf(config);
  const embedded = embedRows(inputs, demultiplexer, context);
  const rows =
    k === 0 ? embedded : encode(embedded, attentionBias(context.mask), encoder, p, 'all', { from: 0, to: k });
  const mixture = normaliseMixture(site(multiplexer.multiplex(rows, context), MIXTURE), k, context);
  const bias = attentionBias(unionMask(context.mask, mux.instances, context.B));
  const states = encode(mixture, bias, encoder, p, leading, { from: k, to: encoder.layers.length });
  return { states, separate: (read) => demultiplexer.demultiplex(read, context) };
}

const MIXTURE = 'mux.mixture';

/**
 * For `attach`, when a model is exported: mixes embeddings slot by slot, as 1/N Σᵢ vᵢ ⊙ LN(xᵢ; γ, β) = LN(x₁; γ ⊙ v₁/N, β ⊙ Σᵢ vᵢ/N) + Σᵢ₌₂ RMS(xᵢ; γ ⊙ vᵢ/N),
 * for embeddings that are centred (`centreEmbeddings`). The products with the keys are gone, a norm of embeddings without a mean is cheaper, and what is
 * worked on at a time fits a processor's cache: a third less time, of which it takes a fifth of a pruned model's. A training step keeps the short form:
 * its gradients would be N times as many operators. Undefined where a model mixes otherwise.
 */
export function mixtureBySlot(inputs: TokenInputs, config: ModelConfig, p: Parameters): SiteHandler | undefined {
  const { mux } = config;
  if (mux === undefined || prefillLayersOf(config) > 0) return undefined;
  const { multiplexer, demultiplexer } = strategiesOf(mux);
  const context = contextOf(inputs, config, p);
  const keys = multiplexer.keys?.(context);
  if (keys === undefined || demultiplexer.prefix !== undefined) return undefined;
  return (name) => (name === MIXTURE ? sumOfSlots(inputs, keys, context) : undefined);
}

function sumOfSlots(inputs: TokenInputs, keys: Node, { instances: N, hiddenSize, B, encoder, p }: MuxContext): Node {
  const { T } = dims(inputs.ids, 'R T');
  const bySlot = (all: Node): Node => transpose(reshape(all, [B, N, T]), [1, 0, 2]);
  const slots = { ids: bySlot(inputs.ids), types: bySlot(inputs.types) };
  const [scale, bias] = [p(`${EMBEDDING_NORM}.weight`), p(`${EMBEDDING_NORM}.bias`)];
  const keyOf = (slot: number): Node => mul(reshape(slice(keys, 0, slot, slot + 1), [hiddenSize]), 1 / N);
  const embedSlot = (slot: number): Node => {
    const rows = (all: Node): Node => gather(all, constant(int64([slot], [])));
    const words = embedWords({ ids: rows(slots.ids), types: rows(slots.types) }, encoder, p);
    const x = addPlaces(words, encoder, p);
    const keyed = mul(scale, keyOf(slot));
    if (slot > 0) return rmsNorm(x, keyed, encoder.layerNormEpsilon);
    return layerNorm(x, keyed, mul(bias, reduceMean(keys, [0])), encoder.layerNormEpsilon);
  };
  return Array.from({ length: N }, (_, slot) => embedSlot(slot)).reduce(add);
}

const EMBEDDING_NORM = 'bert.embeddings.LayerNorm';

/**
 * Mixed embeddings are embedded a second time (positions and segment 0 are added again, as in the published models). Mixed states of a layer
 * have positions already; they get a norm of their own, as layers are used to states with one.
 */
function normaliseMixture(mixture: Node, k: number, { encoder, p }: MuxContext): Node {
  if (k === 0) return situate(mixture, encoder, p, 'mux.embeddings');
  const [scale, bias] = [p('mux.LayerNorm.weight'), p('mux.LayerNorm.bias')];
  return site(layerNorm(mixture, scale, bias, encoder.layerNormEpsilon), 'mux.norm');
}

function contextOf(inputs: TokenInputs, config: ModelConfig, p: Parameters): MuxContext {
  const sizes = sizesOf(config);
  const mask = withPrefix(inputs.mask, config);
  const B = quotient(dims(mask, 'R T').R, sizes.instances);
  assert(B !== undefined, `rows in groups of ${sizes.instances}`);
  return { ...sizes, B, mask, encoder: config.encoder, p };
}

/** Positions of the prefix count where the row's first token does: [R, T] -> [R, P+T]. */
function withPrefix(mask: Node, config: ModelConfig): Node {
  const P = prefixLength(config);
  if (P === 0) return mask;
  const first = slice(mask, 1, 0, 1);
  return concat([...Array.from({ length: P }, () => first), mask], 1);
}

/** Embedded texts, after the demultiplexer's prefix where it has one: [R, T] -> [R, P+T, D]. The prefix is one for all groups. */
function embedRows(inputs: TokenInputs, { prefix }: Demultiplexer, context: MuxContext): Node {
  const { instances: N, B, encoder, p } = context;
  if (prefix === undefined) return embed(inputs, encoder, p);
  const P = prefix.length(N);
  const { R, T } = dims(inputs.ids, 'R T');
  const room = encoder.maxPositions - P;
  if (typeof T === 'number' && T > room) {
    throw new ConfigError('row', { expected: `at most ${room} tokens, after a prefix of ${P}`, got: String(T) });
  }
  const afterPrefix: Parameters = (name) =>
    name === POSITION_TABLE ? slice(p(name), 0, P, encoder.maxPositions) : p(name);
  const texts = embed(inputs, encoder, afterPrefix);
  const { D } = dims(texts, 'R T D');
  const before = situate(prefix.embeddings(context), encoder, p, 'demux.prefix');
  const rows = concat([expand(before, [B, N, P, D]), reshape(texts, [B, N, T, D])], 2);
  return reshape(rows, [R, plus(T, P), D]);
}

/** What each layer sees of rows whose positions count as the mask [R, T] says: rows one by one before the mixture, groups after it. */
export function layerMasks(mask: Node, config: ModelConfig): Node[] {
  const N = instancesOf(config);
  const rows = withPrefix(mask, config);
  const B = quotient(dims(rows, 'R T').R, N);
  assert(B !== undefined, `rows in groups of ${N}`);
  const groups = N === 1 ? rows : unionMask(rows, N, B);
  return config.encoder.layers.map((_, at) => (at < prefillLayersOf(config) ? rows : groups));
}
