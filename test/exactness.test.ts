/**
 * Slicing is exact (design.md, mechanism 5): the model that pruning leaves computes what the gated one did, for any gates of 0 and 1,
 * alone and multiplexed, with ragged masks and two segments. Also: gates that are all open change nothing, gradients included.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type FloatTensor,
  float32,
  int64,
  type ParameterTree,
  parameterOf,
  random,
  sizeOf,
  type Tensor,
} from '../src/base/index.ts';
import { attach, gradients, type Node, sumSquares } from '../src/graph/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, tokenInputs } from '../src/model/index.ts';
import { classifier, instancesOf, modelShapes } from '../src/mux/index.ts';
import { gateNodes, gateShapes, gateSites, gateTensors, keptByGates, slicePruned } from '../src/prune/index.ts';
import { compile, cpu, type Feeds, type Session } from '../src/runtime/index.ts';

const [H, K, F, L, T, V] = [4, 4, 12, 2, 7, 40];
const D = H * K;
const GROUPS = 3;
const TOLERANCE = 1e-4;

const alone: ModelConfig = {
  encoder: {
    vocabularySize: V,
    hiddenSize: D,
    headSize: K,
    layers: Array.from({ length: L }, () => ({ heads: H, intermediateSize: F })),
    maxPositions: T + 2,
    typeVocabularySize: 2,
    layerNormEpsilon: 1e-12,
    dropout: 0.1,
  },
  labels: ['a', 'b', 'c'],
  featureSize: D,
};
const multiplexed: ModelConfig = { ...alone, mux: { instances: 3, multiplexer: 'hadamard', demultiplexer: 'rsa' } };

/** Parameters large enough that every part of the model shows in the logits; norms scale by about 1. */
function parametersOf(config: ModelConfig, seed: number): ParameterTree {
  return new Map(
    Array.from(modelShapes(config), ([name, shape]): [string, FloatTensor] => {
      const draws = random(seed, name);
      const centre = name.endsWith('LayerNorm.weight') ? 1 : 0;
      return [name, float32(Float32Array.from({ length: sizeOf(shape) }, () => centre + 0.4 * draws.normal()), shape)];
    }),
  );
}

/** Texts of different lengths, each with a second segment. */
function textsOf(rows: number, seed: number): Feeds {
  const draws = random(seed, 'texts');
  const lengths = Array.from({ length: rows }, () => 1 + draws.integer(T));
  const splits = lengths.map((length) => draws.integer(length + 1));
  const each = (value: (row: number, at: number) => number): Tensor =>
    int64(
      Array.from({ length: rows * T }, (_, cell) => value(Math.floor(cell / T), cell % T)),
      [rows, T],
    );
  return {
    input_ids: each(() => draws.integer(V)),
    attention_mask: each((row, at) => Number(at < (lengths[row] ?? 0))),
    token_type_ids: each((row, at) => Number(at >= (splits[row] ?? 0))),
  };
}

function logitsOf(config: ModelConfig): Node {
  const inputs = tokenInputs(GROUPS * instancesOf(config), T);
  return classifier(inputs, config, parametersFrom(parameterInputs(modelShapes(config))));
}

function gatedLogitsOf(config: ModelConfig): Node {
  const gates = gateNodes(parametersFrom(parameterInputs(gateShapes(config.encoder, 'hard'))), 'hard');
  return attach([logitsOf(config)], [gateSites(config.encoder, gates)])[0] as Node;
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

function worstDifference(left: readonly number[], right: readonly number[]): number {
  expect(left).toHaveLength(right.length);
  return left.reduce((worst, value, at) => Math.max(worst, Math.abs(value - (right[at] ?? Number.NaN))), 0);
}

/** `count` ones, then zeros, or the same in any order. */
const ones = (size: number, count = size): number[] => Array.from({ length: size }, (_, at) => Number(at < count));
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
  'one hidden dimension left': { ...open, hidden: ones(D, 1) },
};

const bit = fc.constantFrom(0, 1);
const mostlyOpen = fc.constantFrom(0, 1, 1, 1);
const bits = (size: number) => fc.array(bit, { minLength: size, maxLength: size });

