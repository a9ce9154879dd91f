/** A made-up record of an `auto` run, for tests of what is drawn from it. */
import type { AutoRecord, Measured, ModelDetails } from '../src/auto/index.ts';

function measured(instances: number, sparsity: number, accuracy: number, ratio: number): Measured {
  const name = instances === 1 && sparsity === 0 ? 'dense' : `n${instances}-s${sparsity}`;
  const spread = instances > 1 ? 0.004 : 0;
  const parameters = Math.round(4_000_000 * (1 - 0.8 * sparsity));
  const points = 100 * (0.842 - accuracy);
  return {
    ...{ name, folder: `models/${name}`, point: { instances, sparsity }, precision: 'fp32', parameters, sparsity },
    ...{
      seconds: 60,
      accuracy,
      accuracyStd: spread,
      examplesPerSecond: 240 * ratio,
      ratio,
      predictedRatio: 0.9 * ratio,
    },
    drop: { points, standardError: 0.3, upper: points + 0.5 },
  };
}

const curve = (end: number) =>
  Array.from({ length: 40 }, (_, at) => ({
    step: 10 * at + 10,
    values: { loss: 1 / (at + 1), accuracy: end * (1 - Math.exp(-at / 8)), sparsity: at / 50 },
  }));

function details({ point, accuracy }: Measured): ModelDetails {
  const left = (whole: number, at: number): number =>
    Math.round(whole * Math.max(0, 1 - point.sparsity * (0.7 + at / 5)));
  return {
    hiddenSize: left(256, 0),
    layers: [0, 1, 2, 3].map((at) => ({ heads: left(4, at), intermediateSize: left(1024, at) })),
    curves: { multiplex: curve(accuracy), prune: curve(accuracy), recover: curve(accuracy) },
  };
}

const dense = measured(1, 0, 0.842, 1);
const trials = [
  measured(1, 0.6, 0.836, 2.3),
  measured(2, 0, 0.833, 1.9),
  measured(4, 0, 0.818, 3.6),
  measured(2, 0.6, 0.829, 4.4),
  measured(4, 0.6, 0.812, 8.6),
  measured(4, 0.8, 0.795, 15.9),
];
const [mild, , , chosen, bold, boldest] = trials as [Measured, Measured, Measured, Measured, Measured, Measured];

export const sampleRecord: AutoRecord = {
  exploration: {
    ...{ maxDrop: 2, confidence: 0.9, dense, trials },
    decisions: trials.map(({ point, ratio }) => ({ point, gain: ratio / 4 })),
    guesses: [
      { point: mild.point, drop: { points: 1.4, standardError: 0.3, upper: 1.9 }, by: 'no training' },
      { point: { instances: 2, sparsity: 0 }, drop: { points: 2.1, standardError: 0.5, upper: 2.8 }, by: 'short run' },
    ],
    failures: [
      { point: { instances: 4, sparsity: 0.9 }, message: 'phase prune, step 3: expected a finite loss, got NaN.' },
    ],
    predicted: [
      {
        ...{ name: 'n8-s0.8', point: { instances: 8, sparsity: 0.8 }, precision: 'fp32', ratio: 29 },
        ...{ drop: { points: 7.5, deviation: 1.2 }, probability: 0.01 },
      },
    ],
    frontier: [dense, mild, chosen, bold, boldest],
    chosen,
    verdict: 'the fastest of the models within 2 points, which are 3 of 6 trials',
    stop: 'nothing to gain',
    errors: {
      accuracy: [
        { model: 'bilinear', leaveOneOut: 0.61, isUsed: false },
        { model: 'gaussian process', leaveOneOut: 0.42, isUsed: true },
      ],
      throughput: { shapesLeftOut: 0.06, trials: 0.09 },
    },
    purchases: [
      { maxDrop: 0.5, model: 'dense', ratio: 1 },
      { maxDrop: 2, model: 'n2-s0.6', ratio: 4.4 },
      { maxDrop: 5, model: 'n4-s0.8', ratio: 15.9, expected: { name: 'n8-s0.8', ratio: 29, probability: 0.55 } },
    ],
  },
  models: Object.fromEntries([dense, ...trials].map((model) => [model.name, details(model)])),
  examples: 581,
  rows: 'two thirds of the evaluation rows choose, the others are for the final figures',
  final: {
    ...{ examples: 291, accuracy: 0.825, denseAccuracy: 0.841 },
    drop: { points: 1.6, standardError: 0.7, upper: 2.5 },
    interval: { confidence: 0.9, low: 0.4, high: 2.8 },
    contradictsChoice: false,
  },
  seconds: { train: 360, assess: 12, measure: 41, predict: 0.4 },
  seed: 1,
  data: { train: 'ab'.repeat(32), evaluation: 'cd'.repeat(32) },
  machine: { node: 'v20.20.2', processor: 'an example', cores: 2 },
  commands: ['prumux auto models/dense --max-drop 2 -o models/fast'],
};

const CROWD = [1, 2, 4, 8]
  .flatMap((instances) => [0, 0.5, 0.7, 0.9].map((sparsity) => ({ instances, sparsity })))
  .slice(1);

/** A record of many points: those at an even place are trained, at both precisions; the others are predicted. */
export const crowdedRecord: AutoRecord = (() => {
  const accuracyAt = ({ instances, sparsity }: Measured['point']): number =>
    0.842 - 0.011 * Math.log2(instances) - 0.05 * sparsity ** 2;
  const ratioAt = ({ instances, sparsity }: Measured['point']): number => (0.9 * instances) / (1 - 0.9 * sparsity);
  const isTrained = (_: unknown, at: number): boolean => at % 2 === 0;
  const crowd = CROWD.filter(isTrained).flatMap((point): Measured[] => {
    const whole = measured(point.instances, point.sparsity, accuracyAt(point), ratioAt(point));
    const name = `${whole.name}-int8`;
    const int8 = measured(point.instances, point.sparsity, accuracyAt(point) - 0.002, 1.6 * ratioAt(point));
    return [whole, { ...int8, name, precision: 'int8' }];
  });
  const predicted = CROWD.filter((point, at) => !isTrained(point, at)).flatMap((point) =>
    (['fp32', 'int8'] as const).map((precision) => ({
      ...{ name: `n${point.instances}-s${point.sparsity}-${precision}`, point, precision, probability: 0.3 },
      ratio: (precision === 'int8' ? 1.6 : 1) * ratioAt(point),
      drop: { points: 100 * (0.842 - accuracyAt(point)), deviation: 0.6 },
    })),
  );
  const all = [dense, ...crowd];
  const isBeaten = (one: Measured): boolean =>
    all.some((other) => other.accuracy > one.accuracy && other.examplesPerSecond > one.examplesPerSecond);
  const frontier = all.filter((one) => !isBeaten(one)).sort((a, b) => a.examplesPerSecond - b.examplesPerSecond);
  const choice = frontier.filter(({ drop }) => drop.upper <= 2).at(-1) ?? dense;
  return {
    ...sampleRecord,
    exploration: { ...sampleRecord.exploration, trials: crowd, predicted, frontier, chosen: choice, decisions: [] },
    models: Object.fromEntries([dense, ...crowd].map((model) => [model.name, details(model)])),
  };
})();
