/**
 * What every pair of a multiplexer and a demultiplexer keeps to, with some of them mixing after a layer and some over tokens: shapes, the
 * export, gradients, training, invariances, and pruning.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FloatTensor, float32, int64, type ParameterTree, random, type Tensor } from '../src/base/index.ts';
import {
  attach,
  crossEntropy,
  gradients,
  input,
  type Node,
  product,
  reduceMean,
  reshape,
  sumSquares,
} from '../src/graph/index.ts';
import { exportClassifier } from '../src/infer/index.ts';
import { type ModelConfig, type Parameters, parameterInputs, parametersFrom, tokenInputs } from '../src/model/index.ts';
import {
  classifier,
  DEMULTIPLEXERS,
  features,
  frozenNames,
  initialModel,
  instancesOf,
  MULTIPLEXERS,
  modelShapes,
} from '../src/mux/index.ts';
import { gateNodes, gateShapes, gateSites, keptByGates, slicePruned } from '../src/prune/index.ts';
import { compile, cpu, type Feeds, openSession, type Session } from '../src/runtime/index.ts';
import { compileStep, startState } from '../src/train/step.ts';
import { loudParameters, raggedTexts, tinyConfig, worstDifference } from './tiny-bert.kit.ts';

const [D, H, T, GROUPS] = [24, 2, 5, 2];
const V = tinyConfig.encoder.vocabularySize;
const C = tinyConfig.labels.length;
const TOLERANCE = 1e-4;
/** Of training. The slowest pair needs 17. */
const STEPS = 20;

/** One layer is enough where nothing happens between layers. */
function withLayers(count: number): ModelConfig {
  const layers = tinyConfig.encoder.layers.slice(0, count);
  const encoder = { ...tinyConfig.encoder, hiddenSize: D, headSize: D / H, layers, maxPositions: 12 };
  return { ...tinyConfig, encoder, featureSize: D };
}

type Names = readonly [multiplexer: string, demultiplexer: string];

function multiplexed([multiplexer, demultiplexer]: Names, instances: number, prefillLayers = 0): ModelConfig {
  return {
    ...withLayers(1 + prefillLayers),
    mux: { instances, multiplexer, demultiplexer, ...(prefillLayers > 0 && { prefillLayers }) },
  };
}

const pairs: readonly Names[] = Object.keys(MULTIPLEXERS).flatMap((multiplexer) =>
  Object.keys(DEMULTIPLEXERS).map((demultiplexer) => [multiplexer, demultiplexer] as const),
);
/** Every demultiplexer, and a multiplexer of each kind. */
const some: readonly Names[] = [
  ['gaussian-hadamard', 'rsa'],
  ['random-orthogonal', 'index'],
  ['subspace', 'mlp'],
  ['contextual', 'index'],
  ['contextual-subspace', 'rsa'],
];

/** Every pair; and some that mix after a layer, and some over tokens. */
const CASES: readonly (readonly [string, ModelConfig])[] = [
  ...[2, 3].flatMap((N): [string, ModelConfig][] => [
    ...pairs.map((names): [string, ModelConfig] => [`${names.join(' and ')}, N = ${N}`, multiplexed(names, N)]),
    ...some.flatMap((names): [string, ModelConfig][] => [
      [`${names.join(' and ')}, N = ${N}, mixed after a layer`, multiplexed(names, N, 1)],
      [`${names.join(' and ')}, N = ${N}, over tokens`, { ...multiplexed(names, N), task: 'tokens' }],
    ]),
  ]),
  ['one text alone, over tokens', { ...withLayers(1), task: 'tokens' }],
];

const treeFeeds = (tree: ParameterTree): Feeds => Object.fromEntries(tree);

/** The rows of each tensor in another order of groups. */
function regrouped(texts: Feeds, N: number, order: readonly number[]): Feeds {
  return Object.fromEntries(
    Object.entries(texts).map(([name, { data, shape }]) => {
      const size = N * (shape[1] ?? 1);
      const cells = order.flatMap((group) => Array.from(data.slice(group * size, (group + 1) * size), Number));
      return [name, int64(cells, shape)];
    }),
  );
}

/** With other words in one row. */
function reworded(texts: Feeds, row: number): Feeds {
  const { data, shape } = texts.input_ids as Tensor;
  const ids = Array.from(data, Number).map((id, cell) => (Math.floor(cell / T) === row ? (id + 7) % V : id));
  return { ...texts, input_ids: int64(ids, shape) };
}

/** With columns of padding after the last token, and an id in them. */
function padded(texts: Feeds, columns: number): Feeds {
  return Object.fromEntries(
    Object.entries(texts).map(([name, { data, shape }]) => {
      const [R = 0, width = 0] = shape;
      const fill = name === 'input_ids' ? 7 : 0;
      const rows = Array.from({ length: R }, (_, row) => [
        ...Array.from(data.slice(row * width, (row + 1) * width), Number),
        ...Array(columns).fill(fill),
      ]);
      return [name, int64(rows.flat(), [R, width + columns])];
    }),
  );
}

