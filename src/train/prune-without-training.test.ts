/**
 * Pruning without training on the tiny BERT: Fisher information against finite differences of every group's own loss, rescaling against models
 * whose parts are copies of each other, so that what is cut can be made up for exactly.
 */
import { describe, expect, it } from 'vitest';
import { loudParameters, tinyConfig, tinySet, worstDifference } from '../../test/tiny-bert.kit.ts';
import { type FloatTensor, float32, type ParameterTree, parameterOf } from '../base/index.ts';
import { attach, type Node } from '../graph/index.ts';
import { type BatchPlan, batchFeeds } from '../infer/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, tokenInputs } from '../model/index.ts';
import { classifier, instancesOf, modelShapes } from '../mux/index.ts';
import {
  type Fisher,
  foldScales,
  type GateFamily,
  gateName,
  gateNodes,
  gateShapes,
  gateSites,
  type HardGates,
  PART_FAMILIES,
  partsOf,
  type Scales,
  slicePruned,
} from '../prune/index.ts';
import { compile, cpu, type Session } from '../runtime/index.ts';
import type { Calibration } from './calibration.ts';
import type { EncodedSet } from './encoded-set.ts';
import { measureFisher } from './fisher-information.ts';
import { pruneToEach, pruneWithoutTraining } from './prune-without-training.ts';
import { rescaleParts } from './rescaling.ts';

const ROWS = 6;

