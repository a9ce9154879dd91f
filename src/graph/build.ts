/**
 * Builders: one function per primitive, grouped by family. Arrows in the docstrings name axes in lower-case letters, which are
 * local to the operator; numbers are taken for scalar constants.
 */
import { type DType, float32, int64, type Tensor } from '../base/index.ts';
import { type Dim, type Shape, sameShape } from './dims.ts';
import { type Attributes, is, type Node, type OpName } from './node.ts';
import { OPS } from './op-table.ts';

let nextId = 0;

/** Applies a primitive. The shape is inferred, so a node that exists is a node that fits. */
export function make<O extends OpName>(op: O, inputs: readonly Node[], attributes: Attributes[O]): Node<O> {
  const { shape, dtype } = OPS[op].infer(inputs, attributes);
  return Object.freeze({ id: nextId++, op, inputs, attributes, shape, dtype });
}

type Operand = Node | number;
const NONE = {};

// Sources.

/** A tensor that is given when the graph runs. Two inputs of one name are one input. */
export const input = (name: string, shape: Shape, dtype: DType = 'float32'): Node =>
  make('input', [], { name, shape, dtype });
export const constant = (value: Tensor): Node => make('constant', [], { value });
export const scalar = (value: number): Node => constant(float32([value], []));
const lift = (value: Operand): Node => (typeof value === 'number' ? scalar(value) : value);

// Elementwise: [...] x [...] -> broadcast.

export const add = (a: Operand, b: Operand): Node => make('add', [lift(a), lift(b)], NONE);
export const sub = (a: Operand, b: Operand): Node => make('sub', [lift(a), lift(b)], NONE);
export const mul = (a: Operand, b: Operand): Node => make('mul', [lift(a), lift(b)], NONE);
export const div = (a: Operand, b: Operand): Node => make('div', [lift(a), lift(b)], NONE);
export const neg = (x: Node): Node => make('neg', [x], NONE);
export const exp = (x: Node): Node => make('exp', [x], NONE);
export const log = (x: Node): Node => make('log', [x], NONE);
export const sqrt = (x: Node): Node => make('sqrt', [x], NONE);
export const erf = (x: Node): Node => make('erf', [x], NONE);
export const tanh = (x: Node): Node => make('tanh', [x], NONE);
export const sigmoid = (x: Node): Node => make('sigmoid', [x], NONE);
/** x Φ(x), the exact form with erf that BERT uses. */
export const gelu = (x: Node): Node => make('gelu', [x], NONE);
export const clip = (x: Node, min: number, max: number): Node => make('clip', [x], { min, max });
export const cast = (x: Node, to: DType): Node => (x.dtype === to ? x : make('cast', [x], { to }));
/** Both of one type; the result is `bool`. */
export const equal = (a: Node, b: Node): Node => make('equal', [a, b], NONE);
export const greater = (a: Node, b: Operand): Node => make('greater', [a, lift(b)], NONE);
/** `condition ? yes : no`, all three broadcast. */
export const where = (condition: Node, yes: Operand, no: Operand): Node =>
  make('where', [condition, lift(yes), lift(no)], NONE);
/** Marks a named place where pruning, multiplexing or distillation may attach; by itself the identity. */
export const site = (x: Node, name: string): Node => make('site', [x], { name });
export const stopGradient = (x: Node): Node => make('stopGradient', [x], NONE);

// Linear algebra.

export interface MatmulOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** [..., m, k] x [..., k, n] -> [..., m, n]; with `transposeA` the first is [..., k, m], with `transposeB` the second is [..., n, k]. */
export function matmul(a: Node, b: Node, { transposeA = false, transposeB = false }: MatmulOptions = {}): Node {
  return make('matmul', [a, b], { transposeA, transposeB });
}

// Movement.

/** The same elements in another shape: one reshape after another is one. */
export function reshape(x: Node, shape: Shape): Node {
  const source = is(x, 'reshape') ? (x.inputs[0] as Node) : x;
  return sameShape(source.shape, shape) ? source : make('reshape', [source], { shape });
}
export const transpose = (x: Node, permutation: readonly number[]): Node => make('transpose', [x], { permutation });
export const expand = (x: Node, shape: Shape): Node => (sameShape(x.shape, shape) ? x : make('expand', [x], { shape }));
export const concat = (parts: readonly Node[], axis: number): Node => make('concat', parts, { axis });
/** [..., a, ...] -> [..., end - start, ...]; of a symbolic axis, a range that it surely has, or from `start` to its own size. */
export const slice = (x: Node, axis: number, start: number, end: Dim): Node => make('slice', [x], { axis, start, end });
/** Zeros before and after along one axis. */
export const pad = (x: Node, axis: number, before: number, after: number): Node =>
  make('pad', [x], { axis, before, after });
/** The first rows: [r, ...] -> [size, ...]; the size may be symbolic. */
export const prefix = (x: Node, size: Dim): Node => make('prefix', [x], { size });
/** `size` elements of a vector, from a position that is a tensor: [p], [1] -> [size]. */
export const window = (vector: Node, start: Node, size: number): Node => make('window', [vector, start], { size });

// Reduction.

/** Over no axes there is nothing to do, while ONNX would take all of them. */
function reduce(op: 'reduceSum' | 'reduceMean' | 'reduceMax', x: Node, axes: readonly number[], keep: boolean): Node {
  return axes.length === 0 ? x : make(op, [x], { axes, keep });
}
export const reduceSum = (x: Node, axes: readonly number[], keep = false): Node => reduce('reduceSum', x, axes, keep);
export const reduceMean = (x: Node, axes: readonly number[], keep = false): Node => reduce('reduceMean', x, axes, keep);
export const reduceMax = (x: Node, axes: readonly number[], keep = false): Node => reduce('reduceMax', x, axes, keep);
/** Σ x² over all elements: [...] -> [] */
export const sumSquares = (x: Node): Node => make('sumSquares', [x], NONE);
/** Index of the largest along the last axis, the first of equals: [..., c] -> [...] */
export const argMax = (x: Node): Node => make('argMax', [x], NONE);
/** Along the last axis. */
export const softmax = (x: Node): Node => make('softmax', [x], NONE);
export const logSoftmax = (x: Node): Node => make('logSoftmax', [x], NONE);

// Normalisation over the last axis: [..., d], [d], [d] -> [..., d]; the statistics are [..., 1].

export const layerNorm = (x: Node, scale: Node, bias: Node, epsilon: number): Node =>
  make('layerNorm', [x, scale, bias], { epsilon });
export const layerNormMean = (x: Node, scale: Node, bias: Node, epsilon: number): Node =>
  make('layerNormMean', [x, scale, bias], { epsilon });
export const layerNormInverseDeviation = (x: Node, scale: Node, bias: Node, epsilon: number): Node =>
  make('layerNormInverseDeviation', [x, scale, bias], { epsilon });

// Indexing.

/** Rows of a table: [v, ...], [i...] -> [i..., ...] */
export const gather = (table: Node, indices: Node): Node => make('gather', [table, indices], NONE);
/** Sums updates into `rows` rows; duplicates add up: [i...], [i..., d] -> [rows, d] */
export const scatterAdd = (indices: Node, updates: Node, rows: Dim): Node =>
  make('scatterAdd', [indices, updates], { rows });

/** 0, 1, …, count - 1 as int64. */
export const range = (count: number): Node =>
  constant(
    int64(
      Array.from({ length: count }, (_, index) => index),
      [count],
    ),
  );
