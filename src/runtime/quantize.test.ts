/**
 * Integers in place of floats: against a plain float64 reference of dynamic quantisation, for whatever ONNX Runtime makes of the operators; and
 * what stays as it is.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FloatTensor, float32, int64, type ParameterTree, type Precision, random } from '../base/index.ts';
import { add, gather, input, linear, matmul, type Node, neg, reshape } from '../graph/index.ts';
import { emit } from './emit.ts';
import { cpu, type Feeds, openSession } from './index.ts';
import { quantizeRows } from './int8.ts';
import { decodeModel, type GraphProto } from './onnx-proto.ts';

function normal(seed: number, name: string, shape: readonly [number, ...number[]], spread = 1): FloatTensor {
  const draws = random(seed, name);
  const size = shape.reduce((product, dim) => product * dim);
  return float32(
    Float32Array.from({ length: size }, () => spread * draws.normal()),
    shape,
  );
}

interface Model {
  readonly outputs: Readonly<Record<string, Node>>;
  readonly weights: ParameterTree;
}

const graphOf = (model: Model, precision: Precision = 'int8'): GraphProto =>
  decodeModel(emit({ ...model, precision }).bytes).graph;
const operators = (model: Model): string[] => graphOf(model).node.map(({ opType }) => opType);

async function run(model: Model, feeds: Feeds, precision: Precision = 'int8'): Promise<Record<string, FloatTensor>> {
  const session = await openSession(emit({ ...model, precision }).bytes, cpu(1));
  const results = await session.run(feeds);
  await session.close();
  return results as Record<string, FloatTensor>;
}

/** Rounds halves to even, as ONNX does. */
function roundToEven(value: number): number {
  const nearest = Math.round(value);
  return nearest - value === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}

/**
 * `DynamicQuantizeLinear` by its definition: 0 to 255 over a range that has 0 in it. Scale and quotient are floats of 32 bits, as the rounding
 * that follows depends on their last one.
 */
function dynamicallyQuantized(values: Float32Array) {
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const scale = Math.fround(Math.fround(high - low) / 255) || 1;
  const zeroPoint = roundToEven(Math.fround(-low / scale));
  const levels = Array.from(values, (value) => {
    return Math.min(255, Math.max(0, roundToEven(Math.fround(value / scale)) + zeroPoint));
  });
  return { levels, scale, zeroPoint };
}

/** max |w| / 127 over the weights that share a scale, in float64 but for being stored in 32 bits. */
const scaleOf = (weights: readonly number[]): number => Math.fround(Math.max(...weights.map(Math.abs)) / 127) || 1;

/** x Wᵀ + b with uint8 x and int8 W, one loop per index: [m, k], [n, k], [n] -> [m, n]; a scale per row of W, or one for all. */
function referenceLinear(x: FloatTensor, w: FloatTensor, b: FloatTensor, granularity: 'row' | 'tensor'): number[] {
  const [[m = 0, k = 0], [n = 0]] = [x.shape, w.shape];
  const { levels, scale, zeroPoint } = dynamicallyQuantized(x.data);
  const result: number[] = [];
  for (let row = 0; row < m; row++) {
    for (let channel = 0; channel < n; channel++) {
      const weights = Array.from(w.data.subarray(channel * k, (channel + 1) * k));
      const step = scaleOf(granularity === 'row' ? weights : Array.from(w.data));
      const sum = weights.reduce(
        (sum, weight, at) => sum + ((levels[row * k + at] as number) - zeroPoint) * Math.round(weight / step),
        0,
      );
      result.push(scale * step * sum + (b.data[channel] as number));
    }
  }
  return result;
}

/** Largest difference, in parts of the largest value that is expected. */
function worstError(values: Float32Array, expected: ArrayLike<number>): number {
  expect(values.length).toBe(expected.length);
  const errors = values.map((value, at) => Math.abs(value - (expected[at] as number)));
  return Math.max(...errors) / Math.max(...Array.from(expected, Math.abs));
}

const sizes = fc.record({
  m: fc.integer({ min: 1, max: 9 }),
  k: fc.integer({ min: 1, max: 40 }),
  n: fc.integer({ min: 16, max: 40 }),
  seed: fc.nat(),
  /** Of the inputs: activations are rarely centred. */
  shift: fc.double({ min: -3, max: 3, noNaN: true }),
});