const multiplexed: ModelConfig = {
  ...tinyConfig,
  mux: { instances: 2, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa', prefillLayers: 1 },
};
const tagger: ModelConfig = { ...tinyConfig, task: 'tokens' };

/** A label at every second token. */
function taggedSet(): EncodedSet {
  const set = tinySet(ROWS);
  const positions = set.lengths.map((length) => Array.from({ length: Math.ceil(length / 2) }, (_, at) => 2 * at));
  return { ...set, task: 'tokens', positions, labels: positions.map((each) => each.map((at) => at % 3)) };
}

const CASES: readonly (readonly [string, ModelConfig, EncodedSet])[] = [
  ['one text per pass', tinyConfig, tinySet(ROWS)],
  ['two texts per pass, mixed after a layer', multiplexed, tinySet(ROWS)],
  ['tokens', tagger, taggedSet()],
];

/** All rows twice, in two orders, padded to 6 tokens; the last row of each batch is a filler. */
function calibrationOf(set: EncodedSet): Calibration {
  const plan: BatchPlan = { examples: [0, 1, 2, 3, 4, 5], weights: [1, 1, 1, 1, 1, 0], tokens: 6 };
  return {
    set,
    batches: [plan, { ...plan, examples: [5, 3, 1, 2, 0, 4] }],
    placement: cpu(1),
  };
}

/** The classifier with a gate at every head and unit. */
function gatedSession(config: ModelConfig): Promise<Session> {
  const p = parametersFrom(parameterInputs(modelShapes(config)));
  const gates = gateNodes(parametersFrom(parameterInputs(gateShapes(config.encoder, 'hard'))), 'hard');
  const [logits] = attach([classifier(tokenInputs(ROWS, 6), config, p)], [gateSites(config.encoder, gates)]) as [Node];
  return compile({ outputs: { logits } }, cpu(1));
}

const openGates = (config: ModelConfig): Record<string, FloatTensor> =>
  Object.fromEntries(
    Array.from(gateShapes(config.encoder, 'hard'), ([name, shape]) => [
      name,
      float32(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape),
    ]),
  );

/** -log softmax(z)[label] in float64. */
function crossEntropy(logits: readonly number[], label: number): number {
  return Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - (logits[label] as number);
}

/** The loss of each group of a batch in float64: the sum over its rows, of a sentence the mean over its labels. */
function groupLosses(logits: FloatTensor, plan: BatchPlan, set: EncodedSet, instances: number): number[] {
  const losses = new Array<number>(plan.examples.length / instances).fill(0);
  const width = logits.data.length / plan.examples.length;
  plan.examples.forEach((example, row) => {
    const labels = set.labels[example] ?? [];
    const own = labels.map((label, at) => {
      const start = row * width + 3 * (set.positions[example]?.[at] ?? 0);
      return crossEntropy([...logits.data.subarray(start, start + 3)], label);
    });
    const loss = own.reduce((sum, each) => sum + each, 0) / own.length;
    losses[Math.floor(row / instances)] = (losses[Math.floor(row / instances)] ?? 0) + (plan.weights[row] ?? 0) * loss;
  });
  return losses;
}

const STEP = 0.02;

/** Gradients of every group's loss by central differences: [n][groups over all batches] */
async function differences(
  [config, parameters]: readonly [ModelConfig, ParameterTree],
  calibration: Calibration,
  family: GateFamily,
): Promise<number[][]> {
  const session = await gatedSession(config);
  const name = gateName(family, 'hard');
  const open = openGates(config);
  const lossesAt = async (gate: number, value: number): Promise<number[]> => {
    const tensor = open[name] as FloatTensor;
    const gates = { ...open, [name]: float32(tensor.data.with(gate, value), tensor.shape) };
    const losses: number[] = [];
    for (const plan of calibration.batches) {
      const feeds = batchFeeds(calibration.set.encodings, plan, 0);
      const { logits } = await session.run({ ...feeds, ...Object.fromEntries(parameters), ...gates });
      losses.push(...groupLosses(logits as FloatTensor, plan, calibration.set, instancesOf(config)));
    }
    return losses;
  };
  const slopes: number[][] = [];
  for (let gate = 0; gate < (open[name]?.data.length ?? 0); gate++) {
    const [above, below] = [await lossesAt(gate, 1 + STEP), await lossesAt(gate, 1 - STEP)];
    slopes.push(above.map((loss, at) => (loss - (below[at] as number)) / (2 * STEP)));
  }
  await session.close();
  return slopes;
}

describe.each(CASES)('the Fisher information of %s', (_, config, set) => {
  it("is the sum of products of every group's own gradients, by finite differences", async () => {
    const parameters = loudParameters(config, 1);
    const calibration = calibrationOf(set);
    const fisher: Fisher = await measureFisher({ config, parameters }, calibration);
    for (const family of PART_FAMILIES) {
      const slopes = await differences([config, parameters], calibration, family);
      const n = slopes.length / config.encoder.layers.length;
      fisher.forEach((blocks, layer) => {
        const own = slopes.slice(layer * n, (layer + 1) * n);
        const expected = own.flatMap((a) => own.map((b) => a.reduce((sum, x, at) => sum + x * (b[at] as number), 0)));
        const scale = Math.max(...expected.map(Math.abs));
        expect(scale).toBeGreaterThan(1e-4); // so that agreeing means something
        expect(worstDifference(blocks[family].data, expected) / scale, `${family} of layer ${layer}`).toBeLessThan(
          0.01,
        );
      });
    }
  });
});

/** Copies one part's inputs to another, whose output weights become a multiple of the first one's. */
function withTwins(config: ModelConfig, parameters: ParameterTree, share: number): ParameterTree {
  const tree = new Map(Array.from(parameters, ([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]));
  for (const { weight, family, at, width } of partsOf(config.encoder)) {
    const layer = `bert.encoder.layer.${at}`;
    const inputs =
      family === 'heads'
        ? ['query', 'key', 'value'].map((name) => `${layer}.attention.self.${name}`)
        : [`${layer}.intermediate.dense`];
    for (const name of inputs.flatMap((each) => [`${each}.weight`, `${each}.bias`])) {
      const { data, shape } = parameterOf(tree, name);
      const size = (width * data.length) / (shape[0] ?? 1);
      data.copyWithin(size, 0, size);
    }
    const { data, shape } = parameterOf(tree, weight);
    const e = shape[1] ?? 0;
    for (let row = 0; row < data.length; row += e) {
      for (let k = 0; k < width; k++) data[row + width + k] = share * (data[row + k] as number);
    }
  }
  return tree;
}

/** Everything but the second part of every sub-layer. */
function withoutSecond(config: ModelConfig): HardGates {
  const others = (count: number): number[] => Array.from({ length: count }, (_, at) => at).filter((at) => at !== 1);
  return {
    hidden: Array.from({ length: config.encoder.hiddenSize }, (_, at) => at),
    layers: config.encoder.layers.map(({ heads, intermediateSize }) => ({
      heads: others(heads),
      intermediate: others(intermediateSize),
    })),
  };
}

async function logitsOf(config: ModelConfig, parameters: ParameterTree, set: EncodedSet): Promise<FloatTensor> {
  const p = parametersFrom(parameterInputs(modelShapes(config)));
  const session = await compile({ outputs: { logits: classifier(tokenInputs(ROWS, 6), config, p) } }, cpu(1));
  const plan: BatchPlan = { examples: [0, 1, 2, 3, 4, 5], weights: [1, 1, 1, 1, 1, 1], tokens: 6 };
  const { logits } = await session.run({ ...batchFeeds(set.encodings, plan, 0), ...Object.fromEntries(parameters) });
  await session.close();
  return logits as FloatTensor;
}

describe.each(CASES)('rescaling of %s', (_, config, set) => {
  const SHARE = 0.5;
  const parameters = withTwins(config, loudParameters(config, 2), SHARE);
  const kept = withoutSecond(config);

  it('makes up for cutting copies: the first part takes over what its copy did, and logits are as before', async () => {
    const scales: Scales = await rescaleParts({ config, parameters }, kept, calibrationOf(set));
    for (const layer of scales) {
      for (const family of PART_FAMILIES) {
        const [first, second, ...others] = layer[family];
        expect(first, family).toBeCloseTo(1 + SHARE, 1);
        expect(second).toBe(0);
        for (const scale of others) expect(scale).toBeCloseTo(1, 1);
      }
    }
    const pruned = slicePruned(config, foldScales(config.encoder, parameters, scales), kept);
    const before = await logitsOf(config, parameters, set);
    const after = await logitsOf(pruned.config, pruned.parameters, set);
    const plain = slicePruned(config, parameters, kept);
    const unscaled = await logitsOf(plain.config, plain.parameters, set);
    const lost = worstDifference(unscaled.data, before.data);
    expect(lost).toBeGreaterThan(0.1);
    expect(worstDifference(after.data, before.data)).toBeLessThan(0.1 * lost);
  });

  it('is in the folded weights what it is at the sites', async () => {
    const values = (count: number, cut: number): Float64Array =>
      Float64Array.from({ length: count }, (_, at) => (at === cut ? 0 : 0.5 + (at % 3) / 4));
    const scales: Scales = config.encoder.layers.map(({ heads, intermediateSize }) => ({
      heads: values(heads, 1),
      intermediate: values(intermediateSize, 1),
    }));
    const session = await gatedSession(config);
    const gates = { ...openGates(config) };
    for (const family of PART_FAMILIES) {
      const all = scales.flatMap((layer) => [...layer[family]]);
      gates[gateName(family, 'hard')] = float32(all, [scales.length, all.length / scales.length]);
    }
    const plan: BatchPlan = { examples: [0, 1, 2, 3, 4, 5], weights: [1, 1, 1, 1, 1, 1], tokens: 6 };
    const feeds = { ...batchFeeds(set.encodings, plan, 0), ...Object.fromEntries(parameters), ...gates };
    const gated = (await session.run(feeds)).logits as FloatTensor;
    await session.close();
    const sliced = slicePruned(config, foldScales(config.encoder, parameters, scales), kept);
    expect(worstDifference((await logitsOf(sliced.config, sliced.parameters, set)).data, gated.data)).toBeLessThan(
      1e-4,
    );
  });
});

it('prunes to several sparsities as it does to each', async () => {
  const [set, parameters] = [tinySet(ROWS), loudParameters(tinyConfig, 3)];
  const model = { config: tinyConfig, parameters };
  const calibration = calibrationOf(set);
  const prunable = { ...model, fisher: await measureFisher(model, calibration) };
  const [few, many] = [
    await pruneWithoutTraining(prunable, 0.2, calibration),
    await pruneWithoutTraining(prunable, 0.5, calibration),
  ];
  expect(many.sparsity).toBeGreaterThan(few.sparsity);
  const found = [];
  for await (const pruned of pruneToEach(model, [0.2, 0.5], calibration)) found.push(pruned);
  expect(found).toEqual([few, many]);
});
