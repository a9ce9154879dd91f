/**
 * Ours, between contextual multiplexing and subspaces: texts are read before they are mixed, but in 1/N of the width, so that reading all N
 * costs 1/N of one layer of the encoder; and they stand side by side in the mixture instead of being added.
 */
import { ConfigError, type FloatTensor, float32, random } from '../base/index.ts';
import { dims, linear, matmul, type Node, product, reshape, site, transpose } from '../graph/index.ts';
import { attentionBias, type EncoderConfig, layerAt, layerShapes, transform } from '../model/index.ts';
import { randomOrthogonal } from './projections.ts';
import type { Multiplexer, MuxContext, MuxSizes } from './strategy.ts';

const PROJECTIONS = 'mux.subspace.projections';
const LAYER = 'mux.subspace.context';
const DENSE = 'mux.subspace.dense';
const HEAD_SIZES = [64, 32, 16, 8] as const;
const UNITS_PER_DIMENSION = 4;

/** The width of an instance, E: the largest multiple of 8 that is at most D/N. */
function widthOf({ instances, featureSize }: MuxSizes): number {
  const width = 8 * Math.floor(featureSize / instances / 8);
  if (width > 0) return width;
  const expected = `at most ${Math.floor(featureSize / 8)}, with 8 of the ${featureSize} hidden dimensions each`;
  throw new ConfigError('instances', { expected, got: String(instances) });
}

/** Pᵢ with orthonormal rows: [N, E, D] */
function initialProjections(sizes: MuxSizes, seed: number): FloatTensor {
  const { instances, hiddenSize } = sizes;
  const rows = Math.min(widthOf(sizes), hiddenSize);
  const draws = random(seed, PROJECTIONS);
  const values = new Float32Array(instances * widthOf(sizes) * hiddenSize);
  for (let instance = 0; instance < instances; instance++) {
    randomOrthogonal(hiddenSize, draws, rows).forEach((row, at) => {
      values.set(row, (instance * widthOf(sizes) + at) * hiddenSize);
    });
  }
  return float32(values, [instances, widthOf(sizes), hiddenSize]);
}

/** One layer of width E over the tokens of each text: [R·T, E] -> [R·T, E]. */
function read(x: Node, width: number, { instances: N, B, mask, encoder, p }: MuxContext): Node {
  const headSize = HEAD_SIZES.find((size) => width % size === 0) ?? width;
  const shape = { heads: width / headSize, intermediateSize: UNITS_PER_DIMENSION * width };
  const config: EncoderConfig = { ...encoder, headSize };
  const layer = layerAt({ parameters: LAYER, sites: LAYER }, shape, config, p);
  // Its dimensions are its own, not hidden ones, which the gates at norms are for: only dropout finds its sites here.
  const mark = (y: Node, name: string): Node => (name.endsWith('.dropout') ? site(y, `${LAYER}.${name}`) : y);
  return transform(x, { states: x, B: product([B, N]), bias: attentionBias(mask) }, { ...layer, mark });
}

/** cⁱ = T(Pᵢ xⁱ) over the tokens of each text;  x = W [c¹; …; c^N] + b. */
function multiplex(rows: Node, context: MuxContext): Node {
  const { instances: N, B, p } = context;
  const { T, D } = dims(rows, 'R T D');
  const E = widthOf(context);
  const projected = matmul(reshape(rows, [B, N, T, D]), p(PROJECTIONS), { transposeB: true }); // [B, N, T, E]
  const contexts = read(reshape(projected, [product([B, N, T]), E]), E, context);
  const byPosition = transpose(reshape(contexts, [B, N, T, E]), [0, 2, 1, 3]);
  return linear(reshape(byPosition, [B, T, N * E]), p(`${DENSE}.weight`), p(`${DENSE}.bias`));
}

export const contextualSubspaces: Multiplexer = {
  shapes(sizes) {
    const { instances, hiddenSize } = sizes;
    const width = widthOf(sizes);
    return new Map([
      [PROJECTIONS, [instances, width, hiddenSize]],
      ...layerShapes(LAYER, {
        headsWidth: width,
        intermediateSize: UNITS_PER_DIMENSION * width,
        hiddenSize: width,
      }),
      [`${DENSE}.weight`, [hiddenSize, instances * width]],
      [`${DENSE}.bias`, [hiddenSize]],
    ]);
  },
  initial: (sizes, seed) => new Map([[PROJECTIONS, initialProjections(sizes, seed)]]),
  frozen: [],
  multiplex,
};
