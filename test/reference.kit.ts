/**
 * A second way to compute a graph: plain loops in float64, one row per primitive, nothing shared with the runtime. What ONNX Runtime
 * gives is compared with it, and gradients are compared with its central differences, which float32 would be too coarse for.
 */
import { assert, sizeOf, type Tensor } from '../src/base/index.ts';
import { type Dim, is, type Node, type OpName, topological } from '../src/graph/index.ts';

/** A tensor as numbers; a truth value is 0 or 1. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type ValuesByName = Readonly<Record<string, Values>>;

export function valuesOf({ shape, data }: Tensor): Values {
  return { shape, data: Float64Array.from(data, Number) };
}

/** What a primitive may ask besides its inputs. */
interface Scope {
  readonly given: ValuesByName;
  size(dim: Dim): number;
}

type Reference<O extends OpName> = (inputs: readonly Values[], node: Node<O>, scope: Scope) => Values;

const first = (inputs: readonly Values[]): Values => inputs[0] as Values;

/** A tensor from its value at every index. */
function tabulate(shape: readonly number[], value: (index: readonly number[]) => number): Values {
  const index = shape.map(() => 0);
  const data = new Float64Array(sizeOf(shape));
  for (let cell = 0; cell < data.length; cell++) {
    data[cell] = value(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      index[axis] = 0;
    }
  }
  return { shape, data };
}

/** The value at an index of a shape that this one broadcasts to. */
function at({ shape, data }: Values, index: readonly number[]): number {
  const offset = index.length - shape.length;
  let cell = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis] as number;
    cell = cell * size + (size === 1 ? 0 : (index[axis + offset] as number));
  }
  return data[cell] as number;
}

function together(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) =>
    Math.max(...shapes.map((shape) => shape[axis - rank + shape.length] ?? 1)),
  );
}

function each(formula: (...values: number[]) => number): Reference<OpName> {
  return (inputs) =>
    tabulate(together(...inputs.map(({ shape }) => shape)), (index) => formula(...inputs.map((x) => at(x, index))));
}

function put(index: readonly number[], axis: number, value: number): number[] {
  return index.map((position, each) => (each === axis ? value : position));
}

/** erf by its Taylor series, which is exact enough for the arguments of tests: |x| < 4. */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

function matmul([a, b]: readonly Values[], node: Node<'matmul'>): Values {
  const { transposeA, transposeB } = node.attributes;
  const [x, y] = [a as Values, b as Values];
  const m = x.shape.at(transposeA ? -1 : -2) as number;
  const k = x.shape.at(transposeA ? -2 : -1) as number;
  const n = y.shape.at(transposeB ? -2 : -1) as number;
  return tabulate([...together(x.shape.slice(0, -2), y.shape.slice(0, -2)), m, n], (index) => {
    const batch = index.slice(0, -2);
    const [row, column] = index.slice(-2) as [number, number];
    let sum = 0;
    for (let inner = 0; inner < k; inner++) {
      const left = transposeA ? [inner, row] : [row, inner];
      const right = transposeB ? [column, inner] : [inner, column];
      sum += at(x, [...batch, ...left]) * at(y, [...batch, ...right]);
    }
    return sum;
  });
}

/** Folds the cells that a reduced axis brings together. */
function fold(
  x: Values,
  axes: readonly number[],
  keep: boolean,
  start: number,
  step: (sum: number, x: number) => number,
): Values {
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const result = tabulate(kept, () => start);
  let from = 0;
  tabulate(x.shape, (index) => {
    const cell = kept.reduce((sum, size, axis) => sum * size + (size === 1 ? 0 : (index[axis] as number)), 0);
    result.data[cell] = step(result.data[cell] as number, x.data[from++] as number);
    return 0;
  });
  return keep ? result : { ...result, shape: x.shape.filter((_, axis) => !axes.includes(axis)) };
}

function reduction(start: number, step: (sum: number, x: number) => number): Reference<'reduceSum' | 'reduceMax'> {
  return (inputs, { attributes: { axes, keep } }) => fold(first(inputs), axes, keep, start, step);
}

const mean: Reference<'reduceMean'> = (inputs, { attributes: { axes, keep } }) => {
  const count = sizeOf(axes.map((axis) => first(inputs).shape[axis] as number));
  const sum = fold(first(inputs), axes, keep, 0, (total, x) => total + x);
  return { ...sum, data: sum.data.map((value) => value / count) };
};

/** Applies a formula to every row along the last axis. */
function rows(x: Values, size: number, formula: (row: Float64Array) => readonly number[]): Values {
  const width = x.shape.at(-1) as number;
  const data = Array.from({ length: x.data.length / width }, (_, row) =>
    formula(x.data.slice(row * width, (row + 1) * width)),
  ).flat();
  return { shape: [...x.shape.slice(0, -1), size], data: Float64Array.from(data) };
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0);

