/** The models of accuracy: bilinear against bilinear functions, the process against closed forms and a plain float64 solution, both against surfaces that rise. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Observation } from './accuracy-model.ts';
import { compareModels } from './accuracy-models.ts';
import { bilinear, bilinearSurface } from './bilinear.ts';
import type { GridPoint, Guess } from './exploration.ts';
import { gridOf } from './explore.ts';
import { guessedObservation } from './first-guess.ts';
import { covariance, gaussianProcess, posterior, type Setting } from './gaussian-process.ts';
import { DENSE, latticeAround, placeIn } from './lattice.ts';
import { trendOf } from './trend.ts';

const lattice = latticeAround(gridOf([1, 2, 4, 8], [0, 0.6, 0.8, 0.9]));
const EXACT = 1e-6;

function observe(points: readonly GridPoint[], dropAt: (point: GridPoint) => number, variance = EXACT): Observation[] {
  return points.map((point) => ({ point, drop: dropAt(point), variance }));
}

describe('bilinear interpolation', () => {
  it('is exact on bilinear drops of which the corners are known', () => {
    fc.assert(
      fc.property(
        fc.tuple(
          fc.double({ min: 0, max: 2, noNaN: true }),
          fc.double({ min: 0, max: 5, noNaN: true }),
          fc.double({ min: -1, max: 1, noNaN: true }),
        ),
        ([b, c, d]) => {
          // a + b N + c s + d N s, with nothing lost by the dense model.
          const dropAt = ({ instances: N, sparsity: s }: GridPoint): number => b * (N - 1) + c * s + d * N * s;
          const corners = [
            [1, 0.9],
            [8, 0],
            [8, 0.9],
          ].map(([instances = 1, sparsity = 0]) => ({ instances, sparsity }));
          const surface = bilinearSurface(observe(corners, dropAt), lattice);
          for (const [place, point] of lattice.points.entries()) expect(surface[place]).toBeCloseTo(dropAt(point), 2);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('goes through every drop that is known', () => {
    const points = lattice.points.slice(1).filter((_, at) => at % 3 === 0);
    const dropAt = ({ instances, sparsity }: GridPoint): number => Math.sin(instances) + 3 * sparsity ** 4;
    const surface = bilinearSurface(observe(points, dropAt), lattice);
    for (const point of points) expect(surface[placeIn(lattice, point)]).toBeCloseTo(dropAt(point), 3);
  });

  it('takes losses as a sum, where nothing else is known', () => {
    const dropAt = ({ instances, sparsity }: GridPoint): number => 0.5 * (instances - 1) + 4 * sparsity;
    const ends: GridPoint[] = [
      { instances: 8, sparsity: 0 },
      { instances: 1, sparsity: 0.9 },
    ];
    const surface = bilinearSurface(observe(ends, dropAt), lattice);
    for (const [place, point] of lattice.points.entries()) expect(surface[place]).toBeCloseTo(dropAt(point), 1);
  });
});

const SETTING: Setting = { scale: 1, departure: 0.3, length: 1.5, noise: 0.2 };

describe('the Gaussian process', () => {
  const point: GridPoint = { instances: 4, sparsity: 0.5 };
  const other: GridPoint = { instances: 2, sparsity: 0.9 };

  it('is its prior where nothing but the dense model is known', () => {
    const { estimates } = posterior([], [DENSE, point], { ...SETTING, departure: 0 });
    // The trend alone: nothing is lost by the dense model, and knowing so tells nothing of the others.
    expect(estimates[0]).toMatchObject({ mean: 0 });
    expect(estimates[1]?.mean).toBeCloseTo(trendOf(point));
    expect(estimates[1]?.variance).toBeCloseTo(covariance(point, point, { ...SETTING, departure: 0 }));
  });

  it('is the closed form for one observation', () => {
    const setting = { ...SETTING, departure: 0 }; // so that the dense model, which has no features, tells nothing
    const { estimates } = posterior([{ point, drop: 3, variance: 0.1 }], [point, other], setting);
    const k = (a: GridPoint, b: GridPoint): number => covariance(a, b, setting);
    const gain = k(other, point) / (k(point, point) + 0.1 + setting.noise ** 2);
    expect(estimates[1]?.mean).toBeCloseTo(trendOf(other) + gain * (3 - trendOf(point)), 6);
    expect(estimates[1]?.variance).toBeCloseTo(k(other, other) - gain * k(other, point), 6);
  });

  it('agrees with Gaussian elimination in float64 for three observations', () => {
    const points = [point, other, { instances: 8, sparsity: 0 }];
    const observed = observe(points, ({ instances, sparsity }) => instances / 3 + sparsity, 0.05);
    const { estimates } = posterior(observed, lattice.points, SETTING);
    const known = [DENSE, ...points];
    const noise = [0, ...observed.map(({ variance }) => variance + SETTING.noise ** 2)];
    const kernel = known.map((a, row) =>
      known.map((b, column) => covariance(a, b, SETTING) + (row === column ? (noise[row] ?? 0) : 0)),
    );
    const residual = [0, ...observed.map(({ drop, point }) => drop - trendOf(point))];
    for (const [place, at] of lattice.points.entries()) {
      const across = known.map((one) => covariance(at, one, SETTING));
      const dot = (values: readonly number[]): number =>
        across.reduce((sum, value, i) => sum + value * (values[i] ?? 0), 0);
      expect(estimates[place]?.mean).toBeCloseTo(trendOf(at) + dot(eliminate(kernel, residual)), 5);
      expect(estimates[place]?.variance).toBeCloseTo(covariance(at, at, SETTING) - dot(eliminate(kernel, across)), 5);
    }
  });

  it('falls nowhere, whatever was observed', () => {
    const drops = fc.array(fc.double({ min: -2, max: 8, noNaN: true }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(drops, fc.nat(), (values, seed) => {
        const places = values.map((_, at) => 1 + ((seed + 5 * at) % 15));
        const observed = [...new Set(places)].map((place, at) => ({
          ...{ point: lattice.points[place] ?? DENSE, drop: values[at] ?? 0, variance: 0.1 },
        }));
        const means = gaussianProcess.estimate(observed, lattice).map(({ mean }) => mean);
        const columns = lattice.sparsities.length;
        for (const [place, mean] of means.entries()) {
          if (place % columns > 0) expect(mean).toBeGreaterThanOrEqual(means[place - 1] ?? 0);
          if (place >= columns) expect(mean).toBeGreaterThanOrEqual(means[place - columns] ?? 0);
        }
      }),
      { numRuns: 15 },
    );
  });

  it('is surer where it was told, and least sure far from it', () => {
    const told = { instances: 2, sparsity: 0.6 };
    const estimates = gaussianProcess.estimate(
      observe([told], () => 1, 0.04),
      lattice,
    );
    const varianceAt = (place: GridPoint): number => estimates[placeIn(lattice, place)]?.variance ?? Number.NaN;
    expect(varianceAt(told)).toBeLessThan(varianceAt({ instances: 4, sparsity: 0.8 }));
    expect(varianceAt({ instances: 4, sparsity: 0.8 })).toBeLessThan(varianceAt({ instances: 8, sparsity: 0.9 }));
  });
});

/** The solution of a x = b by elimination with pivots: the reference. */
function eliminate(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const rows = a.map((row, at) => [...row, b[at] ?? 0]);
  for (const [column] of rows.entries()) {
    const pivot = rows
      .slice(column)
      .reduce((best, row) => (Math.abs(row[column] ?? 0) > Math.abs(best[column] ?? 0) ? row : best));
    rows.splice(rows.indexOf(pivot), 1);
    rows.splice(column, 0, pivot);
    for (const [at, row] of rows.entries()) {
      if (at === column) continue;
      const factor = (row[column] ?? 0) / (pivot[column] ?? 1);
      rows[at] = row.map((value, place) => value - factor * (pivot[place] ?? 0));
    }
  }
  return rows.map((row, at) => (row.at(-1) ?? 0) / (row[at] ?? 1));
}

