/** Slices worked out by hand; that a sliced model computes what the gated one did is `test/exactness.test.ts`. */
import { expect, it } from 'vitest';
import { type FloatTensor, float32, parameterOf, sizeOf } from '../base/index.ts';
import { type ModelConfig, presetConfig } from '../model/index.ts';
import { modelShapes } from '../mux/index.ts';
import type { HardGates } from './hard-gates.ts';
import { slicePruned } from './slice.ts';

const config: ModelConfig = {
  encoder: {
    ...presetConfig('tiny', 3),
    hiddenSize: 4,
    headSize: 2,
    maxPositions: 3,
    layers: [
      { heads: 2, intermediateSize: 3 },
      { heads: 2, intermediateSize: 3 },
    ],
  },
  labels: ['no', 'yes'],
  featureSize: 4,
};

const gates: HardGates = {
  hidden: [0, 3],
  layers: [
    { heads: [1], intermediate: [] },
    { heads: [], intermediate: [0, 2] },
  ],
};

/** Every element tells where it stood: 0, 1, 2, …, row by row. */
const parameters = new Map<string, FloatTensor>(
  Array.from([...modelShapes(config), ['demux.dense_1.weight', [1, 8]] as const], ([name, shape]) => [
    name,
    float32(
      Float32Array.from({ length: sizeOf(shape) }, (_, at) => at),
      shape,
    ),
  ]),
);

const sliced = slicePruned(config, parameters, gates);
const valuesOf = (name: string): number[] => [...parameterOf(sliced.parameters, name).data];

it('has exactly the parameters that its configuration asks for', () => {
  const shapes = Array.from(sliced.parameters, ([name, { shape }]) => [name, shape] as const);
  expect(new Map(shapes)).toEqual(new Map([...modelShapes(sliced.config), ['demux.dense_1.weight', [1, 4]]]));
});

it('keeps rows of heads and units, and columns of hidden dimensions', () => {
  const layer = 'bert.encoder.layer';
  expect(valuesOf(`${layer}.0.attention.self.query.weight`)).toEqual([8, 11, 12, 15]);
  expect(valuesOf(`${layer}.0.attention.self.value.bias`)).toEqual([2, 3]);
  expect(valuesOf(`${layer}.0.attention.output.dense.weight`)).toEqual([2, 3, 14, 15]);
  expect(valuesOf(`${layer}.1.intermediate.dense.weight`)).toEqual([0, 3, 8, 11]);
  expect(valuesOf(`${layer}.1.output.dense.weight`)).toEqual([0, 2, 9, 11]);
  expect(valuesOf(`${layer}.1.output.LayerNorm.bias`)).toEqual([0, 3]);
  expect(valuesOf('demux.dense_1.weight')).toEqual([0, 3, 4, 7]);
  expect(valuesOf('classifier.weight')).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

it('records the indices of the model that was never pruned', () => {
  expect(sliced.config.kept).toEqual(gates);
  const earlier = {
    hidden: [1, 2, 5, 7],
    layers: gates.layers.map(() => ({ heads: [0, 3], intermediate: [2, 4, 6] })),
  };
  expect(slicePruned({ ...config, kept: earlier }, parameters, gates).config.kept).toEqual({
    hidden: [1, 7],
    layers: [
      { heads: [3], intermediate: [] },
      { heads: [], intermediate: [2, 6] },
    ],
  });
});