// One dimension, or at least four: between two or three nearly equal values, single precision alone costs more than the tolerance,
// since the runtime's own norm takes its variance as a difference of means.
const anyGates: fc.Arbitrary<Gates> = fc.record({
  hidden: fc.oneof(
    { weight: 1, arbitrary: fc.integer({ min: 0, max: D - 1 }).map((at) => ones(D).map((_, other) => Number(other === at))) },
    { weight: 5, arbitrary: bits(D).filter((gates) => gates.filter((gate) => gate > 0).length >= 4) },
  ),
  attention: fc.array(mostlyOpen, { minLength: L, maxLength: L }),
  heads: bits(L * H),
  ffn: fc.array(mostlyOpen, { minLength: L, maxLength: L }),
  intermediate: bits(L * F),
});

describe.each([
  ['alone', alone],
  ['multiplexed', multiplexed],
])('%s', (_, config) => {
  let gated: Session;

  beforeAll(async () => {
    gated = await compile({ outputs: { logits: gatedLogitsOf(config) } }, cpu(1));
  });
  afterAll(() => gated.close());

  async function compare(gates: ParameterTree, seed: number): Promise<{ readonly worst: number; readonly logits: number[] }> {
    const parameters = parametersOf(config, seed);
    const texts = textsOf(GROUPS * instancesOf(config), seed);
    const feeds = Object.fromEntries([...parameters, ...gates]);
    const expected = await logitsFrom(gated, { ...feeds, ...texts });
    const sliced = slicePruned(config, parameters, keptByGates(config.encoder, gates));
    const outputs = { logits: logitsOf(sliced.config) };
    const session = await compile({ outputs, weights: sliced.parameters }, cpu(1));
    const logits = await logitsFrom(session, texts);
    await session.close();
    return { worst: worstDifference(logits, expected), logits };
  }

  it.each(Object.entries(CASES))('slices exactly: %s', async (_, gates) => {
    const { worst, logits } = await compare(treeOf(gates), 1);
    expect(worst).toBeLessThan(TOLERANCE);
    expect(Math.max(...logits) - Math.min(...logits)).toBeGreaterThan(0.1); // so that agreeing means something
  });

  it('slices exactly: any gates', async () => {
    const property = fc.asyncProperty(anyGates, fc.integer({ min: 1, max: 1000 }), async (gates, seed) => {
      const { worst } = await compare(treeOf(gates), seed);
      expect(worst).toBeLessThan(TOLERANCE);
    });
    await fc.assert(property, { numRuns: 20, seed: 5 });
  });

  it('cannot tell a closed layer gate from closed parts', async () => {
    const gates = treeOf({ ...open, attention: [0, 1], ffn: [1, 0], heads: [...ones(H), ...ones(H, 0)] });
    const folded = gateTensors(config.encoder, keptByGates(config.encoder, gates));
    expect(folded).not.toEqual(gates);
    const feeds = { ...Object.fromEntries(parametersOf(config, 3)), ...textsOf(GROUPS * instancesOf(config), 3) };
    const closed = await logitsFrom(gated, { ...feeds, ...Object.fromEntries(gates) });
    expect(closed).toEqual(await logitsFrom(gated, { ...feeds, ...Object.fromEntries(folded) }));
  });

  it('trains with open gates as without any', async () => {
    const names = [...modelShapes(config).keys()].filter((name) => !name.startsWith('mux.'));
    const gradientsWith = async (logits: Node): Promise<Readonly<Record<string, Tensor>>> => {
      const inputs = inputsOf(logits, names);
      const slopes = gradients(sumSquares(logits), inputs);
      const outputs = Object.fromEntries(names.map((name, at) => [`d ${name}`, slopes[at] as Node]));
      const session = await compile({ outputs }, cpu(1));
      const parameters = Object.fromEntries([...parametersOf(config, 2), ...treeOf(open)]);
      const results = await session.run({ ...parameters, ...textsOf(GROUPS * instancesOf(config), 2) });
      await session.close();
      return results;
    };
    const [plain, throughGates] = [await gradientsWith(logitsOf(config)), await gradientsWith(gatedLogitsOf(config))];
    for (const [name, { data }] of Object.entries(plain)) {
      const scale = Math.max(1, ...Array.from(data, (value) => Math.abs(Number(value))));
      const gotten = Array.from(throughGates[name]?.data ?? [], Number);
      expect(worstDifference(gotten, Array.from(data, Number)) / scale, name).toBeLessThan(TOLERANCE);
    }
  });
});
