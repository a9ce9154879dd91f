/** The model of throughput against times made of known costs, and what it says of shapes that it was not told of. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gridOf } from './explore.ts';
import { DENSE } from './lattice.ts';
import { ratiosFrom, type ShapeRatio, throughputError } from './throughput-model.ts';

const POINTS = [DENSE, ...gridOf([1, 2, 4, 8], [0, 0.6, 0.8, 0.9])];

/** Ratios of models whose pass costs `pass`, whose weights cost `weights`, and of which each input costs `input`. */
function shapesOf({ pass, weights, input }: { pass: number; weights: number; input: number }): ShapeRatio[] {
  const timeOf = ({ instances, sparsity }: (typeof POINTS)[number]): number =>
    (pass + weights * (1 - sparsity)) / instances + input;
  return POINTS.map((point) => ({ point, precision: 'fp32', ratio: timeOf(DENSE) / timeOf(point) }));
}

const costs = fc.record({
  pass: fc.double({ min: 0, max: 1, noNaN: true }),
  weights: fc.double({ min: 0.1, max: 1, noNaN: true }),
  input: fc.double({ min: 0, max: 0.3, noNaN: true }),
});

it('makes exact times of the costs of a pass, of weights and of an input, also of points that it did not see', () => {
  fc.assert(
    fc.property(costs, fc.integer({ min: 1, max: POINTS.length - 1 }), (made, left) => {
      const shapes = shapesOf(made);
      const predict = ratiosFrom(shapes.filter((_, at) => at !== left));
      for (const { point, ratio } of shapes) expect(predict(point) / ratio).toBeCloseTo(1, 6);
      expect(throughputError([], shapes).shapesLeftOut).toBeCloseTo(0, 6);
    }),
  );
});

it('never takes a cost for negative, so no time is: a point that nothing is like stays finite', () => {
  const steep = POINTS.map((point): ShapeRatio => ({ point, precision: 'fp32', ratio: point.instances ** 1.5 }));
  const predict = ratiosFrom(steep);
  for (const sparsity of [0, 0.5, 0.99]) expect(predict({ instances: 64, sparsity })).toBeGreaterThan(0);
  expect(predict({ instances: 64, sparsity: 0.99 })).toBeLessThan(Number.POSITIVE_INFINITY);
});

it('tells the median error over both precisions, and none of too few shapes', () => {
  const made = shapesOf({ pass: 0.1, weights: 0.9, input: 0.02 });
  const off = made.map((shape): ShapeRatio => ({ ...shape, precision: 'int8', ratio: shape.ratio * 1.4 }));
  const noisy = [...made, ...off.map((shape, at) => (at % 2 === 0 ? shape : { ...shape, ratio: shape.ratio * 1.1 }))];
  const { shapesLeftOut = Number.NaN } = throughputError([], noisy);
  expect(shapesLeftOut).toBeGreaterThan(0);
  expect(shapesLeftOut).toBeLessThan(0.1);
  expect(throughputError([], made.slice(0, 4))).toEqual({});
});

it('finds times of noisy shapes of any lattice, however few', () => {
  const lattices = [
    gridOf([1], [0, 0.5, 0.6, 0.8, 0.9]),
    gridOf([1, 2], [0, 0.6]),
    gridOf([1, 2, 4], [0, 0.6]),
    POINTS,
  ];
  const noises = fc.array(fc.double({ min: 0.7, max: 1.4, noNaN: true }), { minLength: POINTS.length });
  fc.assert(
    fc.property(fc.constantFrom(...lattices), noises, (points, noise) => {
      const shapes = [DENSE, ...points].map((point, at): ShapeRatio => {
        const ratio = (point.instances / (1.05 - point.sparsity)) * (noise[at] ?? 1);
        return { point, precision: 'fp32', ratio };
      });
      const predict = ratiosFrom(shapes);
      for (const { point } of shapes) expect(predict(point)).toBeGreaterThan(0);
      const { shapesLeftOut = 0 } = throughputError([], shapes);
      expect(Number.isFinite(shapesLeftOut)).toBe(true);
    }),
  );
});

it('is told by one number of inputs or one sparsity alone, too, where not all costs can be told apart', () => {
  const made = shapesOf({ pass: 0.1, weights: 0.9, input: 0.05 });
  for (const part of [
    made.filter(({ point }) => point.instances === 1),
    made.filter(({ point }) => point.sparsity === 0),
  ]) {
    const predict = ratiosFrom(part);
    for (const { point, ratio } of part) expect(predict(point) / ratio).toBeCloseTo(1, 4);
  }
});
