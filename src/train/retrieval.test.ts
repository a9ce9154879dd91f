/** Token retrieval: its loss against plain loops in float64, what it asks, and what it moves. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { evaluate, type Values, valuesOf } from '../../test/reference.kit.ts';
import { loudParameters, raggedTexts, tinyConfig } from '../../test/tiny-bert.kit.ts';
import { type FloatTensor, float32, int64, type ParameterTree, random, sizeOf, type Tensor } from '../base/index.ts';
import { gradients, input, type Node } from '../graph/index.ts';
import {
  type ModelConfig,
  parameterInputs,
  parametersFrom,
  tokenInputs,
  wordDecoder,
  wordFeatures,
} from '../model/index.ts';
import { features, frozenNames } from '../mux/index.ts';
import { compile, cpu } from '../runtime/index.ts';
import type { Batch } from './batch-source.ts';
import { evaluateLanguage } from './language-evaluation.ts';
import type { MaskedBatch } from './masking.ts';
import { distilObjective } from './objectives.ts';
import { compressDefaults } from './recipe.ts';
import { retrieve, withRetrieval } from './retrieval.ts';
import { languageModelShapes, type Reading } from './word-prediction.ts';

const [N, B, T] = [3, 2, 4];
const R = N * B;
const config: ModelConfig = {
  ...tinyConfig,
  mux: { instances: N, multiplexer: 'gaussian-hadamard-learned', demultiplexer: 'rsa', prefillLayers: 0 },
};
const { encoder } = config;
const { vocabularySize: V, hiddenSize: D } = encoder;

/** Numbers large enough that every part shows. */
function loud(shapes: ReadonlyMap<string, readonly number[]>): ParameterTree {
  return new Map(
    Array.from(shapes, ([name, shape]): [string, FloatTensor] => {
      const draws = random(1, name);
      const centre = name.endsWith('LayerNorm.weight') ? 1 : 0;
      const values = Float32Array.from({ length: sizeOf(shape) }, () => centre + 0.4 * draws.normal());
      return [name, float32(values, shape)];
    }),
  );
}

const parameters = loud(languageModelShapes(config));
const texts = raggedTexts(R, T);
/** As many as half of B·T; the last one does not count. */
const asked = { cells: [1, 9, 17, 20], weights: [1, 1, 1, 0] };
const feeds = {
  ...texts,
  'retrieval.positions': int64(asked.cells, [4]),
  'retrieval.weights': float32(asked.weights, [4]),
};

const p = parametersFrom(parameterInputs(languageModelShapes(config)));
const reading: Reading = {
  features: features(tokenInputs(R, T), config, p, 'all'),
  decoder: wordDecoder(p),
  ...{ encoder, p },
};

/** What the decoder reads of every cell, [R·T, D], in float64: features and transform have references of their own. */
function readCells(): Values {
  const cells = int64([...Array(R * T).keys()], [R * T]);
  const nodes = [wordFeatures(reading.features, input('cells', [R * T], 'int64'), encoder, p)];
  const given: Record<string, Tensor> = { ...Object.fromEntries(parameters), ...texts, cells };
  return evaluate(
    nodes,
    Object.fromEntries(Object.entries(given).map(([name, x]) => [name, valuesOf(x)])),
  )[0] as Values;
}

/** Logits of every word for a cell, by plain loops. */
function logitsOf(read: Values, cell: number): number[] {
  const table = parameters.get('bert.embeddings.word_embeddings.weight')?.data ?? [];
  const bias = parameters.get('cls.predictions.bias')?.data ?? [];
  return Array.from({ length: V }, (_, word) => {
    let logit = bias[word] as number;
    for (let d = 0; d < D; d++) logit += (read.data[cell * D + d] as number) * (table[word * D + d] as number);
    return logit;
  });
}

/** -log softmax(logits)[word], and whether the word's is the largest. */
function told(logits: readonly number[], word: number): { loss: number; hit: number } {
  const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
  return { loss: Math.log(sum) - (logits[word] as number), hit: Number(Math.max(...logits) === logits[word]) };
}

it('is the mean over what is asked of -log P(token), told from the features of its own instance', async () => {
  const read = readCells();
  const expected = asked.cells
    .filter((_, at) => asked.weights[at] === 1)
    .map((cell) => told(logitsOf(read, cell), Number(texts.input_ids?.data[cell])));
  const mean = (of: (each: { loss: number; hit: number }) => number): number =>
    expected.reduce((sum, each) => sum + of(each), 0) / expected.length;
  const session = await compile({ outputs: { ...retrieve(reading, tokenInputs(R, T).ids, N) } }, cpu(1));
  const { loss, accuracy } = await session.run({ ...Object.fromEntries(parameters), ...feeds });
  await session.close();
  expect(Number(loss?.data[0])).toBeCloseTo(
    mean((each) => each.loss),
    4,
  );
  expect(Number(accuracy?.data[0])).toBeCloseTo(
    mean((each) => each.hit),
    6,
  );
});

