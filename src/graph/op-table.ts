/**
 * One row per primitive: the ONNX operator it becomes, how its result's shape and type follow from its inputs, and the facts that
 * passes read instead of asking which operator they see.
 */
import { type DType, ShapeError } from '../base/index.ts';
import { broadcast, type Dim, fixed, formatShape, least, plus, product, type Shape, sameShape } from './dims.ts';
import type { Attributes, Node, OpName } from './node.ts';

export interface Result {
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface OpDefinition<O extends OpName> {
  /** Name of the ONNX operator, and which of its outputs this is (0 unless told). */
  readonly onnx: string;
  readonly output?: number;
  /** Applied to each element by itself, inputs broadcast: fusing and broadcasting passes may treat all of these alike. */
  readonly elementwise?: boolean;
  /** Passes its first input through unchanged. */
  readonly transparent?: boolean;
  infer(inputs: readonly Node[], attributes: Attributes[O]): Result;
}

function operand(inputs: readonly Node[], at: number): Node {
  const node = inputs[at];
  if (node === undefined)
    throw new ShapeError('operands', { expected: `an input ${at}`, got: `${inputs.length} inputs` });
  return node;
}

const like = (inputs: readonly Node[]): Result => operand(inputs, 0);

function binary(where: string, dtype?: DType): (inputs: readonly Node[]) => Result {
  return (inputs) => {
    const left = operand(inputs, 0);
    const right = operand(inputs, 1);
    if (left.dtype !== right.dtype) {
      throw new ShapeError(where, { expected: 'inputs of one type', got: `${left.dtype} and ${right.dtype}` });
    }
    return { shape: broadcast(where, left.shape, right.shape), dtype: dtype ?? left.dtype };
  };
}

const unary = (onnx: string): OpDefinition<OpName> => ({ onnx, elementwise: true, infer: like });

function lastTwo(shape: Shape, transposed: boolean): readonly [Dim, Dim] {
  const [rows, columns] = shape.slice(-2) as [Dim, Dim];
  return transposed ? [columns, rows] : [rows, columns];
}

function inferMatmul(inputs: readonly Node[], attributes: Attributes['matmul']): Result {
  const a = operand(inputs, 0);
  const b = operand(inputs, 1);
  const said = `${formatShape(a.shape)}${attributes.transposeA ? 'ᵀ' : ''} x ${formatShape(b.shape)}${attributes.transposeB ? 'ᵀ' : ''}`;
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new ShapeError('matmul', { expected: 'two matrices, or batches of them', got: said });
  }
  const [m, k] = lastTwo(a.shape, attributes.transposeA);
  const [inner, n] = lastTwo(b.shape, attributes.transposeB);
  if (k !== inner) throw new ShapeError('matmul', { expected: 'equal inner sizes', got: said });
  return { shape: [...broadcast('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n], dtype: a.dtype };
}

function inferReshape(inputs: readonly Node[], { shape }: Attributes['reshape']): Result {
  const x = operand(inputs, 0);
  if (product(x.shape) !== product(shape)) {
    throw new ShapeError('reshape', {
      expected: `as many elements as ${formatShape(x.shape)}`,
      got: formatShape(shape),
    });
  }
  return { shape, dtype: x.dtype };
}

function inferTranspose(inputs: readonly Node[], { permutation }: Attributes['transpose']): Result {
  const x = operand(inputs, 0);
  const shape = permutation.map((axis) => x.shape[axis]);
  if (
    shape.length !== x.shape.length ||
    shape.includes(undefined) ||
    new Set(permutation).size !== permutation.length
  ) {
    throw new ShapeError('transpose', {
      expected: `an order of ${x.shape.length} axes`,
      got: formatShape(permutation),
    });
  }
  return { shape: shape as Shape, dtype: x.dtype };
}

function inferConcat(inputs: readonly Node[], { axis }: Attributes['concat']): Result {
  const first = operand(inputs, 0);
  for (const other of inputs) {
    if (other.shape.length !== first.shape.length || other.shape.some((d, i) => i !== axis && d !== first.shape[i])) {
      throw new ShapeError('concat', { expected: formatShape(first.shape), got: formatShape(other.shape) });
    }
  }
  const sizes = inputs.map((input) => input.shape[axis] as Dim);
  const [symbol = 0, ...others] = sizes.filter((size) => typeof size === 'string');
  const numbers = sizes.filter((size) => typeof size === 'number');
  const total = plus(
    symbol,
    [...numbers, ...others].reduce<number>((sum, size) => sum + fixed('concat', size), 0),
  );
  return { shape: first.shape.map((dim, i) => (i === axis ? total : dim)), dtype: first.dtype };
}

function resized(x: Node, axis: number, size: Dim): Result {
  return { shape: x.shape.map((dim, i) => (i === axis ? size : dim)), dtype: x.dtype };
}

function inferSlice(inputs: readonly Node[], { axis, start, end }: Attributes['slice']): Result {
  const x = operand(inputs, 0);
  const size = x.shape[axis];
  const isWithin = size !== undefined && (end === size || (typeof end === 'number' && end <= least(size)));
  if (!isWithin || start < 0 || least(end) < start) {
    throw new ShapeError('slice', {
      expected: `a range within axis ${axis} of ${formatShape(x.shape)}`,
      got: `${start}:${end}`,
    });
  }
  return resized(x, axis, plus(end, -start));
}

function reduced(onnx: string): OpDefinition<'reduceSum' | 'reduceMean' | 'reduceMax'> {
  return {
    onnx,
    infer(inputs, { axes, keep }) {
      const x = operand(inputs, 0);
      if (axes.some((axis) => axis < 0 || axis >= x.shape.length)) {
        throw new ShapeError(onnx, { expected: `axes of ${formatShape(x.shape)}`, got: formatShape(axes) });
      }
      const shape = keep
        ? x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
        : x.shape.filter((_, axis) => !axes.includes(axis));
      return { shape, dtype: x.dtype };
    },
  };
}

function inferExpand(inputs: readonly Node[], { shape }: Attributes['expand']): Result {
  const x = operand(inputs, 0);
  if (!sameShape(broadcast('expand', x.shape, shape), shape)) {
    throw new ShapeError('expand', {
      expected: `a shape that ${formatShape(x.shape)} broadcasts to`,
      got: formatShape(shape),
    });
  }
  return { shape, dtype: x.dtype };
}

function inferLayerNorm(inputs: readonly Node[]): Result {
  const x = operand(inputs, 0);
  const size = x.shape.at(-1) as Dim;
  for (const other of inputs.slice(1)) {
    if (!sameShape(other.shape, [size])) {
      throw new ShapeError('layerNorm', {
        expected: `scale and bias of shape [${size}]`,
        got: formatShape(other.shape),
      });
    }
  }
  return x;
}

const layerNormStatistic = (output: number): OpDefinition<'layerNormMean' | 'layerNormInverseDeviation'> => ({
  onnx: 'LayerNormalization',
  output,
  infer(inputs) {
    const x = inferLayerNorm(inputs);
    return { shape: [...x.shape.slice(0, -1), 1], dtype: x.dtype };
  },
});

function inferScatterAdd(inputs: readonly Node[], { rows }: Attributes['scatterAdd']): Result {
  const indices = operand(inputs, 0);
  const updates = operand(inputs, 1);
  if (!sameShape(updates.shape.slice(0, indices.shape.length), indices.shape)) {
    throw new ShapeError('scatterAdd', {
      expected: `one update per index ${formatShape(indices.shape)}`,
      got: formatShape(updates.shape),
    });
  }
  return { shape: [rows, ...updates.shape.slice(indices.shape.length)], dtype: updates.dtype };
}

function inferWhere(inputs: readonly Node[]): Result {
  const [condition, yes, no] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
  return { shape: broadcast('where', condition.shape, broadcast('where', yes.shape, no.shape)), dtype: yes.dtype };
}

export const OPS: { readonly [O in OpName]: OpDefinition<O> } = {
  input: { onnx: '', infer: (_, { shape, dtype }) => ({ shape, dtype }) },
  constant: { onnx: '', infer: (_, { value }) => value },

  add: { onnx: 'Add', elementwise: true, infer: binary('add') },
  sub: { onnx: 'Sub', elementwise: true, infer: binary('sub') },
  mul: { onnx: 'Mul', elementwise: true, infer: binary('mul') },
  div: { onnx: 'Div', elementwise: true, infer: binary('div') },
  neg: unary('Neg'),
  exp: unary('Exp'),
  log: unary('Log'),
  sqrt: unary('Sqrt'),
  erf: unary('Erf'),
  tanh: unary('Tanh'),
  sigmoid: unary('Sigmoid'),
  gelu: unary('Gelu'),
  clip: { onnx: 'Clip', elementwise: true, infer: like },
  cast: {
    onnx: 'Cast',
    elementwise: true,
    infer: (inputs, { to }) => ({ shape: operand(inputs, 0).shape, dtype: to }),
  },
  equal: { onnx: 'Equal', elementwise: true, infer: binary('equal', 'bool') },
  greater: { onnx: 'Greater', elementwise: true, infer: binary('greater', 'bool') },
  where: { onnx: 'Where', elementwise: true, infer: inferWhere },
  site: { onnx: 'Identity', elementwise: true, transparent: true, infer: like },
  stopGradient: { onnx: 'Identity', elementwise: true, transparent: true, infer: like },

  matmul: { onnx: 'MatMul', infer: inferMatmul },

  reshape: { onnx: 'Reshape', infer: inferReshape },
  transpose: { onnx: 'Transpose', infer: inferTranspose },
  expand: { onnx: 'Expand', infer: inferExpand },
  concat: { onnx: 'Concat', infer: inferConcat },
  slice: { onnx: 'Slice', infer: inferSlice },
  pad: {
    onnx: 'Pad',
    infer(inputs, { axis, before, after }) {
      const x = operand(inputs, 0);
      return resized(x, axis, before + fixed('pad', x.shape[axis]) + after);
    },
  },
  prefix: {
    onnx: 'Slice',
    infer: (inputs, { size }) => ({
      shape: [size, ...operand(inputs, 0).shape.slice(1)],
      dtype: operand(inputs, 0).dtype,
    }),
  },
  window: { onnx: 'Slice', infer: (inputs, { size }) => ({ shape: [size], dtype: operand(inputs, 0).dtype }) },

  reduceSum: reduced('ReduceSum'),
  reduceMean: reduced('ReduceMean'),
  reduceMax: reduced('ReduceMax'),
  sumSquares: { onnx: 'ReduceSumSquare', infer: (inputs) => ({ shape: [], dtype: operand(inputs, 0).dtype }) },
  argMax: { onnx: 'ArgMax', infer: (inputs) => ({ shape: operand(inputs, 0).shape.slice(0, -1), dtype: 'int64' }) },
  softmax: { onnx: 'Softmax', infer: like },
  logSoftmax: { onnx: 'LogSoftmax', infer: like },

  layerNorm: { onnx: 'LayerNormalization', infer: inferLayerNorm },
  layerNormMean: layerNormStatistic(1),
  layerNormInverseDeviation: layerNormStatistic(2),

  gather: {
    onnx: 'Gather',
    infer(inputs) {
      const table = operand(inputs, 0);
      return { shape: [...operand(inputs, 1).shape, ...table.shape.slice(1)], dtype: table.dtype };
    },
  },
  scatterAdd: { onnx: 'ScatterElements', infer: inferScatterAdd },
};

/** Skips sites and other nodes that pass their input through. */
export function solid(node: Node): Node {
  let found = node;
  while (OPS[found.op].transparent === true) found = found.inputs[0] as Node;
  return found;
}
