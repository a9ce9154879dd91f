/**
 * Slicing is exact (design.md, mechanism 5): the model that pruning leaves computes what the gated one did, and so does its ONNX export, for
 * any gates of 0 and 1, alone and multiplexed, with ragged masks and two segments; and it has the same gradients.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FloatTensor, float32, type ParameterTree } from '../src/base/index.ts';
import { attach, gradients, type Node, sumSquares } from '../src/graph/index.ts';
import { exportClassifier } from '../src/infer/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, tokenInputs } from '../src/model/index.ts';
import { classifier, instancesOf, modelShapes } from '../src/mux/index.ts';
import {
  gateNodes,
  gateShapes,
  gateSites,
  gateTensors,
  keptByGates,
  slicePruned,
  uniformShape,
} from '../src/prune/index.ts';
import { compile, cpu, type Feeds, openSession, type Session } from '../src/runtime/index.ts';
import { loudParameters, raggedTexts, tinyConfig, worstDifference } from './tiny-bert.kit.ts';

const alone = tinyConfig;
const { D, H, F, L } = uniformShape(alone.encoder);
const T = 7;
const GROUPS = 3;
const TOLERANCE = 1e-4;

const multiplexed = {
  ...alone,
  mux: { instances: 3, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' },
} satisfies ModelConfig;

/** Other strategies, of two inputs, with room for a prefix. */
const mixedBy = (multiplexer: string, demultiplexer: string): ModelConfig => ({
  ...alone,
  encoder: { ...alone.encoder, maxPositions: T + 2 },
  mux: { instances: 2, multiplexer, demultiplexer },
});

const mixedAfterALayer: ModelConfig = { ...multiplexed, mux: { ...multiplexed.mux, prefillLayers: 1 } };

function logitsOf(config: ModelConfig, parameters = parameterInputs(modelShapes(config))): Node {
  return classifier(tokenInputs(GROUPS * instancesOf(config), T), config, parametersFrom(parameters));
}

function gateLogits(logits: Node): Node {
  const gates = gateNodes(parametersFrom(parameterInputs(gateShapes(alone.encoder, 'hard'))), 'hard');
  return attach([logits], [gateSites(alone.encoder, gates)])[0] as Node;
}

function feedsOf(...trees: readonly ParameterTree[]): Feeds {
  return Object.fromEntries(trees.flatMap((tree) => [...tree]));
}

async function logitsFrom(session: Session, feeds: Feeds): Promise<number[]> {
  return Array.from((await session.run(feeds)).logits?.data ?? [], Number);
}

/** Gates of 0 and 1 by family, as the gated graph takes them. */
interface Gates {
  readonly hidden: readonly number[];
  readonly attention: readonly number[];
  readonly heads: readonly number[];
  readonly ffn: readonly number[];
  readonly intermediate: readonly number[];
}

function treeOf(gates: Gates): ParameterTree {
  const shapes = gateShapes(alone.encoder, 'hard');
  return new Map(
    Array.from(shapes, ([name, shape]) => [name, float32(gates[name.split('.').at(-1) as keyof Gates], shape)]),
  );
}

/** The gradients of Σ logits² with respect to every parameter. */
async function gradientsOf(
  config: ModelConfig,
  feeds: Feeds,
  rewrite = (logits: Node) => logits,
): Promise<ParameterTree> {
  const parameters = parameterInputs(modelShapes(config));
  const logits = rewrite(logitsOf(config, parameters));
  const slopes = gradients(sumSquares(logits), [...parameters.values()]);
  // Under names of their own, as inputs and outputs of a model may not share any.
  const outputs = Object.fromEntries([...parameters.keys()].map((name, at) => [`d ${name}`, slopes[at] as Node]));
  const session = await compile({ outputs }, cpu(1));
  const results = await session.run(feeds);
  await session.close();
  return new Map(Array.from(parameters.keys(), (name) => [name, results[`d ${name}`] as FloatTensor]));
}

/** `count` ones, then zeros. */
const ones = (size: number, count = size): number[] => Array.from({ length: size }, (_, at) => Number(at < count));
const alternating = (size: number): number[] => Array.from({ length: size }, (_, at) => at % 2);
const open: Gates = {
  hidden: ones(D),
  attention: ones(L),
  heads: ones(L * H),
  ffn: ones(L),
  intermediate: ones(L * F),
};

const CASES: Readonly<Record<string, Gates>> = {
  'everything open': open,
  'all heads of a layer gone': { ...open, heads: [...ones(H, 0), ...ones(H)] },
  'a whole feed-forward gone, by its units': { ...open, intermediate: [...ones(F), ...ones(F, 0)] },
  'a whole feed-forward gone, by its gate': { ...open, ffn: [0, 1] },
  'a layer gone': { ...open, attention: [0, 1], ffn: [0, 1] },
  'every layer gone': { ...open, attention: [0, 0], intermediate: ones(L * F, 0) },
  'half of everything gone': {
    hidden: alternating(D),
    attention: ones(L),
    heads: alternating(L * H),
    ffn: ones(L),
    intermediate: alternating(L * F),
  },
  'one hidden dimension left': { ...open, hidden: ones(D, 1) },
  'one hidden dimension, one head and one unit left': {
    hidden: ones(D, 1),
    attention: [0, 1],
    heads: [...ones(H), ...ones(H, 1)],
    ffn: [1, 0],
    intermediate: ones(L * F, 1),
  },
};

const bit = fc.constantFrom(0, 1);
const mostlyOpen = fc.constantFrom(0, 1, 1, 1);
const bits = (size: number) => fc.array(bit, { minLength: size, maxLength: size });

