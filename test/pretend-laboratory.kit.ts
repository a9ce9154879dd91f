/** Laboratories that pretend to train and to measure: surfaces of accuracy and throughput that are known, with noise that a seed gives. */
import type { Candidate, GridPoint, Guess, Instruments, Question, Trial } from '../src/auto/index.ts';
import { candidateName, gridOf, nameOf } from '../src/auto/index.ts';
import { type Precision, random } from '../src/base/index.ts';

/** What models lose, in points, and how fast they are. */
export interface Surface {
  /** Per doubling of the instances, per halving of the weights, and for both. */
  readonly perDoubling: number;
  readonly perHalving: number;
  readonly together: number;
  /** Losses by sparsity grow with this power of the halvings. */
  readonly power: number;
  readonly int8: number;
  /** Ratios are N to this power, and densities to the other. */
  readonly speed: readonly [number, number];
  /** Standard deviations, in points: of training, and of the evaluation. */
  readonly trainingNoise: number;
  readonly evaluationNoise: number;
  /** How many times as much pruning without training loses; nothing is guessed if left out. */
  readonly untrainedLoss?: number;
  /** How many times as much is lost after a short run; no run is tried shortly if left out. */
  readonly shortLoss?: number;
  readonly seed: number;
}

export const PLAIN: Surface = {
  ...{ perDoubling: 1, perHalving: 0.5, together: 0.1, power: 1, int8: 0.1 },
  ...{ speed: [1, 1], trainingNoise: 0, evaluationNoise: 0, seed: 1 },
};

/** A surface within what papers and this project's own measurements have seen. */
export function drawSurface(seed: number): Surface {
  const draw = random(seed, 'surface');
  const between = (least: number, most: number): number => least + (most - least) * draw.uniform();
  return {
    perDoubling: between(0.3, 2.5),
    perHalving: between(0.2, 1.5),
    together: between(0, 0.5),
    power: between(1, 1.8),
    int8: between(0, 0.4),
    speed: [between(0.8, 1), between(0.6, 0.95)],
    trainingNoise: 0.15,
    evaluationNoise: 0.3,
    untrainedLoss: between(1, 6),
    shortLoss: between(1, 10),
    seed,
  };
}

/** Nothing loses more points than a coin. */
const COIN = 40;

export function trueDrop({ instances, sparsity }: GridPoint, precision: Precision, surface: Surface): number {
  const [u, v] = [Math.log2(instances), (-Math.log2(1 - sparsity)) ** surface.power];
  const { perDoubling, perHalving, together, int8 } = surface;
  return perDoubling * u + perHalving * v + together * u * v + (precision === 'int8' ? int8 : 0);
}

export function trueRatio({ instances, sparsity }: GridPoint, precision: Precision, { speed }: Surface): number {
  return instances ** speed[0] * (1 - sparsity) ** -speed[1] * (precision === 'int8' ? 1.5 : 1);
}

const Z90 = 1.2816;

/** What is measured of a point: the same whenever it is asked. */
function assessed(trial: Trial, precision: Precision, surface: Surface): Candidate {
  const { trainingNoise, evaluationNoise, seed } = surface;
  const name = candidateName(trial.point, precision);
  if (name === 'n1-s0') {
    return { ...trial, precision, accuracy: 0.9, accuracyStd: 0, drop: { points: 0, standardError: 0, upper: 0 } };
  }
  const chance = trainingNoise * random(seed, 'training', trial.name).normal();
  const points = trueDrop(trial.point, precision, surface) + chance + evaluationNoise * random(seed, name).normal();
  return {
    ...{ ...trial, name: trial.name === 'dense' ? `dense-${precision}` : name, precision },
    ...{ accuracy: 0.9 - points / 100, accuracyStd: 0 },
    drop: { points, standardError: evaluationNoise, upper: points + Z90 * evaluationNoise },
  };
}

const SECONDS = 100;
/** An eighth of the epochs, and what every trial begins with. */
export const SHORT_SECONDS = 20;

/** A laboratory, and the names of the points that it trained and of those that it tried shortly, in their order. */
export function pretend(surface: Surface, { precisions }: Pick<Question, 'precisions'>) {
  const trained: string[] = [];
  const shortly: string[] = [];
  const { untrainedLoss, shortLoss, evaluationNoise: standardError } = surface;
  const guessOf = (point: GridPoint, points: number, by: Guess['by']): Guess => ({
    ...{ point, by },
    drop: { points, standardError, upper: points + Z90 * standardError },
  });
  const trialOf = (point: GridPoint, name: string, seconds: number): Trial => ({
    ...{ name, folder: name, point, parameters: 1, sparsity: point.sparsity, seconds },
  });
  const instruments: Instruments = {
    dense: trialOf({ instances: 1, sparsity: 0 }, 'dense', 0),
    rows: 1000,
    guess: async (sparsities) =>
      (untrainedLoss === undefined ? [] : sparsities).map((sparsity) => {
        const point = { instances: 1, sparsity };
        return guessOf(point, (untrainedLoss ?? 1) * trueDrop(point, 'fp32', surface), 'no training');
      }),
    async tryShortly(point) {
      if (shortLoss === undefined) return undefined;
      shortly.push(nameOf(point));
      return guessOf(point, Math.min(COIN, shortLoss * trueDrop(point, 'fp32', surface)), 'short run');
    },
    async train(point, from) {
      trained.push(nameOf(point));
      const start = from && { name: from.name, folder: from.folder, fingerprint: `of ${from.name}` };
      return { ...trialOf(point, nameOf(point), SECONDS), ...(start && { from: start }) };
    },
    assess: async (trial) => precisions.map((precision) => assessed(trial, precision, surface)),
    measureShapes: async (points) =>
      points.flatMap((point) =>
        precisions.map((precision) => ({ point, precision, ratio: trueRatio(point, precision, surface) })),
      ),
    measure: async (models) => models.map(({ point, precision }) => 10 * trueRatio(point, precision, surface)),
    endsSearch: () => true,
    workers: async () => 1,
    secondsSpent: () => SECONDS * trained.length + SHORT_SECONDS * shortly.length,
  };
  return { instruments, trained, shortly };
}

export const QUESTION: Question = {
  grid: gridOf([1, 2, 4], [0, 0.5]),
  ...{ precisions: ['fp32'], maxDrop: 2, confidence: 0.9, isExhaustive: false, hasShortRuns: false },
  ...{ budgetSeconds: Number.POSITIVE_INFINITY },
};