it('moves the encoder, the multiplexer, the demultiplexer and the head', async () => {
  const shapes = [...languageModelShapes(config)].filter(([name]) => !frozenNames(config).has(name));
  const names = shapes.map(([name]) => name);
  const slopes = gradients(retrieve(reading, tokenInputs(R, T).ids, N).loss, names.map(p));
  const session = await compile(
    { outputs: Object.fromEntries(names.map((name, at) => [`slope/${name}`, slopes[at] as Node])) },
    cpu(1),
  );
  const results = await session.run({ ...Object.fromEntries(parameters), ...feeds });
  await session.close();
  const still = names.filter((name) => results[`slope/${name}`]?.data.every((value) => Number(value) === 0));
  expect(still).toEqual([]);
  expect(names).toContain('mux.keys');
});

/** A batch of rows of given lengths in terms of its own words, some of them masked: ids begin at 4; [CLS] is 2 and [SEP] 3. */
function batchOf(lengths: readonly number[], tokens: number, masked: readonly number[]): Batch {
  const rows = lengths.length;
  const idOf = (cell: number): number => {
    const [row, at] = [Math.floor(cell / tokens), cell % tokens];
    const length = lengths[row] ?? 0;
    if (at === 0) return 0;
    return at === length - 1 ? 1 : 2 + (cell % 5);
  };
  const cells = [...Array(rows * tokens).keys()];
  return {
    ...{ rows, tokens, examples: rows },
    feeds: {
      input_ids: int64(cells.map(idOf), [rows, tokens]),
      attention_mask: int64(
        cells.map((cell) => Number(cell % tokens < (lengths[Math.floor(cell / tokens)] ?? 0))),
        [rows, tokens],
      ),
      'batch.words': int64([2, 3, 4, 5, 6, 7, 8], [7]),
      'masked.positions': int64(masked, [masked.length]),
      'masked.weights': float32(
        masked.map((_, at) => at % 2),
        [masked.length],
      ),
    },
  };
}

