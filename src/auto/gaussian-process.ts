/**
 * A Gaussian process over the drop: the trend, of which only the form is known, and a smooth departure from it. Its settings are integrated over
 * a small table, as a handful of points does not tell them. More inputs and fewer weights lose more: the mean is projected to the nearest
 * surface that rises.
 * Papers: Gaussian Processes for Machine Learning (Rasmussen and Williams 2006), algorithm 2.1 and section 2.7; Bayesian monotone regression using
 * Gaussian process projection (Lin and Dunson 2014), of whose projections this is that of the mean.
 */
import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import type { AccuracyModel, Estimate, Observation } from './accuracy-model.ts';
import type { GridPoint } from './exploration.ts';
import { withGuesses } from './first-guess.ts';
import { risingTable } from './isotonic.ts';
import { DENSE } from './lattice.ts';
import { coordinatesOf, featuresOf, TREND, trendOf } from './trend.ts';

/** What a process is given by, besides the trend. */
export interface Setting {
  /** What the trend is multiplied by. */
  readonly scale: number;
  /** Standard deviation of the departure from the trend, in points. */
  readonly departure: number;
  /** How far departures reach, in doublings. */
  readonly length: number;
  /** Standard deviation of what chance in training does to a drop, in points. */
  readonly noise: number;
}

/** Standard deviation of each of the trend's weights, as a share of the weight. */
const TREND_SPREAD = 0.8;

/** In doublings. */
const LENGTH = 1.5;

const SETTINGS: readonly Setting[] = [0.25, 0.5, 1, 2, 4].flatMap((scale) =>
  [0.15, 0.5].flatMap((departure) =>
    [0.1, 0.4].map((noise) => ({
      ...{ scale, length: LENGTH },
      departure: departure * scale,
      noise: noise * Math.sqrt(scale),
    })),
  ),
);

/** k(x, x') = s² Σ t² w² φ(x) φ(x') + d² exp(−|x − x'|² / 2 l²) */
export function covariance(one: GridPoint, other: GridPoint, { scale, departure, length }: Setting): number {
  const [a, b] = [featuresOf(one), featuresOf(other)];
  const trend = TREND.reduce(
    (sum, weight, at) => sum + (scale * TREND_SPREAD * weight) ** 2 * ((a[at] ?? 0) * (b[at] ?? 0)),
    0,
  );
  const [[u, v], [x, y]] = [coordinatesOf(one), coordinatesOf(other)];
  const distance = ((u - x) ** 2 + (v - y) ** 2) / length ** 2;
  return trend + departure ** 2 * Math.exp(-distance / 2);
}

/** Makes a matrix positive definite in floating point. */
const JITTER = 1e-9;

/** The process after observations. */
export interface Posterior {
  readonly estimates: readonly Estimate[];
  /** The logarithm of the observations' density, but for a constant. */
  readonly logEvidence: number;
}

const matrixOf = (rows: readonly GridPoint[], columns: readonly GridPoint[], setting: Setting): Matrix =>
  new Matrix(rows.map((row) => columns.map((column) => covariance(row, column, setting))));

/** Algorithm 2.1: L Lᵀ = K + Σ; α = (K + Σ)⁻¹ (y − m); mean m + K* α, variance k − |L⁻¹ K*ᵀ|². */
export function posterior(observed: readonly Observation[], points: readonly GridPoint[], setting: Setting): Posterior {
  const known = [{ point: DENSE, drop: 0, variance: 0, isExact: true }, ...observed];
  const places = known.map(({ point }) => point);
  const kernel = matrixOf(places, places, setting);
  for (const [at, one] of known.entries()) {
    const noise = 'isExact' in one ? JITTER : one.variance + setting.noise ** 2 + JITTER;
    kernel.set(at, at, kernel.get(at, at) + noise);
  }
  const factor = new CholeskyDecomposition(kernel);
  const residual = Matrix.columnVector(known.map(({ point, drop }) => drop - setting.scale * trendOf(point)));
  const alpha = factor.solve(residual);
  const across = matrixOf(points, places, setting);
  const explained = factor.solve(across.transpose());
  const estimates = points.map((point, at) => {
    const row = across.getRowVector(at);
    return {
      mean: setting.scale * trendOf(point) + row.mmul(alpha).get(0, 0),
      variance: Math.max(0, covariance(point, point, setting) - row.mmul(explained.getColumnVector(at)).get(0, 0)),
    };
  });
  const halfDeterminant = factor.lowerTriangularMatrix.diagonal().reduce((sum, value) => sum + Math.log(value), 0);
  return { estimates, logEvidence: -residual.transpose().mmul(alpha).get(0, 0) / 2 - halfDeterminant };
}

/** Scales near 1 are likelier: normal in log2, with this standard deviation. */
const SCALE_SPREAD = 1.2;

function weightsOf(posteriors: readonly Posterior[]): number[] {
  const logs = posteriors.map(({ logEvidence }, at) => {
    const { scale = 1 } = SETTINGS[at] ?? {};
    return logEvidence - (Math.log2(scale) / SCALE_SPREAD) ** 2 / 2;
  });
  const most = Math.max(...logs);
  const weights = logs.map((log) => Math.exp(log - most));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The mean and the variance of a mixture. */
function mixed(parts: readonly Estimate[], weights: readonly number[]): Estimate {
  const mean = parts.reduce((sum, part, at) => sum + (weights[at] ?? 0) * part.mean, 0);
  const square = parts.reduce((sum, part, at) => sum + (weights[at] ?? 0) * (part.variance + part.mean ** 2), 0);
  return { mean, variance: Math.max(0, square - mean ** 2) };
}

/** In squared points: what is surer than this is as hard to move by the projection. */
const LEAST_VARIANCE = 0.01;

export const gaussianProcess: AccuracyModel = {
  name: 'gaussian process',
  takesGuesses: true,
  estimate(observed, { points, sparsities }, guesses = []): Estimate[] {
    const evidence = withGuesses(observed, guesses);
    const posteriors = SETTINGS.map((setting) => posterior(evidence, points, setting));
    const weights = weightsOf(posteriors);
    const estimates = points.map((_, place) =>
      mixed(
        posteriors.map(({ estimates }) => estimates[place] ?? { mean: 0, variance: 0 }),
        weights,
      ),
    );
    const means = risingTable(
      estimates.map(({ mean }) => mean),
      estimates.map(({ variance }) => 1 / (variance + LEAST_VARIANCE)),
      sparsities.length,
    );
    return estimates.map(({ variance }, place) => ({ mean: means[place] ?? 0, variance }));
  },
};