const single = fc.nat(D - 1).map((kept) => Array.from({ length: D }, (_, at) => Number(at === kept)));

const anyGates: fc.Arbitrary<Gates> = fc.record({
  hidden: fc.oneof(
    { weight: 1, arbitrary: single },
    { weight: 5, arbitrary: bits(D).filter((gates) => gates.some((gate) => gate > 0)) },
  ),
  attention: fc.array(mostlyOpen, { minLength: L, maxLength: L }),
  heads: bits(L * H),
  ffn: fc.array(mostlyOpen, { minLength: L, maxLength: L }),
  intermediate: bits(L * F),
});

const openGated = (config: ModelConfig): Promise<Session> =>
  compile({ outputs: { logits: gateLogits(logitsOf(config)) } }, cpu(1));

/** The logits of the sliced model, and how far they and those of its export are from those of the gated one. */
async function compare(
  gated: Session,
  config: ModelConfig,
  gates: ParameterTree,
  seed: number,
): Promise<{ readonly worst: number; readonly logits: number[] }> {
  const parameters = loudParameters(config, seed);
  const texts = raggedTexts(GROUPS * instancesOf(config), T, seed);
  const expected = await logitsFrom(gated, { ...feedsOf(parameters, gates), ...texts });
  const sliced = slicePruned(config, parameters, keptByGates(config.encoder, gates));
  const outputs = { logits: logitsOf(sliced.config) };
  const session = await compile({ outputs, weights: sliced.parameters }, cpu(1));
  const exported = await openSession(exportClassifier(sliced.config, sliced.parameters).bytes, cpu(1));
  const [logits, delivered] = [await logitsFrom(session, texts), await logitsFrom(exported, texts)];
  await Promise.all([session.close(), exported.close()]);
  const worst = Math.max(worstDifference(logits, expected), worstDifference(delivered, expected));
  return { worst, logits };
}

describe.each([
  ['alone', alone],
  ['multiplexed', multiplexed],
  ['mixed after a layer', mixedAfterALayer],
])('%s', (_, config) => {
  let gated: Session;

  beforeAll(async () => {
    gated = await openGated(config);
  });
  afterAll(() => gated.close());

  it.each(Object.entries(CASES))('slices exactly: %s', async (_, gates) => {
    const { worst, logits } = await compare(gated, config, treeOf(gates), 1);
    expect(worst).toBeLessThan(TOLERANCE);
    expect(Math.max(...logits) - Math.min(...logits)).toBeGreaterThan(0.1); // so that agreeing means something
  });

  it('slices exactly: any gates', async () => {
    const property = fc.asyncProperty(anyGates, fc.integer({ min: 1, max: 1000 }), async (gates, seed) => {
      const { worst } = await compare(gated, config, treeOf(gates), seed);
      expect(worst).toBeLessThan(TOLERANCE);
    });
    await fc.assert(property, { numRuns: 20, seed: 5 });
  });

  it('cannot tell a closed layer gate from closed parts', async () => {
    const gates = treeOf({ ...open, attention: [0, 1], ffn: [1, 0], heads: [...ones(H), ...ones(H, 0)] });
    const folded = gateTensors(config.encoder, keptByGates(config.encoder, gates));
    expect(folded).not.toEqual(gates);
    const [parameters, texts] = [loudParameters(config, 3), raggedTexts(GROUPS * instancesOf(config), T, 3)];
    const closed = await logitsFrom(gated, { ...feedsOf(parameters, gates), ...texts });
    expect(closed).toEqual(await logitsFrom(gated, { ...feedsOf(parameters, folded), ...texts }));
  });

  it.each(['everything open', 'a layer gone', 'half of everything gone'])('slices gradients too: %s', async (name) => {
    const gates = treeOf(CASES[name] ?? open);
    const parameters = loudParameters(config, 2);
    const texts = raggedTexts(GROUPS * instancesOf(config), T, 2);
    const gradientsThroughGates = await gradientsOf(config, { ...feedsOf(parameters, gates), ...texts }, gateLogits);
    const kept = keptByGates(config.encoder, gates);
    const expected = slicePruned(config, gradientsThroughGates, kept).parameters;
    const sliced = slicePruned(config, parameters, kept);
    for (const [parameter, { data }] of await gradientsOf(sliced.config, { ...feedsOf(sliced.parameters), ...texts })) {
      const scale = Math.max(1, ...data.map(Math.abs));
      expect(worstDifference(data, expected.get(parameter)?.data ?? []) / scale, parameter).toBeLessThan(TOLERANCE);
    }
  });
});

it.each<[string, ModelConfig]>([
  ['tokens', { ...alone, task: 'tokens' }],
  ['tokens, multiplexed', { ...mixedBy('random-orthogonal', 'mlp'), task: 'tokens' }],
  ['told apart by a prefix', mixedBy('gaussian-hadamard', 'index')],
  ['mixed in context', mixedBy('contextual', 'mlp')],
  ['mixed in subspaces', mixedBy('subspace', 'rsa')],
])('%s: slices exactly where as much as can be is gone', async (_, config) => {
  const gated = await openGated(config);
  for (const [name, gates] of Object.entries(CASES)) {
    const { worst, logits } = await compare(gated, config, treeOf(gates), 1);
    expect(worst, name).toBeLessThan(TOLERANCE);
    expect(Math.max(...logits) - Math.min(...logits), name).toBeGreaterThan(0.1);
  }
  await gated.close();
});
