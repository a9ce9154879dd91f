/**
 * Contextual multiplexing (MUX-PLM, Murahari et al. 2023, section 3; version 2 of its code): texts are read before they are mixed, each by
 * itself and then with its neighbours.
 */
import { add, dims, mul, type Node, product, reduceMean, reshape, transpose } from '../graph/index.ts';
import { type Attended, attentionBias, layerAt, layerShapes, transform } from '../model/index.ts';
import { gaussianKeys } from './keys.ts';
import type { Multiplexer, MuxContext } from './strategy.ts';

/** Layers over the tokens of a text, and over the instances of a group. */
const LAYERS = { tokens: 'mux.context.tokens', instances: 'mux.context.instances' } as const;

/** BERT's proportion of feed-forward units to hidden dimensions. */
const UNITS_PER_DIMENSION = 4;

/** A layer of the unpruned encoder's size: [rows, D] -> [rows, D]. */
function readWith(name: string, x: Node, attended: Omit<Attended, 'states'>, context: MuxContext): Node {
  const { encoder, featureSize, p } = context;
  const shape = { heads: featureSize / encoder.headSize, intermediateSize: UNITS_PER_DIMENSION * featureSize };
  return transform(x, { states: x, ...attended }, layerAt({ parameters: name, sites: name }, shape, encoder, p));
}

/**
 * c = T₁(E) + E over the tokens of each text;  gⁱ = cⁱ ⊙ vᵢ;  u = T₂(g) over the instances at each position, which have no order;
 * x = 1/N Σᵢ (uⁱ + gⁱ).
 */
function multiplex(rows: Node, context: MuxContext): Node {
  const { instances: N, B, mask, p } = context;
  const { R, T, D } = dims(rows, 'R T D');
  const embedded = reshape(rows, [product([R, T]), D]);
  const read = add(readWith(LAYERS.tokens, embedded, { B: R, bias: attentionBias(mask) }, context), embedded);
  const byPosition = transpose(reshape(read, [B, N, T, D]), [0, 2, 1, 3]); // [B, T, N, D]
  const keyed = reshape(mul(byPosition, p('mux.keys')), [product([B, T, N]), D]);
  const mixed = add(readWith(LAYERS.instances, keyed, { B: product([B, T]) }, context), keyed);
  return reduceMean(reshape(mixed, [B, T, N, D]), [2]);
}

export const contextual: Multiplexer = {
  shapes({ instances, hiddenSize, featureSize }) {
    const sizes = { headsWidth: featureSize, intermediateSize: UNITS_PER_DIMENSION * featureSize, hiddenSize };
    return new Map([
      ['mux.keys', [instances, hiddenSize]],
      ...layerShapes(LAYERS.tokens, sizes),
      ...layerShapes(LAYERS.instances, sizes),
    ]);
  },
  initial: (sizes, seed) => new Map([['mux.keys', gaussianKeys(sizes, seed)]]),
  frozen: ['mux.keys'],
  multiplex,
};
