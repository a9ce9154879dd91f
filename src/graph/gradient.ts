/**
 * The gradient of every primitive, on one page. A rule gets the gradient of its node's result and gives one gradient per input, or
 * undefined where none flows. Rules are pure and know neither broadcasting nor accumulation: `differentiate.ts` does both.
 */
import {
  add,
  cast,
  div,
  equal,
  erf,
  exp,
  gather,
  greater,
  layerNormInverseDeviation,
  layerNormMean,
  matmul,
  mul,
  neg,
  pad,
  range,
  reduceMean,
  reduceSum,
  reshape,
  scalar,
  scatterAdd,
  slice,
  softmax,
  sub,
  transpose,
  where,
} from './build.ts';
import { type Dim, fixed, product, type Shape } from './dims.ts';
import type { Node, OpName } from './node.ts';

export type GradientRule<O extends OpName> = (dy: Node, y: Node<O>) => readonly (Node | undefined)[];

const only = (y: Node): Node => y.inputs[0] as Node;
const two = (y: Node): [Node, Node] => y.inputs as unknown as [Node, Node];
const last = (x: Node): number => x.shape.length - 1;

/** For results that are flat almost everywhere, or whole numbers. */
const NO_GRADIENT = (): readonly undefined[] => [];

/** The shape with reduced axes as 1, so that a gradient broadcasts back. */
function kept(shape: Shape, axes: readonly number[]): Shape {
  return shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
}

function inverse(permutation: readonly number[]): number[] {
  return permutation.map((_, axis) => permutation.indexOf(axis));
}

/** d gelu = Φ(x) + x φ(x), Φ(x) = (1 + erf(x/√2)) / 2, φ(x) = exp(-x²/2) / √(2π). */
function geluSlope(x: Node): Node {
  const cumulative = add(mul(erf(mul(x, Math.SQRT1_2)), 0.5), 0.5);
  const density = exp(mul(mul(x, x), -0.5));
  return add(cumulative, mul(mul(x, density), 1 / Math.sqrt(2 * Math.PI)));
}

/** With x̂ = (x - μ)/σ and g = γ dy:  dx = (g - mean(g) - x̂ mean(g x̂)) / σ,  dγ = Σ dy x̂,  dβ = Σ dy. */
function layerNormGradient(dy: Node, y: Node<'layerNorm'>): readonly Node[] {
  const [x, scale, bias] = y.inputs as unknown as [Node, Node, Node];
  const { epsilon } = y.attributes;
  const inverseDeviation = layerNormInverseDeviation(x, scale, bias, epsilon);
  const normalised = mul(sub(x, layerNormMean(x, scale, bias, epsilon)), inverseDeviation);
  const g = mul(dy, scale);
  const axis = [last(x)];
  const centred = sub(g, reduceMean(g, axis, true));
  const dx = mul(inverseDeviation, sub(centred, mul(normalised, reduceMean(mul(g, normalised), axis, true))));
  const rows = Array.from({ length: last(x) }, (_, each) => each);
  return [dx, reduceSum(mul(dy, normalised), rows), reduceSum(dy, rows)];
}

/** Y = A B: dA = dY Bᵀ, dB = Aᵀ dY; with transposed inputs, the same read the other way round, so that no copy is made. */
function matmulGradient(dy: Node, y: Node<'matmul'>): readonly Node[] {
  const [a, b] = two(y);
  const { transposeA, transposeB } = y.attributes;
  return [
    transposeA
      ? matmul(b, dy, { transposeA: transposeB, transposeB: true })
      : matmul(dy, b, { transposeB: !transposeB }),
    transposeB
      ? matmul(dy, a, { transposeA: true, transposeB: transposeA })
      : matmul(a, dy, { transposeA: !transposeA }),
  ];
}

function concatGradient(dy: Node, y: Node<'concat'>): readonly Node[] {
  const { axis } = y.attributes;
  let start = 0;
  return y.inputs.map((part) => {
    const end = start + fixed('concat', part.shape[axis]);
    const piece = slice(dy, axis, start, end);
    start = end;
    return piece;
  });
}

/** Equal shares to the elements that are the largest. */
function reduceMaxGradient(dy: Node, y: Node<'reduceMax'>): readonly Node[] {
  const { axes } = y.attributes;
  const shape = kept(only(y).shape, axes);
  const largest = cast(equal(only(y), reshape(y, shape)), 'float32');
  return [mul(reshape(dy, shape), div(largest, reduceSum(largest, axes, true)))];
}

/** Size of the axis over which a layer norm runs. */
function widthOf(y: Node): number {
  return fixed('layerNorm', only(y).shape.at(-1));
}

/** Tables of at most this many rows get their gradient as a product with one-hot rows, which is faster than a scatter. */
const FEW_ROWS = 16;

/** Sums the gradients of the rows' copies. */
function gatherGradient(dy: Node, y: Node<'gather'>): readonly Node[] {
  const [table, indices] = two(y);
  const rows = table.shape[0] as number;
  if (typeof rows !== 'number' || rows > FEW_ROWS || table.shape.length !== 2) return [scatterAdd(indices, dy, rows)];
  const count = product(indices.shape);
  const hot = cast(equal(reshape(indices, [count, 1]), range(rows)), 'float32');
  return [matmul(hot, reshape(dy, [count, table.shape[1] as number]), { transposeA: true })];
}

