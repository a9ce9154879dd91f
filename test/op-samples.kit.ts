/**
 * Samples of every primitive: small graphs with values for their inputs, used to check values and gradients against the reference, on
 * every execution provider. The table is exhaustive by type; `gradcheck.test.ts` checks that no row is empty either.
 */
import { type DType, type FloatTensor, float32, int64, random, sizeOf, type Tensor } from '../src/base/index.ts';
import {
  add,
  argMax,
  cast,
  clip,
  concat,
  constant,
  div,
  equal,
  erf,
  exp,
  expand,
  gather,
  gelu,
  greater,
  input,
  layerNorm,
  layerNormInverseDeviation,
  layerNormMean,
  log,
  logSoftmax,
  make,
  matmul,
  mul,
  type Node,
  neg,
  type OpName,
  pad,
  prefix,
  reduceMax,
  reduceMean,
  reduceSum,
  reshape,
  type Shape,
  scatterAdd,
  sigmoid,
  site,
  slice,
  softmax,
  sqrt,
  stopGradient,
  sub,
  sumSquares,
  tanh,
  transpose,
  where,
  window,
} from '../src/graph/index.ts';
import type { Feeds } from '../src/runtime/index.ts';

/** A graph of one primitive (or a few), and values for its inputs `x0`, `x1`, … */
export interface Sample {
  readonly title: string;
  readonly feeds: Feeds;
  readonly result: Node;
  /** The inputs of float32. */
  readonly sources: readonly Node<'input'>[];
  /** Whether gradients flow to them: not where results are flat almost everywhere, or gradients are cut off. */
  readonly flows: boolean;
}

/** A value for an input, and the shape that the graph declares for it where that has symbols. */
interface Given {
  readonly value: Tensor;
  readonly shape: Shape;
}

function sample(title: string, given: readonly (Tensor | Given)[], build: (...x: Node[]) => Node): Sample {
  const values = given.map((each) => ('value' in each ? each : { value: each, shape: each.shape }));
  const inputs = values.map(({ value, shape }, at) => input(`x${at}`, shape, value.dtype) as Node<'input'>);
  return {
    title,
    feeds: Object.fromEntries(values.map(({ value }, at) => [`x${at}`, value])),
    result: build(...inputs),
    sources: inputs.filter(({ dtype }) => dtype === 'float32'),
    flows: true,
  };
}

const flat = (samples: readonly Sample[]): Sample[] => samples.map((each) => ({ ...each, flows: false }));

const declared = (value: Tensor, shape: Shape): Given => ({ value, shape });

/** Normal numbers that depend on the shape alone, so a sample repeats exactly. */
function normal(...shape: number[]): FloatTensor {
  const draws = random(3, 'sample', ...shape);
  return float32(
    Float32Array.from({ length: sizeOf(shape) }, () => draws.normal()),
    shape,
  );
}

/** The same, away from 0: for divisors, logarithms and roots. */
function positive(...shape: number[]): FloatTensor {
  const { data } = normal(...shape);
  return float32(
    data.map((value) => 0.5 + Math.abs(value)),
    shape,
  );
}

const truth = (values: readonly number[], shape: readonly number[]): Tensor => ({
  dtype: 'bool',
  shape,
  data: Uint8Array.from(values),
});

/** An elementwise operator of two operands with every way to broadcast. */
function pairs(build: (a: Node, b: Node) => Node, value: (...shape: number[]) => FloatTensor = normal): Sample[] {
  return [
    sample('equal shapes', [value(2, 3), value(2, 3)], build),
    sample('right broadcast', [value(2, 3, 4), value(3, 1)], build),
    sample('left broadcast', [value(4), value(2, 3, 4)], build),
    sample('both broadcast', [value(2, 1, 4), value(3, 1)], build),
    sample('scalar on the right', [value(2, 3), value()], build),
    sample('scalar on the left', [value(), value(2, 3)], build),
    sample('one node twice', [value(2, 3)], (x) => build(x, x)),
    sample('symbolic sizes', [declared(value(2, 3), ['B', 3]), declared(value(2, 1), ['B', 1])], build),
  ];
}