describe('guesses of what training will lose', () => {
  const mild = { instances: 1, sparsity: 0.6 };
  const guessOf = (point: GridPoint, points: number, by: Guess['by']): Guess => ({
    ...{ point, by },
    drop: { points, standardError: 0.2, upper: points + 1 },
  });
  const untrained = (points: number): Guess => guessOf(mild, points, 'no training');
  const shortly = (instances: number, points: number): Guess =>
    guessOf({ instances, sparsity: 0 }, points, 'short run');
  const estimateAt = (point: GridPoint, observed: readonly Observation[], guesses: readonly Guess[]) =>
    gaussianProcess.estimate(observed, lattice, guesses)[placeIn(lattice, point)] ?? { mean: Number.NaN, variance: 0 };

  it('are uniform from nothing to all that was lost without training; what was won stays won', () => {
    const { drop, variance } = guessedObservation(untrained(3));
    // Mean and variance of many uniform draws, with the evaluation's own error.
    const draws = Array.from({ length: 30_001 }, (_, at) => (3 * at) / 30_000);
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    expect(drop).toBeCloseTo(mean, 6);
    expect(variance).toBeCloseTo(draws.reduce((sum, draw) => sum + (draw - mean) ** 2, 0) / draws.length + 0.04, 3);
    expect(guessedObservation(untrained(-0.5))).toMatchObject({ drop: -0.5 });
  });

  it('make a point surer where little was lost, and hardly tell anything where much was', () => {
    const unknown = estimateAt(mild, [], []);
    const little = estimateAt(mild, [], [untrained(0.1)]);
    const much = estimateAt(mild, [], [untrained(40)]);
    expect(little.mean).toBeLessThan(unknown.mean);
    expect(little.variance).toBeLessThan(0.5 * unknown.variance);
    expect(much.variance).toBeGreaterThan(0.8 * unknown.variance);
  });

  it('of short runs tell of as many inputs, pruned too, and of more', () => {
    for (const point of [
      { instances: 4, sparsity: 0 },
      { instances: 4, sparsity: 0.8 },
      { instances: 8, sparsity: 0 },
    ]) {
      const unknown = estimateAt(point, [], []);
      expect(estimateAt(point, [], [shortly(4, 0.4)]).mean).toBeLessThan(unknown.mean);
      expect(estimateAt(point, [], [shortly(4, 12)]).mean).toBeGreaterThan(unknown.mean);
    }
  });

  it('give way to what was trained', () => {
    const observed = observe([mild, { instances: 2, sparsity: 0 }], () => 1, 0.04);
    expect(estimateAt(mild, observed, [untrained(0.1), shortly(2, 9)])).toEqual(estimateAt(mild, observed, []));
  });
});