export const GRADIENTS: { readonly [O in OpName]: GradientRule<O> } = {
  input: NO_GRADIENT,
  constant: NO_GRADIENT,

  add: (dy) => [dy, dy],
  sub: (dy) => [dy, neg(dy)],
  mul: (dy, { inputs: [a, b] }) => [mul(dy, b as Node), mul(dy, a as Node)],
  // y = a/b: da = dy/b, db = -dy y/b
  div: (dy, y) => [div(dy, two(y)[1]), neg(div(mul(dy, y), two(y)[1]))],
  neg: (dy) => [neg(dy)],
  exp: (dy, y) => [mul(dy, y)],
  log: (dy, y) => [div(dy, only(y))],
  // y = √x: dx = dy / 2y
  sqrt: (dy, y) => [div(mul(dy, 0.5), y)],
  // d erf = 2/√π exp(-x²)
  erf: (dy, y) => [mul(dy, mul(exp(neg(mul(only(y), only(y)))), 2 / Math.sqrt(Math.PI)))],
  tanh: (dy, y) => [sub(dy, mul(dy, mul(y, y)))], // 1 - tanh²
  sigmoid: (dy, y) => [mul(dy, mul(y, sub(1, y)))], // σ(1 - σ)
  gelu: (dy, y) => [mul(dy, geluSlope(only(y)))],
  // 1 strictly inside the range, 0 at its ends and outside: a gate that is clipped shut or open does not move.
  clip: (dy, y) => {
    const inside = mul(
      cast(greater(y, y.attributes.min), 'float32'),
      cast(greater(scalar(y.attributes.max), y), 'float32'),
    );
    return [mul(dy, inside)];
  },
  cast: (dy, y) => (only(y).dtype === 'float32' && y.dtype === 'float32' ? [dy] : []),
  equal: NO_GRADIENT,
  greater: NO_GRADIENT,
  where: (dy, { inputs: [condition] }) => [undefined, where(condition as Node, dy, 0), where(condition as Node, 0, dy)],
  site: (dy) => [dy],
  stopGradient: NO_GRADIENT,

  matmul: matmulGradient,

  reshape: (dy, y) => [reshape(dy, only(y).shape)],
  transpose: (dy, y) => [transpose(dy, inverse(y.attributes.permutation))],
  expand: (dy) => [dy], // the sum over what was expanded is broadcasting's
  concat: concatGradient,
  slice: (dy, y) => {
    const { axis, start, end } = y.attributes;
    return [pad(dy, axis, start, fixed('slice', only(y).shape[axis]) - fixed('slice', end))];
  },
  pad: (dy, y) => {
    const { axis, before } = y.attributes;
    return [slice(dy, axis, before, before + fixed('pad', only(y).shape[axis]))];
  },
  prefix: (dy, y) => [pad(dy, 0, 0, fixed('prefix', only(y).shape[0]) - fixed('prefix', y.attributes.size))],
  // Back to where the window stood.
  window: (dy, y) => {
    const [vector, start] = two(y);
    return [scatterAdd(add(range(y.attributes.size), start), dy, vector.shape[0] as Dim)];
  },

  reduceSum: (dy, y) => [reshape(dy, kept(only(y).shape, y.attributes.axes))],
  reduceMean: (dy, y) => {
    const { axes } = y.attributes;
    const count = fixed('reduceMean', product(axes.map((axis) => only(y).shape[axis] as number)));
    return [mul(reshape(dy, kept(only(y).shape, axes)), 1 / count)];
  },
  reduceMax: reduceMaxGradient,
  sumSquares: (dy, y) => [mul(dy, mul(only(y), 2))],
  argMax: NO_GRADIENT,
  // dx = y (dy - Σ dy y)
  softmax: (dy, y) => [mul(y, sub(dy, reduceSum(mul(dy, y), [last(y)], true)))],
  // dx = dy - softmax Σ dy
  logSoftmax: (dy, y) => [sub(dy, mul(softmax(only(y)), reduceSum(dy, [last(y)], true)))],

  layerNorm: layerNormGradient,
  // The statistics are of x alone.
  layerNormMean: (dy, y) => [mul(dy, 1 / widthOf(y)), mul(y.inputs[1] as Node, 0), mul(y.inputs[2] as Node, 0)],
  // y = 1/σ: dx = -y³ (x - μ) / D
  layerNormInverseDeviation: (dy, y) => {
    const [x, scale, bias] = y.inputs as unknown as [Node, Node, Node];
    const centred = sub(x, layerNormMean(x, scale, bias, y.attributes.epsilon));
    return [mul(mul(dy, mul(y, mul(y, y))), mul(centred, -1 / widthOf(y))), mul(scale, 0), mul(bias, 0)];
  },

  gather: gatherGradient,
  scatterAdd: (dy, y) => [undefined, gather(dy, two(y)[0])],
};