function unary(build: (x: Node) => Node, value: (...shape: number[]) => FloatTensor = normal): Sample[] {
  return [
    sample('a matrix', [value(3, 4)], build),
    sample('a scalar', [value()], build),
    sample('symbolic sizes', [declared(value(2, 5), ['B', 'T'])], build),
  ];
}

/** All four ways to read two matrices, plain or in batches of rank 3 and 4. */
function products(): Sample[] {
  const [m, k, n] = [2, 3, 4];
  const batches: readonly (readonly [string, number[], number[]])[] = [
    ['matrices', [], []],
    ['a batch', [2], [2]],
    ['batches of rank 4', [2, 3], [2, 3]],
    ['a batch that broadcasts on the left', [1, 3], [2, 1]],
    ['a matrix for the whole batch', [2, 3], []],
    ['a batch for one matrix', [], [2, 3]],
  ];
  return batches.flatMap(([title, left, right]) =>
    [false, true].flatMap((transposeA) =>
      [false, true].map((transposeB) =>
        sample(
          `${title}${transposeA ? ', A transposed' : ''}${transposeB ? ', B transposed' : ''}`,
          [normal(...left, ...(transposeA ? [k, m] : [m, k])), normal(...right, ...(transposeB ? [n, k] : [k, n]))],
          (a, b) => matmul(a, b, { transposeA, transposeB }),
        ),
      ),
    ),
  );
}

function reductions(build: (x: Node, axes: readonly number[], keep?: boolean) => Node): Sample[] {
  const some = [[0], [1], [2], [0, 2], [0, 1, 2]].flatMap((axes) =>
    [false, true].map((keep) =>
      sample(`axes ${axes}${keep ? ' kept' : ''}`, [normal(2, 3, 4)], (x) => build(x, axes, keep)),
    ),
  );
  return [...some, sample('no axes, then axis 1', [normal(2, 3, 4)], (x) => build(build(x, []), [1]))];
}

const EPSILON = 1e-5;

function normalised(build: (x: Node, scale: Node, bias: Node, epsilon: number) => Node): Sample[] {
  return [
    sample('rows of a matrix', [normal(3, 8), normal(8), positive(8)], (x, scale, bias) =>
      build(x, scale, bias, EPSILON),
    ),
    sample('a vector', [normal(8), normal(8), positive(8)], (x, scale, bias) => build(x, scale, bias, EPSILON)),
    sample('rows of rank 3', [normal(2, 3, 4), normal(4), positive(4)], (x, scale, bias) =>
      build(x, scale, bias, EPSILON),
    ),
    sample('symbolic rows', [declared(normal(3, 8), ['B', 8]), normal(8), positive(8)], (x, scale, bias) =>
      build(x, scale, bias, EPSILON),
    ),
  ];
}

const indices = (values: readonly number[], ...shape: number[]): Tensor => int64(values, shape);
const whole = (dtype: DType, build: (x: Node) => Node): Sample =>
  sample(`to ${dtype}`, [float32([-2.7, -0.2, 0, 0.9, 3.5], [5])], build);

