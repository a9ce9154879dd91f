/** A made-up record of an `auto` run, for tests of what is drawn from it. */
import type { AutoRecord, Measured, ModelDetails } from '../src/auto/index.ts';

function measured(instances: number, sparsity: number, accuracy: number, ratio: number): Measured {
  const name = instances === 1 && sparsity === 0 ? 'dense' : `n${instances}-s${sparsity}`;
  const spread = instances > 1 ? 0.004 : 0;
  const parameters = Math.round(4_000_000 * (1 - 0.8 * sparsity));
  const facts = { accuracy, accuracyStd: spread, parameters, sparsity, examplesPerSecond: 240 * ratio, ratio };
  return { name, folder: `models/${name}`, point: { instances, sparsity }, ...facts };
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
    maxDrop: 2,
    dense,
    trials,
    frontier: [dense, mild, chosen, bold, boldest],
    chosen,
    verdict: 'the fastest of the models within 2 points, which are 3 of 6 trials',
  },
  models: Object.fromEntries([dense, ...trials].map((model) => [model.name, details(model)])),
  examples: 872,
  seed: 1,
  data: { train: 'ab'.repeat(32), evaluation: 'cd'.repeat(32) },
  machine: { node: 'v20.20.2', processor: 'an example', cores: 2 },
  commands: ['prumux auto models/dense --max-drop 2 -o models/fast'],
};
