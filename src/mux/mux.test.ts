/** A multiplexed classifier against itself: fillers, padding and the order of groups must not matter; and against plain BERT at N = 1. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loudParameters, tinyConfig } from '../../test/tiny-bert.kit.ts';
import { type FloatTensor, float32, int64, type ParameterTree, random } from '../base/index.ts';
import { input } from '../graph/index.ts';
import { embed, type ModelConfig, parameterInputs, parametersFrom, situate, tokenInputs } from '../model/index.ts';
import { compile, cpu, type Feeds, type Session } from '../runtime/index.ts';
import { checkMux, classifier, gaussianKeys, hadamardMean, initialModel, longestRow, modelShapes } from './index.ts';

const N = 3;
const C = tinyConfig.labels.length;
const config: ModelConfig = {
  ...tinyConfig,
  mux: { instances: N, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' },
};

/** One text: its ids. */
type Row = readonly number[];

function texts(count: number, seed = 1): Row[] {
  const draws = random(seed, 'mux texts');
  return Array.from({ length: count }, () => Array.from({ length: 2 + draws.integer(4) }, () => 1 + draws.integer(18)));
}

/** Rows padded to a length, with whatever id padding has. */
function feedsOf(rows: readonly Row[], tokens = 6, padId = 0): Feeds {
  const cells = (value: (row: Row, at: number) => number) =>
    int64(
      rows.flatMap((row) => Array.from({ length: tokens }, (_, at) => value(row, at))),
      [rows.length, tokens],
    );
  return {
    input_ids: cells((row, at) => row[at] ?? padId),
    attention_mask: cells((row, at) => Number(at < row.length)),
    token_type_ids: cells((row, at) => Number(at >= 2 && at < row.length)),
  };
}

function worstDifference(left: ArrayLike<number>, right: ArrayLike<number>): number {
  expect(left).toHaveLength(right.length);
  return Array.from(left).reduce((most, value, at) => Math.max(most, Math.abs(value - (right[at] as number))), 0);
}

describe('a classifier of 3 inputs per pass', () => {
  let session: Session;

  beforeAll(async () => {
    const p = parametersFrom(parameterInputs(modelShapes(config)));
    const logits = classifier(tokenInputs(`${N}*B`, 'T'), config, p);
    session = await compile({ outputs: { logits }, weights: loudParameters(config, 1) }, cpu(1));
  });
  afterAll(() => session.close());

  const logitsOf = async (feeds: Feeds): Promise<Float32Array> =>
    ((await session.run(feeds)).logits as FloatTensor).data;
  const group = (rows: readonly Row[], at: number): readonly Row[] => rows.slice(at * N, (at + 1) * N);
  const rowsOf = (logits: Float32Array, from: number, to: number): Float32Array => logits.slice(from * C, to * C);

  it('gives a group the logits that it has alone, whatever the other groups are', async () => {
    const rows = texts(4 * N);
    const together = await logitsOf(feedsOf(rows));
    for (let at = 0; at < 4; at++) {
      const alone = await logitsOf(feedsOf(group(rows, at)));
      expect(worstDifference(alone, rowsOf(together, at * N, (at + 1) * N))).toBeLessThan(1e-5);
    }
  });

  it('permutes logits as groups are permuted', async () => {
    const rows = texts(3 * N);
    const logits = await logitsOf(feedsOf(rows));
    const order = [2, 0, 1];
    const permuted = await logitsOf(feedsOf(order.flatMap((at) => group(rows, at))));
    const expected = Float32Array.from(order.flatMap((at) => [...rowsOf(logits, at * N, (at + 1) * N)]));
    expect(worstDifference(permuted, expected)).toBeLessThan(1e-5);
  });

  it('is not changed by fillers in groups of their own', async () => {
    const rows = texts(2 * N);
    const [logits, filled] = [await logitsOf(feedsOf(rows)), await logitsOf(feedsOf([...rows, ...rows.slice(0, N)]))];
    expect(worstDifference(rowsOf(filled, 0, 2 * N), logits)).toBeLessThan(1e-5);
  });

  it('is not changed by more padding', async () => {
    const rows = texts(2 * N);
    const longest = Math.max(...rows.map((row) => row.length));
    const tight = await logitsOf(feedsOf(rows, longest));
    expect(worstDifference(await logitsOf(feedsOf(rows, longest + 2)), tight)).toBeLessThan(1e-5);
  });

  it('mixes what is in a group: a neighbour changes the logits, and the places have keys of their own', async () => {
    const [first, ...others] = texts(N) as [Row, ...Row[]];
    const logits = await logitsOf(feedsOf([first, ...others]));
    const neighbour = await logitsOf(feedsOf([first, ...texts(N - 1, 2)]));
    expect(worstDifference(rowsOf(neighbour, 0, 1), rowsOf(logits, 0, 1))).toBeGreaterThan(1e-3);
    const repeated = await logitsOf(feedsOf([first, first, first]));
    expect(worstDifference(rowsOf(repeated, 0, 1), rowsOf(repeated, 1, 2))).toBeGreaterThan(1e-3);
  });
});