it('asks for tokens, each group at a position once: no padding, no special or masked tokens', async () => {
  const shape = fc.record({
    instances: fc.integer({ min: 2, max: 4 }),
    groups: fc.integer({ min: 1, max: 3 }),
    tokens: fc.integer({ min: 3, max: 9 }),
    seed: fc.nat(1000),
  });
  const property = fc.asyncProperty(
    shape,
    fc.infiniteStream(fc.nat(1000)),
    async ({ instances, groups, tokens, seed }, numbers) => {
      const next = (below: number): number => Number(numbers.next().value) % below;
      const rows = instances * groups;
      const lengths = Array.from({ length: rows }, () => 2 + next(tokens - 1));
      const masked = Array.from({ length: 4 }, () => next(rows * tokens));
      const given = batchOf(lengths, tokens, masked);
      const source = { steps: 1, batch: async () => given };
      const batches = withRetrieval(() => source, { instances, specialIds: new Set([2, 3]) });
      const { feeds: drawn } = await batches(seed).batch(1);
      expect((await batches(seed).batch(1)).feeds).toEqual(drawn);
      const [positions, weights] = [drawn['retrieval.positions'], drawn['retrieval.weights']];
      const count = Math.max(1, Math.round((groups * tokens) / 2));
      expect(positions?.shape).toEqual([count]);
      const asks = Array.from(positions?.data ?? [], Number).filter((_, at) => weights?.data[at] === 1);
      const hidden = masked.filter((_, at) => at % 2 === 1);
      for (const cell of asks) {
        const [row, at] = [Math.floor(cell / tokens), cell % tokens];
        expect(at).toBeGreaterThan(0);
        expect(at).toBeLessThan((lengths[row] ?? 0) - 1);
        expect(hidden).not.toContain(cell);
      }
      const places = asks.map((cell) => `${Math.floor(cell / tokens / instances)} ${cell % tokens}`);
      expect(new Set(places).size).toBe(places.length);
      // Places of a group where some instance has a token to ask for: all are asked, as far as there is room.
      const askable = new Set(
        [...Array(rows * tokens).keys()]
          .filter((cell) => cell % tokens > 0 && cell % tokens < (lengths[Math.floor(cell / tokens)] ?? 0) - 1)
          .filter((cell) => !hidden.includes(cell))
          .map((cell) => `${Math.floor(cell / tokens / instances)} ${cell % tokens}`),
      );
      expect(asks.length).toBe(Math.min(count, askable.size));
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

it('asks every instance about as often', async () => {
  const batches = withRetrieval(() => ({ steps: 1, batch: async () => batchOf([9, 9, 9, 9], 9, []) }), {
    instances: 4,
    specialIds: new Set([2, 3]),
  });
  const asks: number[] = [];
  for (let seed = 0; seed < 250; seed++) {
    const { feeds: drawn } = await batches(seed).batch(1);
    for (const cell of drawn['retrieval.positions']?.data ?? []) asks.push(Math.floor(Number(cell) / 9));
  }
  // Within four standard deviations of a binomial at 1/4.
  for (const slot of [0, 1, 2, 3]) {
    expect(Math.abs(asks.filter((each) => each === slot).length - asks.length / 4)).toBeLessThan(
      4 * Math.sqrt((asks.length * 3) / 16),
    );
  }
});

it('is measured by slot on words that are there to be read, from all of the vocabulary', async () => {
  const perRow = 2;
  const cells = Array.from({ length: R }, (_, row) => [row * T, row * T + 1]).flat();
  const original = texts.input_ids as Tensor<'int64'>;
  const batch: MaskedBatch = {
    ...{ rows: R, tokens: T, original },
    ids: { ...original, data: original.data.map(() => 5n) },
    mask: texts.attention_mask as Tensor<'int64'>,
    types: texts.token_type_ids as Tensor<'int64'>,
    positions: int64(cells, [R * perRow]),
    targets: int64(
      cells.map((cell) => Number(original.data[cell])),
      [R * perRow],
    ),
    weights: float32(
      cells.map((_, at) => Number(at !== 3)),
      [R * perRow],
    ),
  };
  const read = readCells();
  const hits = cells.map((cell) => told(logitsOf(read, cell), Number(original.data[cell])).hit);
  const expected = Array.from({ length: N }, (_, slot) => {
    const own = cells.flatMap((cell, at) =>
      Math.floor(cell / T) % N === slot && at !== 3 ? [hits[at] as number] : [],
    );
    return own.reduce((sum, hit) => sum + hit, 0) / own.length;
  });
  const { retrievalAccuracy, retrievalAccuracyBySlot } = await evaluateLanguage(config, parameters, [batch], cpu(1));
  retrievalAccuracyBySlot?.forEach((accuracy, slot) => {
    expect(accuracy).toBeCloseTo(expected[slot] as number, 6);
  });
  const counted = hits.filter((_, at) => at !== 3);
  expect(retrievalAccuracy).toBeCloseTo(counted.reduce((sum, hit) => sum + hit, 0) / counted.length, 6);
});

it('beside answers: adds its weight times its loss, and leaves answers as they are', async () => {
  const nodes = {
    inputs: tokenInputs(R, T),
    labels: input('batch.labels', [R], 'int64'),
    weights: input('batch.weights', [R]),
    teacherLogits: (classes: number) => input('batch.teacherLogits', [R, classes]),
  };
  const all = new Map([...loudParameters(config, 1), ...parameters]);
  const every = (name: string): Node => input(name, all.get(name)?.shape ?? []);
  const silent = () => undefined;
  const lossAt = (retrieval: number) =>
    distilObjective(config, { ...compressDefaults.losses, retrieval })(nodes, every, silent);
  const outputs = {
    with: lossAt(0.3).loss,
    without: lossAt(0).loss,
    alone: retrieve({ ...reading, features: features(tokenInputs(R, T), config, every, 'all') }, nodes.inputs.ids, N)
      .loss,
  };
  const session = await compile({ outputs }, cpu(1));
  const results = await session.run({
    ...Object.fromEntries(all),
    ...feeds,
    'batch.labels': int64(
      Array.from({ length: R }, (_, row) => row % 3),
      [R],
    ),
    'batch.weights': float32(new Float32Array(R).fill(1), [R]),
    'batch.teacherLogits': float32(
      Float32Array.from({ length: R * 3 }, (_, at) => at % 5),
      [R, 3],
    ),
  });
  await session.close();
  const value = (name: string): number => Number(results[name]?.data[0]);
  expect(value('with')).toBeCloseTo(value('without') + 0.3 * value('alone'), 4);
});