/** -(x Wᵀ + b), as what gives an output itself stays in floats. */
function denseModel(m: number, w: FloatTensor, b: FloatTensor): Model {
  const [n = 0, k = 0] = w.shape;
  return {
    outputs: { y: neg(linear(input('x', [m, k]), input('w', [n, k]), input('b', [n]))) },
    weights: new Map([
      ['w', w],
      ['b', b],
    ]),
  };
}

describe('a product with a weight', () => {
  it('is what the formula says, for any shape', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async ({ m, k, n, seed, shift }) => {
        const [w, b] = [normal(seed, 'w', [n, k]), normal(seed, 'b', [n])];
        const x = float32(
          normal(seed, 'x', [m, k]).data.map((value) => value + shift),
          [m, k],
        );
        const { y } = await run(denseModel(m, w, b), { x });
        const expected = referenceLinear(x, w, b, 'row').map((value) => -value);
        expect(worstError((y as FloatTensor).data, expected)).toBeLessThan(1e-5);
      }),
      { numRuns: 40 },
    );
  });

  it('is exact for the largest numbers, whatever the processor', async () => {
    // Pairs of 255 x 127 are beyond 16 bits, where processors without VNNI would add them.
    const [m, k, n] = [4, 64, 32];
    const [w, b] = [float32(new Float32Array(n * k).fill(1), [n, k]), float32(new Float32Array(n), [n])];
    const { y } = await run(denseModel(m, w, b), { x: float32(new Float32Array(m * k).fill(1), [m, k]) });
    for (const value of y?.data ?? []) expect(value).toBeCloseTo(-k, 3);
  });

  it('may stand on the right as it is, without a bias, and in another shape than it is stored in', async () => {
    const [x, w] = [normal(1, 'x', [3, 8]), normal(1, 'w', [2, 8, 8])];
    const model = {
      outputs: { y: neg(matmul(input('x', [3, 8]), reshape(input('w', [2, 8, 8]), [8, 16]))) },
      weights: new Map([['w', w]]),
    };
    expect(graphOf(model).initializer.map(({ name }) => name)).not.toContain('w');
    const turned = float32(
      Array.from({ length: 128 }, (_, at) => w.data[(at % 8) * 16 + Math.floor(at / 8)] as number),
      [16, 8],
    );
    const expected = referenceLinear(x, turned, float32(new Float32Array(16), [16]), 'row').map((value) => -value);
    expect(worstError((await run(model, { x })).y?.data as Float32Array, expected)).toBeLessThan(1e-5);
  });

  it('shares the integers of its input with the other products that read it', async () => {
    const x = input('x', [5, 12]);
    const names = ['query', 'key', 'value'];
    const weights = new Map(
      names.flatMap((name) => [
        [`${name}.w`, normal(1, name, [16, 12])],
        [`${name}.b`, normal(2, name, [16])],
      ]) as [string, FloatTensor][],
    );
    const results = names.map((name) => linear(x, input(`${name}.w`, [16, 12]), input(`${name}.b`, [16])));
    const model = { outputs: { y: neg(results.reduce(add)) }, weights };
    expect(operators(model).filter((type) => type === 'DynamicQuantizeLinear')).toHaveLength(1);
    const feeds = { x: normal(3, 'x', [5, 12]) };
    const parts = names.map((name) =>
      referenceLinear(feeds.x, weights.get(`${name}.w`) as FloatTensor, weights.get(`${name}.b`) as FloatTensor, 'row'),
    );
    const expected = (parts[0] as number[]).map((_, at) => -parts.reduce((sum, part) => sum + (part[at] as number), 0));
    expect(worstError((await run(model, feeds)).y?.data as Float32Array, expected)).toBeLessThan(1e-5);
  });

  it('loses less by a scale per channel than by one for all, where one channel is large', async () => {
    const [m, k, n] = [6, 32, 24];
    const [x, w, b] = [normal(1, 'x', [m, k]), normal(1, 'w', [n, k]), normal(1, 'b', [n])];
    for (let at = 0; at < k; at++) w.data[at] = 100 * (w.data[at] as number); // the first channel
    const exact = await run(denseModel(m, w, b), { x }, 'fp32');
    const { y } = await run(denseModel(m, w, b), { x });
    const perTensor = referenceLinear(x, w, b, 'tensor').map((value) => -value);
    const errorOf = (values: ArrayLike<number>): number =>
      Array.from(values).reduce((sum, value, at) => {
        return at % n === 0 ? sum : sum + Math.abs(value - (exact.y?.data[at] as number));
      }, 0);
    expect(errorOf((y as FloatTensor).data)).toBeLessThan(errorOf(perTensor) / 20);
  });

  it('stays in floats where it has few channels, two unknowns, a matrix for its bias, or gives an output', () => {
    const x = input('x', [4, 16]);
    const [w, b] = [input('w', [16, 16]), input('b', [16])];
    const weights = new Map([
      ['w', normal(1, 'w', [16, 16])],
      ['b', normal(1, 'b', [16])],
      ['narrow', normal(1, 'narrow', [15, 16])],
    ]);
    const left = (y: Node): string[] => operators({ outputs: { y }, weights });
    expect(left(neg(linear(x, w, b)))).toContain('MatMulInteger');
    for (const y of [
      neg(matmul(x, input('narrow', [15, 16]), { transposeB: true })),
      neg(matmul(x, input('z', [16, 16]))),
      neg(add(matmul(x, w), x)),
      linear(x, w, b),
      reshape(linear(x, w, b), [8, 8]),
    ]) {
      expect(left(y)).not.toContain('MatMulInteger');
    }
  });
});