/** Groups of the training test: two classes for N texts. */
const trainingGroups = (config: ModelConfig): number => 2 ** instancesOf(config);

/** Mean cross-entropy of all logits with labels of as many cells. */
function lossOf(config: ModelConfig, p: Parameters): Node {
  const R = trainingGroups(config) * instancesOf(config);
  const logits = classifier(tokenInputs(R, T), config, p);
  const cells = product(logits.shape.slice(0, -1));
  return reduceMean(crossEntropy(reshape(logits, [cells, C]), input('labels', [cells], 'int64')), [0]);
}

/**
 * A group for each way to give N texts one of two classes, and one text per class. Whatever is known of the other slots, both classes are as
 * likely in a slot: a model that does not read it, or that confuses two, has a mean loss of at least ln 2 / N.
 */
function separable(config: ModelConfig): Feeds {
  const [N, groups] = [instancesOf(config), trainingGroups(config)];
  const R = N * groups;
  const classes = Array.from({ length: R }, (_, row) => (Math.floor(row / N) >> (row % N)) & 1);
  const ids = classes.flatMap((each) => Array.from({ length: T }, (_, at) => each + C * at));
  const labels = config.task === 'tokens' ? classes.flatMap((each) => Array<number>(T).fill(each)) : classes;
  return {
    input_ids: int64(ids, [R, T]),
    attention_mask: int64(Array(R * T).fill(1), [R, T]),
    token_type_ids: int64(Array(R * T).fill(0), [R, T]),
    labels: int64(labels, [labels.length]),
    'batch.words': int64([...Array(V).keys()], [V]),
  };
}

/** Gates that close about a third of everything, but no layer. */
function randomGates({ encoder }: ModelConfig, seed: number): ParameterTree {
  const draws = random(seed, 'gates');
  return new Map(
    Array.from(gateShapes(encoder, 'hard'), ([name, shape]): [string, FloatTensor] => {
      const isLayer = /\.(attention|ffn)$/.test(name);
      const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, at) =>
        Number(isLayer || at === 0 || draws.uniform() > 0.35),
      );
      return [name, float32(values, shape)];
    }),
  );
}