describe('one input per pass, with a key of ones', () => {
  it('is plain BERT up to the mixture, and then embeds it a second time', async () => {
    const parameters: ParameterTree = loudParameters(tinyConfig, 1);
    const { hiddenSize } = tinyConfig.encoder;
    const p = parametersFrom(parameterInputs(modelShapes(tinyConfig)));
    const plain = embed(tokenInputs('B', 'T'), tinyConfig.encoder, p);
    const mixed = hadamardMean(plain, input('keys', [1, hiddenSize]), 'B');
    const twice = situate(mixed, tinyConfig.encoder, p);
    const session = await compile({ outputs: { plain, mixed, twice }, weights: parameters }, cpu(1));
    const keys = float32(new Float32Array(hiddenSize).fill(1), [1, hiddenSize]);
    const results = await session.run({ ...feedsOf(texts(4)), keys });
    await session.close();
    expect(results.mixed).toEqual(results.plain);
    expect(results.twice?.shape).toEqual(results.plain?.shape);
    expect(results.twice?.data).not.toEqual(results.plain?.data);
  });
});

describe('initialModel', () => {
  it('has every parameter of the model, keys of the multiplexer included', () => {
    const fresh = initialModel(config, 3);
    expect([...fresh].map(([name, { shape }]) => [name, shape])).toEqual([...modelShapes(config)]);
    const { hiddenSize } = tinyConfig.encoder;
    const sizes = { instances: N, hiddenSize, featureSize: hiddenSize, dimensions: [...Array(hiddenSize).keys()] };
    expect(fresh.get('mux.keys')).toEqual(gaussianKeys(sizes, 3));
  });

  it('takes from another model what has the same name and shape', () => {
    const teacher = loudParameters(tinyConfig, 1);
    const student = initialModel(config, 3, teacher);
    const name = 'bert.encoder.layer.0.output.dense.weight';
    expect(student.get(name)).toBe(teacher.get(name));
    expect(student.get('demux.keys')).toEqual(initialModel(config, 3).get('demux.keys'));
    const wider = initialModel({ ...config, labels: ['a', 'b', 'c', 'd'] }, 3, teacher);
    expect(wider.get('classifier.bias')?.shape).toEqual([4]);
  });

  it('refuses rows that do not come in groups', () => {
    const p = parametersFrom(parameterInputs(modelShapes(config)));
    expect(() => classifier(tokenInputs(4, 5), config, p)).toThrow('rows in groups of 3');
  });
});

describe('a multiplexer that the encoder cannot have', () => {
  const { maxPositions, layers } = tinyConfig.encoder;
  const withMux = (mux: object): ModelConfig => ({ ...config, mux: { ...config.mux, instances: N, ...names, ...mux } });
  const names = { multiplexer: 'gaussian-hadamard', demultiplexer: 'index' };

  it('has more instances before the text than there are positions', () => {
    expect(longestRow(withMux({}))).toBe(maxPositions - N);
    expect(() => checkMux(withMux({ instances: maxPositions }))).toThrow(
      `instances: expected fewer than the ${maxPositions} positions that the encoder has, got ${maxPositions}`,
    );
    const p = parametersFrom(parameterInputs(modelShapes(withMux({}))));
    expect(() => classifier(tokenInputs(N, maxPositions), withMux({}), p)).toThrow(
      `row: expected at most ${maxPositions - N} tokens, after a prefix of ${N}, got ${maxPositions}`,
    );
  });

  it('mixes after the last layer', () => {
    expect(() => checkMux(withMux({ prefillLayers: layers.length - 1 }))).not.toThrow();
    expect(() => checkMux(withMux({ prefillLayers: layers.length }))).toThrow(
      `prefillLayers: expected fewer than the ${layers.length} layers, got ${layers.length}`,
    );
  });

  it('has instances of less than 8 dimensions, where each needs that', () => {
    expect(() => modelShapes(withMux({ multiplexer: 'contextual-subspace' }))).toThrow('instances: expected at most 1');
  });
});