function softmaxOf(row: Float64Array): number[] {
  const weights = Array.from(row, (value) => Math.exp(value - Math.max(...row)));
  return weights.map((weight) => weight / sum(weights));
}

function momentsOf(row: Float64Array, epsilon: number): { readonly mean: number; readonly inverseDeviation: number } {
  const centre = sum(row) / row.length;
  const variance = sum(row.map((value) => (value - centre) ** 2)) / row.length;
  return { mean: centre, inverseDeviation: 1 / Math.sqrt(variance + epsilon) };
}

const layerNorm: Reference<'layerNorm'> = ([x, scale, bias], { attributes: { epsilon } }) =>
  rows(x as Values, (x as Values).shape.at(-1) as number, (row) => {
    const moments = momentsOf(row, epsilon);
    return Array.from(
      row,
      (value, d) =>
        (value - moments.mean) * moments.inverseDeviation * (scale?.data[d] as number) + (bias?.data[d] as number),
    );
  });

const scatterAdd: Reference<'scatterAdd'> = ([indices, updates], node, scope) => {
  const width = (updates as Values).shape.slice((indices as Values).shape.length);
  const result = tabulate([scope.size(node.attributes.rows), ...width], () => 0);
  const size = sizeOf(width);
  updates?.data.forEach((update, cell) => {
    const row = indices?.data[Math.floor(cell / size)] as number;
    const target = row * size + (cell % size);
    result.data[target] = (result.data[target] as number) + update;
  });
  return result;
};

const REFERENCES: { readonly [O in OpName]: Reference<O> } = {
  input: (_, { attributes: { name } }, { given }) => {
    const values = given[name];
    assert(values !== undefined, `values for the input ${name}`);
    return values;
  },
  constant: (_, { attributes: { value } }) => valuesOf(value),
  add: each((a = 0, b = 0) => a + b),
  sub: each((a = 0, b = 0) => a - b),
  mul: each((a = 0, b = 0) => a * b),
  div: each((a = 0, b = 0) => a / b),
  neg: each((x = 0) => -x),
  exp: each((x = 0) => Math.exp(x)),
  log: each((x = 0) => Math.log(x)),
  sqrt: each((x = 0) => Math.sqrt(x)),
  erf: each((x = 0) => erf(x)),
  tanh: each((x = 0) => Math.tanh(x)),
  sigmoid: each((x = 0) => 1 / (1 + Math.exp(-x))),
  gelu: each((x = 0) => (x * (1 + erf(x * Math.SQRT1_2))) / 2),
  clip: ([x], { attributes: { min, max } }) =>
    tabulate((x as Values).shape, (index) => Math.min(max, Math.max(min, at(x as Values, index)))),
  cast: ([x], { attributes: { to } }) =>
    tabulate((x as Values).shape, (index) => {
      const value = at(x as Values, index);
      if (to === 'bool') return Number(value !== 0);
      return to === 'float32' ? value : Math.trunc(value);
    }),
  equal: each((a, b) => Number(a === b)),
  greater: each((a = 0, b = 0) => Number(a > b)),
  where: each((condition = 0, yes = 0, no = 0) => (condition === 0 ? no : yes)),
  site: first,
  stopGradient: first,
  matmul,
  reshape: (inputs, { attributes: { shape } }, { size }) => ({ shape: shape.map(size), data: first(inputs).data }),
  transpose: (inputs, { attributes: { permutation } }) => {
    const x = first(inputs);
    return tabulate(
      permutation.map((axis) => x.shape[axis] as number),
      (index) =>
        at(
          x,
          permutation.map((_, axis) => index[permutation.indexOf(axis)] as number),
        ),
    );
  },
  expand: (inputs, { attributes: { shape } }, { size }) =>
    tabulate(shape.map(size), (index) => at(first(inputs), index)),
  concat: (inputs, { attributes: { axis } }) => {
    const total = sum(inputs.map(({ shape }) => shape[axis] as number));
    return tabulate(put(first(inputs).shape, axis, total), (index) => {
      let position = index[axis] as number;
      for (const part of inputs) {
        if (position < (part.shape[axis] as number)) return at(part, put(index, axis, position));
        position -= part.shape[axis] as number;
      }
      return Number.NaN;
    });
  },
  slice: (inputs, { attributes: { axis, start, end } }) => {
    const { shape } = first(inputs);
    const stop = typeof end === 'number' ? end : (shape[axis] as number);
    return tabulate(put(shape, axis, stop - start), (index) =>
      at(first(inputs), put(index, axis, start + (index[axis] as number))),
    );
  },
  pad: (inputs, { attributes: { axis, before, after } }) => {
    const size = first(inputs).shape[axis] as number;
    return tabulate(put(first(inputs).shape, axis, before + size + after), (index) => {
      const position = (index[axis] as number) - before;
      return position < 0 || position >= size ? 0 : at(first(inputs), put(index, axis, position));
    });
  },
  prefix: (inputs, { attributes }, { size }) =>
    tabulate(put(first(inputs).shape, 0, size(attributes.size)), (index) => at(first(inputs), index)),
  window: ([vector, start], { attributes: { size } }) =>
    tabulate([size], ([position = 0]) => vector?.data[(start?.data[0] as number) + position] as number),
  reduceSum: reduction(0, (total, x) => total + x),
  reduceMean: mean,
  reduceMax: reduction(Number.NEGATIVE_INFINITY, Math.max),
  sumSquares: (inputs) => ({ shape: [], data: Float64Array.of(sum(first(inputs).data.map((x) => x * x))) }),
  argMax: (inputs) => {
    const found = rows(first(inputs), 1, (row) => [row.indexOf(Math.max(...row))]);
    return { ...found, shape: found.shape.slice(0, -1) };
  },
  softmax: (inputs) => rows(first(inputs), first(inputs).shape.at(-1) as number, softmaxOf),
  logSoftmax: (inputs) =>
    rows(first(inputs), first(inputs).shape.at(-1) as number, (row) => softmaxOf(row).map(Math.log)),
  layerNorm,
  layerNormMean: (inputs, { attributes: { epsilon } }) =>
    rows(first(inputs), 1, (row) => [momentsOf(row, epsilon).mean]),
  layerNormInverseDeviation: (inputs, { attributes: { epsilon } }) =>
    rows(first(inputs), 1, (row) => [momentsOf(row, epsilon).inverseDeviation]),
  gather: ([table, indices]) => {
    const [from, by] = [table as Values, indices as Values];
    return tabulate([...by.shape, ...from.shape.slice(1)], (index) => {
      const row = at(by, index.slice(0, by.shape.length));
      return at(from, [row, ...index.slice(by.shape.length)]);
    });
  },
  scatterAdd,
};