describe('a table', () => {
  const table = (rows: number): Model => ({
    outputs: { y: neg(gather(input('words', [rows, 12]), input('ids', [2, 3], 'int64'))) },
    weights: new Map([['words', normal(1, 'words', [rows, 12], 7)]]),
  });
  const ids = int64([0, 63, 5, 5, 17, 1], [2, 3]);

  it('gives rows that are off by half a step of their own scale at most, without the floats', async () => {
    const model = table(64);
    const words = model.weights.get('words') as FloatTensor;
    expect(graphOf(model).initializer.map(({ name }) => name)).not.toContain('words');
    const { y } = await run(model, { ids });
    expect(y?.shape).toEqual([2, 3, 12]);
    [0, 63, 5, 5, 17, 1].forEach((id, place) => {
      const row = words.data.subarray(id * 12, (id + 1) * 12);
      const step = scaleOf(Array.from(row));
      row.forEach((value, at) => {
        expect(Math.abs(value + (y?.data[place * 12 + at] as number))).toBeLessThanOrEqual(step / 2 + 1e-6);
      });
    });
  });

  it('of few rows stays in floats', () => {
    expect(operators(table(63))).toEqual(['Gather', 'Neg']);
  });
});

describe('rows in 8 bits', () => {
  it('are off by half a step at most, and reach 127', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -1000, max: 1000, noNaN: true, noDefaultInfinity: true }), { minLength: 1 }),
        (values) => {
          const data = Float32Array.from(values);
          const { matrix, scales } = quantizeRows('w', { rows: 1, columns: data.length, data });
          const [scale = 0] = scales;
          const largest = Math.max(...data.map(Math.abs));
          fc.pre(largest === 0 || largest > 1e-30); // below, a scale has no digits left
          data.forEach((value, at) => {
            expect(Math.abs(value - scale * (matrix.data[at] as number))).toBeLessThanOrEqual(scale * 0.50001);
          });
          expect(Math.max(...matrix.data.map(Math.abs))).toBe(largest === 0 ? 0 : 127);
        },
      ),
    );
  });

  it('keep their signs where the scale has no digits left: 143 steps of the least float32 are cut to 127', () => {
    const least = 2 ** -149;
    const data = Float32Array.of(143 * least, -143 * least, 20 * least);
    const { matrix, scales } = quantizeRows('w', { rows: 1, columns: 3, data });
    expect([...scales]).toEqual([least]);
    expect([...matrix.data]).toEqual([127, -127, 20]);
  });

  it.each([Number.NaN, Number.NEGATIVE_INFINITY])('are not made of %d, by the name of the weight', (broken) => {
    const [w, b] = [normal(1, 'w', [16, 8]), normal(1, 'b', [16])];
    w.data[8 * 5 + 3] = broken;
    expect(() => emit({ ...denseModel(2, w, b), precision: 'int8' })).toThrow(
      `w: expected finite weights, as integers are to stand for them, got ${Math.abs(broken)} in row 5.`,
    );
  });
});

it('changes nothing where nothing is constant', () => {
  const y = neg(matmul(input('x', [4, 32]), input('z', [32, 32])));
  const model = { outputs: { y }, weights: new Map<string, FloatTensor>() };
  expect(emit({ ...model, precision: 'int8' }).bytes).toEqual(emit({ ...model, precision: 'fp32' }).bytes);
});