describe('the comparison of models', () => {
  it('guesses no point that it leaves out', () => {
    const observed = observe(lattice.points.slice(1, 7), ({ sparsity }) => 3 * sparsity);
    const guesses = observed.map(({ point, drop }) => ({
      ...{ point, by: 'short run' as const },
      drop: { points: drop, standardError: 0.01, upper: drop },
    }));
    expect(compareModels(observed, lattice, guesses)).toEqual(compareModels(observed, lattice));
  });

  it('tells the errors of both from four observations on, and uses the one that errs less', () => {
    const dropAt = ({ instances, sparsity }: GridPoint): number => Math.log2(instances) + sparsity;
    const points = lattice.points.slice(1);
    expect(compareModels(observe(points.slice(0, 3), dropAt), lattice).errors).toEqual([]);
    const { used, errors } = compareModels(observe(points, dropAt), lattice);
    expect(errors.map(({ model }) => model)).toEqual(['gaussian process', 'bilinear']);
    const least = Math.min(...errors.map(({ leaveOneOut }) => leaveOneOut));
    expect(errors.find(({ isUsed }) => isUsed)).toMatchObject({ model: used.name, leaveOneOut: least });
  });

  it('is of errors at points that the model did not see', () => {
    // One drop that nothing could foresee: left out, it is off by about ten points.
    const points = lattice.points.slice(1, 8);
    const dropAt = (point: GridPoint): number => (point === points[3] ? 10 : 0);
    const { errors } = compareModels(observe(points, dropAt), lattice);
    for (const { leaveOneOut } of errors) expect(leaveOneOut).toBeGreaterThan(10 / points.length / 2);
    expect(bilinear.estimate(observe(points, dropAt), lattice)[placeIn(lattice, points[3] ?? DENSE)]?.mean).toBeCloseTo(
      10,
      1,
    );
  });
});