/** Numbers for the symbols of a graph, from the inputs whose shapes have them. */
function bindings(order: readonly Node[], given: ValuesByName): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const node of order) {
    if (!is(node, 'input')) continue;
    node.shape.forEach((dim, axis) => {
      const size = given[node.attributes.name]?.shape[axis];
      if (typeof dim === 'string' && !dim.includes('*') && size !== undefined) found.set(dim, size);
    });
  }
  return found;
}

/** The values of some nodes, given those of the inputs. */
export function evaluate(outputs: readonly Node[], given: ValuesByName): Values[] {
  const order = topological(outputs);
  const symbols = bindings(order, given);
  const size = (dim: Dim): number =>
    sizeOf(
      String(dim)
        .split('*')
        .map((part) => symbols.get(part) ?? Number(part)),
    );
  const known = new Map<Node, Values>();
  for (const node of order) {
    const reference = REFERENCES[node.op] as Reference<OpName>;
    const inputs = node.inputs.map((input) => known.get(input) as Values);
    const values = reference(inputs, node, { given, size });
    assert(
      String(values.shape) === String(node.shape.map(size)),
      `${node.op} of shape [${node.shape.map(size)}] as inferred, and not [${values.shape}]`,
    );
    known.set(node, values);
  }
  return outputs.map((output) => known.get(output) as Values);
}

const STEP = 1e-4;

/** The gradient of a scalar with respect to one input, by central differences. */
export function finiteDifferences(loss: Node, name: string, given: ValuesByName): Values {
  const x = given[name] as Values;
  const lossAt = (cell: number, value: number): number => {
    const data = x.data.slice();
    data[cell] = value;
    return evaluate([loss], { ...given, [name]: { ...x, data } })[0]?.data[0] as number;
  };
  const data = x.data.map((value, cell) => (lossAt(cell, value + STEP) - lossAt(cell, value - STEP)) / (2 * STEP));
  return { shape: x.shape, data };
}

/** Largest difference, relative where values are above 1: |a - b| / max(1, |b|). NaN where shapes differ or values are missing. */
export function difference(actual: Values, expected: Values): number {
  if (String(actual.shape) !== String(expected.shape)) return Number.NaN;
  return actual.data.reduce((most, value, cell) => {
    const wanted = expected.data[cell] as number;
    if (value === wanted) return most;
    const found = Math.abs(value - wanted) / Math.max(1, Math.abs(wanted));
    return Number.isNaN(found) || Number.isNaN(most) ? Number.NaN : Math.max(most, found);
  }, 0);
}
