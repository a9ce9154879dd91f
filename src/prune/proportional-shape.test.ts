/** Shapes of a sparsity: against the share of weights that they leave. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { presetConfig } from '../model/index.ts';
import { proportionalLayers } from './proportional-shape.ts';
import { realisedSparsity } from './sparsity.ts';

const places = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

it('leaves the share of the weights that is asked for, of every layer nearly the same', () => {
  const encoder = presetConfig('base');
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.95, noNaN: true }), (sparsity) => {
      const layers = proportionalLayers(encoder, sparsity);
      const kept = layers.map(({ heads, intermediateSize }) => ({
        heads: places(heads),
        intermediate: places(intermediateSize),
      }));
      expect(realisedSparsity(encoder, { hidden: places(encoder.hiddenSize), layers: kept })).toBeCloseTo(
        sparsity,
        1.7,
      );
      const heads = layers.map((layer) => layer.heads);
      expect(Math.max(...heads) - Math.min(...heads)).toBeLessThanOrEqual(1);
    }),
  );
});
