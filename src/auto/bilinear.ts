/**
 * Piecewise bilinear interpolation of the drop in (N, sparsity): on each cell of the lattice a + b N + c s + d N s. What Auto-PruMUX does with a
 * grid that is trained in full; here drops are known at some knots only, and the others follow from the smoothest such surface.
 * Paper: PruMUX (Su et al. 2023), section on Auto-PruMUX - https://arxiv.org/abs/2305.14706
 */
import { Matrix, solve } from 'ml-matrix';
import { type AccuracyModel, type Estimate, leftOutErrors, meanOf, type Observation } from './accuracy-model.ts';
import { DENSE, type Lattice, placeIn } from './lattice.ts';
import { trendOf } from './trend.ts';

/** Weights of the equations: what is measured holds; then the surface is straight along its axes, then without a product term, then the trend. */
const WEIGHT = { measured: 1e3, straight: 1, sum: 1e-2, trend: 1e-4 } as const;

/** An equation of least squares: coefficients by place, and what their sum should be. */
interface Equation {
  readonly terms: ReadonlyMap<number, number>;
  readonly value: number;
}

function weighted(weight: number, terms: readonly (readonly [number, number])[], value = 0): Equation {
  return { terms: new Map(terms.map(([place, factor]) => [place, weight * factor])), value: weight * value };
}

/** Slopes of neighbouring intervals are alike: (f₃ − f₂)/(x₃ − x₂) = (f₂ − f₁)/(x₂ − x₁), in units of the whole axis. */
function straightness(axis: readonly number[], placeOf: (knot: number) => number): Equation[] {
  const range = (axis.at(-1) ?? 0) - (axis[0] ?? 0);
  return axis.slice(2).map((last, at) => {
    const [first = 0, middle = 0] = axis.slice(at, at + 2);
    const [before, after] = [range / (middle - first), range / (last - middle)];
    return weighted(WEIGHT.straight, [
      [placeOf(at), before],
      [placeOf(at + 1), -before - after],
      [placeOf(at + 2), after],
    ]);
  });
}

/** Losses add up, where nothing else is known: f₁₁ − f₁₀ − f₀₁ + f₀₀ = 0, the mixed difference of a cell. */
function sums(rows: number, columns: number): Equation[] {
  const cells: Equation[] = [];
  for (let row = 1; row < rows; row++) {
    for (let column = 1; column < columns; column++) {
      const corner = row * columns + column;
      cells.push(
        weighted(WEIGHT.sum, [
          [corner, 1],
          [corner - 1, -1],
          [corner - columns, -1],
          [corner - columns - 1, 1],
        ]),
      );
    }
  }
  return cells;
}

function equationsOf(observed: readonly Observation[], lattice: Lattice): Equation[] {
  const { instances, sparsities, points } = lattice;
  const columns = sparsities.length;
  return [
    ...[{ point: DENSE, drop: 0 }, ...observed].map(({ point, drop }) =>
      weighted(WEIGHT.measured, [[placeIn(lattice, point), 1]], drop),
    ),
    ...instances.flatMap((_, row) => straightness(sparsities, (knot) => row * columns + knot)),
    ...sparsities.flatMap((_, column) => straightness(instances, (knot) => knot * columns + column)),
    ...sums(instances.length, columns),
    ...points.map((point, place) => weighted(WEIGHT.trend, [[place, 1]], trendOf(point))),
  ];
}

/** The drop at every knot, by least squares: [equations, knots] x [knots] = [equations]. */
export function bilinearSurface(observed: readonly Observation[], lattice: Lattice): number[] {
  const equations = equationsOf(observed, lattice);
  const matrix = Matrix.zeros(equations.length, lattice.points.length);
  for (const [row, { terms }] of equations.entries())
    for (const [place, factor] of terms) matrix.set(row, place, factor);
  return solve(matrix, Matrix.columnVector(equations.map(({ value }) => value))).to1DArray();
}

/** The variance of what was never compared with anything. */
const UNKNOWN = 4;

/** The mean of the squared errors at observations that are left out; with one more, for the little that few tell of it. */
function squaredError(observed: readonly Observation[], lattice: Lattice): number {
  const errors = leftOutErrors((others) => bilinearSurface(others, lattice), observed, lattice);
  return meanOf([...errors.map((error) => error ** 2), UNKNOWN]);
}

export const bilinear: AccuracyModel = {
  name: 'bilinear',
  takesGuesses: false,
  estimate(observed, lattice): Estimate[] {
    const surface = bilinearSurface(observed, lattice);
    const variance = squaredError(observed, lattice);
    const known = new Map(observed.map((one) => [placeIn(lattice, one.point), one.variance]));
    return surface.map((mean, place) => ({ mean, variance: known.get(place) ?? variance }));
  },
};