export const SAMPLES: { readonly [O in OpName]: readonly Sample[] } = {
  input: [sample('a matrix', [normal(2, 3)], (x) => x), sample('a scalar', [normal()], (x) => x)],
  constant: [sample('a matrix', [], () => constant(normal(2, 3)))],

  add: pairs(add),
  sub: pairs(sub),
  mul: pairs(mul),
  div: pairs(div, positive),
  neg: unary(neg),
  exp: unary(exp),
  log: unary(log, positive),
  sqrt: unary(sqrt, positive),
  erf: unary(erf),
  tanh: unary(tanh),
  sigmoid: unary(sigmoid),
  gelu: unary(gelu),
  clip: [
    sample('inside and outside', [float32([-2, -0.4, 0.1, 0.3, 0.9, 1.5], [2, 3])], (x) => clip(x, -0.5, 1)),
    ...unary((x) => clip(x, -5, 5)),
  ],
  cast: [
    ...flat([whole('int64', (x) => cast(x, 'int64')), whole('bool', (x) => cast(x, 'bool'))]),
    // `make` builds what the builder leaves out as needless.
    sample('float32 to float32', [normal(3)], (x) => make('cast', [x], { to: 'float32' })),
    sample('whole numbers', [indices([0, 1, 5], 3)], (x) => cast(x, 'float32')),
    sample('truth', [truth([0, 1, 1], [3])], (x) => cast(x, 'float32')),
  ],
  equal: [
    sample('whole numbers', [indices([1, 2, 3], 3), indices([3, 2, 1], 3)], equal),
    sample('broadcast', [indices([0, 1, 2], 3, 1), indices([0, 1], 2)], equal),
  ],
  greater: flat(pairs(greater)),
  where: [
    sample('equal shapes', [truth([1, 0, 1, 0], [2, 2]), normal(2, 2), positive(2, 2)], where),
    sample('broadcast condition', [truth([1, 0], [2, 1]), normal(2, 3), positive(2, 3)], where),
    sample('broadcast branches', [truth([1, 0, 0, 1, 1, 0], [2, 3]), normal(3), positive()], where),
    sample('numbers', [truth([1, 0], [2])], (condition) => where(condition, 2, -1)),
  ],
  site: unary((x) => site(x, 'here')),
  stopGradient: flat(unary(stopGradient)),

  matmul: [
    ...products(),
    sample('symbolic rows', [declared(normal(2, 3), ['B', 3]), normal(3, 4)], (a, b) => matmul(a, b)),
    sample('symbolic batch', [declared(normal(2, 5, 3), ['B', 'T', 3]), normal(4, 3)], (a, b) =>
      matmul(a, b, { transposeB: true }),
    ),
    sample('with a bias', [normal(2, 3), normal(4, 3), normal(4)], (x, weight, bias) =>
      add(matmul(x, weight, { transposeB: true }), bias),
    ),
    sample('a column with a bias that widens it', [normal(2, 3), normal(3, 1), normal(4)], (x, weight, bias) =>
      add(matmul(x, weight), bias),
    ),
  ],

  reshape: [
    sample('fewer axes', [normal(2, 3, 4)], (x) => reshape(x, [6, 4])),
    sample('to a scalar', [normal(1, 1)], (x) => reshape(x, [])),
    sample('symbolic', [declared(normal(2, 3, 4), ['B', 'T', 4])], (x) => reshape(x, ['B*T', 2, 2])),
    sample('symbolic groups', [declared(normal(6, 4), ['3*B', 4]), declared(normal(2, 1), ['B', 1])], (x, y) =>
      add(reshape(x, ['B', 3, 4]), reshape(y, ['B', 1, 1])),
    ),
  ],
  transpose: [
    sample('a matrix', [normal(2, 3)], (x) => transpose(x, [1, 0])),
    sample('rank 4, heads', [normal(2, 3, 2, 4)], (x) => transpose(x, [0, 2, 1, 3])),
    sample('a cycle', [normal(2, 3, 4)], (x) => transpose(x, [2, 0, 1])),
    sample('symbolic', [declared(normal(2, 3, 4), ['B', 'T', 4])], (x) => transpose(x, [1, 2, 0])),
  ],
  expand: [
    sample('an axis of 1', [normal(2, 1)], (x) => expand(x, [2, 3])),
    sample('a new axis', [normal(3)], (x) => expand(x, [2, 3])),
    sample('a scalar', [normal()], (x) => expand(x, [2, 3])),
    sample('symbolic', [declared(normal(2, 1), ['B', 1])], (x) => expand(x, ['B', 3])),
  ],
  concat: [
    sample('rows', [normal(2, 3), normal(1, 3), normal(3, 3)], (...parts) => concat(parts, 0)),
    sample('columns', [normal(2, 3), normal(2, 1)], (...parts) => concat(parts, 1)),
    sample('one node twice', [normal(2, 3)], (x) => concat([x, x], 1)),
    sample('symbolic', [declared(normal(2, 3), ['B', 3]), declared(normal(2, 1), ['B', 1])], (...parts) =>
      concat(parts, 1),
    ),
  ],
  slice: [
    sample('rows', [normal(4, 3)], (x) => slice(x, 0, 1, 3)),
    sample('columns to the end', [normal(2, 5)], (x) => slice(x, 1, 3, 5)),
    sample('the first token', [declared(normal(2, 3, 4), ['B', 3, 4])], (x) => slice(x, 1, 0, 1)),
  ],
  pad: [
    sample('rows', [normal(2, 3)], (x) => pad(x, 0, 1, 2)),
    sample('columns', [normal(2, 3)], (x) => pad(x, 1, 2, 0)),
    sample('symbolic rows', [declared(normal(2, 3), ['B', 3])], (x) => pad(x, 1, 1, 1)),
  ],
  prefix: [
    sample('some rows', [normal(5, 3)], (x) => prefix(x, 2)),
    sample('all rows', [normal(2, 3)], (x) => prefix(x, 2)),
  ],
  window: [sample('from 3', [normal(9), indices([3], 1)], (x, start) => window(x, start, 4))],

  reduceSum: reductions(reduceSum),
  reduceMean: reductions(reduceMean),
  reduceMax: reductions(reduceMax),
  sumSquares: [...unary(sumSquares), sample('rank 3', [normal(2, 3, 4)], sumSquares)],
  argMax: flat([
    sample('rows', [normal(4, 5)], argMax),
    sample('the first of equals', [float32([1, 3, 3, 2, 2, 0], [2, 3])], argMax),
  ]),
  softmax: [
    sample('rows', [normal(3, 5)], softmax),
    sample('rank 4', [normal(2, 2, 3, 4)], softmax),
    sample('symbolic', [declared(normal(2, 5), ['B', 'T'])], softmax),
    sample('masked scores', [float32([1, -1e4, 2, 0.5, 0.25, -1e4], [2, 3])], softmax),
  ],
  logSoftmax: [
    sample('rows', [normal(3, 5)], logSoftmax),
    sample('symbolic', [declared(normal(2, 5), ['B', 5])], logSoftmax),
  ],

  layerNorm: normalised(layerNorm),
  layerNormMean: normalised(layerNormMean),
  layerNormInverseDeviation: normalised(layerNormInverseDeviation),

  gather: [
    sample('duplicate rows', [normal(4, 3), indices([2, 0, 2, 2, 3], 5)], gather),
    sample('a matrix of indices', [normal(5, 2), indices([4, 4, 0, 1, 4, 0], 2, 3)], gather),
    sample('a table of many rows', [normal(40, 2), indices([4, 39, 0, 39, 4, 0], 2, 3)], gather),
    sample('few rows by symbolic indices', [normal(3, 2), declared(indices([1, 1, 2, 0], 2, 2), ['B', 'T'])], gather),
    sample('a vector as table', [normal(5), indices([1, 1, 3], 3)], gather),
    sample(
      'symbolic rows and indices',
      [declared(normal(3, 2), ['U', 2]), declared(indices([1, 1, 2, 0], 2, 2), ['B', 'T'])],
      gather,
    ),
  ],
  scatterAdd: [
    sample('duplicates', [indices([1, 0, 1, 1], 4), normal(4, 3)], (at, x) => scatterAdd(at, x, 3)),
    sample('a matrix of indices', [indices([0, 3, 3, 3, 1, 0], 2, 3), normal(2, 3, 2)], (at, x) =>
      scatterAdd(at, x, 4),
    ),
    sample('scalars as rows', [indices([0, 2, 2], 3), normal(3)], (at, x) => scatterAdd(at, x, 3)),
    sample(
      'symbolic',
      [declared(indices([1, 1, 0, 1], 2, 2), ['B', 'T']), declared(normal(2, 2, 3), ['B', 'T', 3])],
      (at, x) => scatterAdd(at, x, 2),
    ),
  ],
};

/** Σ w x with random w: a scalar that every element of the result moves by an amount of its own. The weights are an input. */
export function projection({ result }: Sample): Node {
  const values = cast(result, 'float32');
  const weighted = mul(values, input('projection', values.shape));
  return reduceSum(
    weighted,
    weighted.shape.map((_, axis) => axis),
  );
}

/** Values for the weights of a projection. */
export const projectionOf = (shape: readonly number[]): FloatTensor => normal(...shape);
