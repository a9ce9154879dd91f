/** What is thought of the candidates that were not trained, from those that were. */
import type { Precision } from '../base/index.ts';
import { type Estimate, meanOf, type Observation } from './accuracy-model.ts';
import { compareModels } from './accuracy-models.ts';
import type { AccuracyError, Candidate, GridPoint, Guess, Prediction } from './exploration.ts';
import { isSamePoint, type Lattice, nameOf, placeIn, startOf } from './lattice.ts';
import { normalCdf, normalQuantile } from './normal.ts';

/** A point whose trial failed, in a short run or in full. */
export interface Failed {
  readonly point: GridPoint;
  readonly error: unknown;
}

/** What a search knows. */
export interface Knowledge {
  readonly lattice: Lattice;
  readonly precisions: readonly Precision[];
  /** In points. */
  readonly maxDrop: number;
  readonly confidence: number;
  /** Rows that drops are measured on. */
  readonly rows: number;
  /** By names of candidates: how many times as fast as the dense model they should be. */
  readonly ratios: ReadonlyMap<string, number>;
  /** What was assessed; the dense model is among it, also as int8. */
  readonly candidates: readonly Candidate[];
  /** What cheap evidence says of points that were not trained. */
  readonly guesses: readonly Guess[];
  readonly failed: readonly Failed[];
}

export function candidateName(point: GridPoint, precision: Precision): string {
  return precision === 'fp32' ? nameOf(point) : `${nameOf(point)}-${precision}`;
}

const isOf = (point: GridPoint, precision: Precision) => (candidate: Candidate) =>
  candidate.precision === precision && isSamePoint(candidate.point, point);

export function isTrained(point: GridPoint, { candidates }: Pick<Knowledge, 'candidates'>): boolean {
  return candidates.some((candidate) => isSamePoint(candidate.point, point));
}

/** Whether a point may still be trained: neither it nor what it starts from has failed. */
export function isOpen(point: GridPoint, knowledge: Pick<Knowledge, 'candidates' | 'failed'>): boolean {
  const needed = [point, startOf(point)];
  const hasFailed = knowledge.failed.some((one) => needed.some((other) => isSamePoint(one.point, other)));
  return !hasFailed && !isTrained(point, knowledge);
}

/** The drops of the trained models as they are in fp32. */
export function observationsOf(candidates: readonly Candidate[]): Observation[] {
  return candidates
    .filter(({ precision, point }) => precision === 'fp32' && (point.instances > 1 || point.sparsity > 0))
    .map(({ point, drop }) => ({ point, drop: drop.points, variance: drop.standardError ** 2 }));
}

/** What int8 costs before anything was measured, in points: a first observation among the others. */
const INT8_PRIOR = { mean: 0.1, variance: 0.25 } as const;

/** What a precision costs beyond fp32: the mean and the spread over the models that were assessed with both. */
function costOf(precision: Precision, candidates: readonly Candidate[]): Estimate {
  if (precision === 'fp32') return { mean: 0, variance: 0 };
  const costs = candidates.flatMap((candidate) => {
    const whole = candidates.find(isOf(candidate.point, 'fp32'));
    return candidate.precision === precision && whole ? [candidate.drop.points - whole.drop.points] : [];
  });
  const count = costs.length + 1;
  const mean = costs.reduce((sum, cost) => sum + cost, INT8_PRIOR.mean) / count;
  const squares = costs.reduce((sum, cost) => sum + (cost - mean) ** 2, INT8_PRIOR.variance);
  return { mean, variance: squares / count };
}

/** Of texts of which the dense and another model answer so many differently, before any were compared. */
const USUAL_DISAGREEMENT = 0.06;

/** How far above a drop its bound usually is where so many rows are compared, in points. */
export function usualMargin(rows: number, confidence: number): number {
  return normalQuantile(confidence) * usualError(rows);
}

function usualError(rows: number): number {
  return 100 * Math.sqrt(USUAL_DISAGREEMENT / rows);
}

/** What a measurement of a drop will be like: its standard error, and how far above it the bound is; in points. */
function measurementOf({ candidates, rows, confidence }: Knowledge): {
  readonly error: number;
  readonly margin: number;
} {
  const drops = candidates.filter(({ drop }) => drop.standardError > 0).map(({ drop }) => drop);
  if (drops.length === 0) return { error: usualError(rows), margin: usualMargin(rows, confidence) };
  return {
    error: meanOf(drops.map(({ standardError }) => standardError)),
    margin: meanOf(drops.map(({ upper, points }) => upper - points)),
  };
}

/** The accuracy model's view of the lattice, and the errors of all models. */
export interface Forecast {
  readonly estimates: readonly Estimate[];
  readonly errors: readonly AccuracyError[];
}

type Evidence = Pick<Knowledge, 'candidates' | 'lattice' | 'guesses'>;

/** Whether a guess would change what is thought. */
export function takesGuesses({ candidates, lattice, guesses }: Evidence): boolean {
  return compareModels(observationsOf(candidates), lattice, guesses).used.takesGuesses;
}

export function forecastFrom({ candidates, lattice, guesses }: Evidence): Forecast {
  const observed = observationsOf(candidates);
  const { used, errors } = compareModels(observed, lattice, guesses);
  return { estimates: used.estimate(observed, lattice, guesses), errors };
}

/** Predictions for every point of the lattice that may still be trained, at every precision. */
export function outlookOf(knowledge: Knowledge, { estimates }: Forecast = forecastFrom(knowledge)): Prediction[] {
  const { lattice, precisions, maxDrop, ratios, candidates } = knowledge;
  const { error, margin } = measurementOf(knowledge);
  return precisions.flatMap((precision) => {
    const cost = costOf(precision, candidates);
    return lattice.points
      .filter((point) => isOpen(point, knowledge))
      .map((point): Prediction => {
        const { mean, variance } = estimates[placeIn(lattice, point)] ?? { mean: 0, variance: 0 };
        const name = candidateName(point, precision);
        const drop = { points: mean + cost.mean, deviation: Math.sqrt(variance + cost.variance) };
        const spread = Math.hypot(drop.deviation, error);
        const probability = normalCdf((maxDrop - margin - drop.points) / spread);
        return { name, point, precision, drop, ratio: ratios.get(name) ?? 0, probability };
      });
  });
}