describe.each(CASES)('%s', (_, config) => {
  const N = instancesOf(config);
  const R = N * GROUPS;
  const parameters = loudParameters(config, 1);
  const texts = raggedTexts(R, T);
  const frozen = frozenNames(config);
  const nodes = parameterInputs(modelShapes(config));
  /** The keys' bias moves all scores of a query alike: its gradient is 0 by nature. */
  const moving = [...nodes.keys()].filter((name) => !frozen.has(name) && !name.endsWith('.key.bias'));
  let training: Session;
  let exported: Session;

  beforeAll(async () => {
    const p = parametersFrom(nodes);
    const inputs = tokenInputs(R, T);
    const logits = classifier(inputs, config, p);
    const slopes = gradients(sumSquares(logits), moving.map(p));
    const outputs = {
      logits,
      first: features(inputs, config, p, 'first'),
      all: features(inputs, config, p, 'all'),
      ...Object.fromEntries(moving.map((name, at) => [`d ${name}`, slopes[at] as Node])),
    };
    training = await compile({ outputs }, cpu(1));
    exported = await openSession(exportClassifier(config, parameters).bytes, cpu(1));
  });
  afterAll(() => Promise.all([training.close(), exported.close()]));

  const trained = (feeds: Feeds): Promise<Readonly<Record<string, Tensor>>> =>
    training.run({ ...feeds, ...treeFeeds(parameters) });
  const logitsOf = async (feeds: Feeds): Promise<Float32Array> =>
    ((await exported.run(feeds)).logits as FloatTensor).data;

  it('has features of the first position or of all, of which the first is the same, and logits', async () => {
    const { first, all, logits } = (await trained(texts)) as Record<string, FloatTensor>;
    expect(first?.shape).toEqual([R, 1, D]);
    expect(all?.shape).toEqual([R, T, D]);
    expect(logits?.shape).toEqual(config.task === 'tokens' ? [R, T, C] : [R, C]);
    const leading = Array.from({ length: R }, (_, row) => [...(all?.data.slice(row * T * D, row * T * D + D) ?? [])]);
    expect(worstDifference(leading.flat(), first?.data ?? [])).toBeLessThan(TOLERANCE);
  });

  it('exports what was trained', async () => {
    const expected = (await trained(texts)).logits as FloatTensor;
    expect(worstDifference(await logitsOf(texts), expected.data)).toBeLessThan(TOLERANCE);
    expect(new Set(expected.data.map((value) => Math.round(value * 100))).size).toBeGreaterThan(R); // so that agreeing means something
  });

  it('has a gradient for every parameter that is trained', async () => {
    const results = (await trained(texts)) as Record<string, FloatTensor>;
    const dead = moving.filter((name) => !results[`d ${name}`]?.data.some((value) => Math.abs(value) > 1e-6));
    expect(dead).toEqual([]);
  });

  it('permutes logits as groups are permuted', async () => {
    const logits = await logitsOf(texts);
    const size = logits.length / GROUPS;
    const permuted = await logitsOf(regrouped(texts, N, [1, 0]));
    expect(worstDifference(permuted, [...logits.slice(size), ...logits.slice(0, size)])).toBeLessThan(1e-5);
  });

  it('does not care how far rows are padded', async () => {
    const logits = await logitsOf(texts);
    const more = await logitsOf(padded(texts, 2));
    const kept = more.filter((_, at) => config.task !== 'tokens' || Math.floor(at / C) % (T + 2) < T);
    expect(worstDifference(kept, logits)).toBeLessThan(1e-5);
  });

  if (N > 1)
    it('has other features for the same text at each place', async () => {
      const text = raggedTexts(1, T);
      const same = Object.fromEntries(
        Object.entries(text).map(([name, { data }]) => [
          name,
          int64(Array.from({ length: R }, () => Array.from(data, Number)).flat(), [R, T]),
        ]),
      );
      const { data } = (await trained(same)).first as FloatTensor;
      expect(worstDifference(data.slice(0, D), data.slice(D, 2 * D))).toBeGreaterThan(1e-2);
      expect(worstDifference(data.slice(0, D), data.slice(N * D, (N + 1) * D))).toBeLessThan(1e-5);
    });

  it('has other features for other words in a slot, whichever it is, and the same in other groups', async () => {
    const rows = async (feeds: Feeds): Promise<Float32Array[]> => {
      const { data } = (await trained(feeds)).first as FloatTensor;
      return Array.from({ length: R }, (_, row) => data.slice(row * D, (row + 1) * D));
    };
    const before = await rows(texts);
    for (let slot = 0; slot < N; slot++) {
      const after = await rows(reworded(texts, slot));
      const changes = before.map((each, row) => worstDifference(each, after[row] ?? []));
      expect(changes[slot]).toBeGreaterThan(1e-2);
      expect(Math.max(...changes.slice(N))).toBeLessThan(1e-5);
    }
  });

  // The two tests that compile most have one N each.
  if (N !== 3)
    it('learns the class of the text in each slot, and leaves frozen parameters alone', async () => {
      const initial = initialModel(config, 1);
      const never = new Map([...initial].filter(([name]) => frozen.has(name)));
      const before = new Map(Array.from(never, ([name, { data }]) => [name, data.slice()]));
      const state = startState(new Map([...initial].filter(([name]) => !frozen.has(name))));
      const group = { name: 'all', has: () => true, learningRate: 0.01, weightDecay: 0, isClipped: true };
      const objective = (p: Parameters) => ({ loss: lossOf(config, p), metrics: {} });
      const plan = { trained: state.parameters, frozen: never, parameterGroups: [group], clipNorm: 1, objective };
      const step = await compileStep(plan, cpu(1));
      const losses: number[] = [];
      for (let at = 1; at <= STEPS; at++)
        losses.push((await step.run(state, separable(config), 1, at)).loss ?? Number.NaN);
      await step.close();
      expect(losses.at(-1)).toBeLessThan((0.5 * Math.LN2) / N);
      for (const [name, { data }] of never) expect(data).toEqual(before.get(name));
    });

  if (N !== 2)
    it('computes the same with gates shut and with what they shut cut out', async () => {
      const gates = gateNodes(parametersFrom(parameterInputs(gateShapes(config.encoder, 'hard'))), 'hard');
      const dense = classifier(tokenInputs(R, T), config, parametersFrom(nodes));
      const [logits] = attach([dense], [gateSites(config.encoder, gates)]) as [Node];
      const gated = await compile({ outputs: { logits } }, cpu(1));
      for (const seed of [1, 2]) {
        const shut = randomGates(config, seed);
        const expected = (await gated.run({ ...texts, ...treeFeeds(parameters), ...treeFeeds(shut) })).logits;
        const sliced = slicePruned(config, parameters, keptByGates(config.encoder, shut));
        const shapes = Array.from(sliced.parameters, ([name, { shape }]) => [name, shape]);
        expect(shapes).toEqual([...modelShapes(sliced.config)]);
        const session = await openSession(exportClassifier(sliced.config, sliced.parameters).bytes, cpu(1));
        const found = (await session.run(texts)).logits as FloatTensor;
        await session.close();
        expect(worstDifference(found.data, (expected as FloatTensor).data)).toBeLessThan(TOLERANCE);
      }
      await gated.close();
    });
});
