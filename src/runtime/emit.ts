/**
 * Turns a graph into an ONNX model. Most primitives become one operator with the same inputs; the table below holds those that
 * need attributes or extra operands. Two merges happen here, after differentiation: results of one operator (the three of a layer
 * normalisation) become one node, and a product of matrices plus a bias becomes one `Gemm`. A pass over the result brings it to the
 * precision that was asked for.
 */
import { assert, type DType, int64, type ParameterTree, type Precision, type Tensor } from '../base/index.ts';
import {
  type Dim,
  is,
  type Node,
  OPS,
  type OpName,
  product,
  quotient,
  type Shape,
  solid,
  sumOf,
  symbolsOf,
  topological,
  verify,
} from '../graph/index.ts';
import { type Fusion, fuse, gemmAttributes } from './fuse.ts';
import {
  type AttributeValue,
  attributeProto,
  DATA_TYPE,
  encodeModel,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx-proto.ts';
import { quantize } from './quantize.ts';

const OPSET = 21;
const IR_VERSION = 10;

/** What a graph gives: names for its outputs, and values for those of its inputs that are to be part of the model. */
export interface EmitOptions {
  readonly outputs: Readonly<Record<string, Node>>;
  /** Inputs of these names become initializers of the model instead of inputs. */
  readonly weights?: ParameterTree;
  /** Inputs that the model takes even where no output depends on them. */
  readonly inputs?: readonly Node[];
  /** Of the products with weights that are part of the model; by default fp32. */
  readonly precision?: Precision;
}

/** An ONNX model and what it takes and gives, by name. */
export interface EmittedModel {
  readonly bytes: Uint8Array;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: number;
}

type Operator = {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly attributes?: Record<string, AttributeValue>;
};

/** Where a node of the graph meets ONNX: names of its inputs, and ways to add constants and helper nodes. */
interface Scope {
  nameOf(node: Node): string;
  /** A small int64 vector as an initializer. */
  ints(values: readonly number[]): string;
  float(value: number): string;
  /** A shape as a vector: a constant where it is all numbers, else read off the model's inputs when it runs. */
  shape(shape: Shape, of?: Shape): string;
  /** Adds a helper node and gives the name of its result. */
  add(operator: Operator): string;
}

type Emitter<O extends OpName> = (node: Node<O>, inputs: readonly string[], scope: Scope) => Operator;

const axesAsInput: Emitter<'reduceSum' | 'reduceMean' | 'reduceMax'> = (node, [x = ''], scope) => ({
  type: OPS[node.op].onnx,
  inputs: [x, scope.ints(node.attributes.axes)],
  attributes: { keepdims: { int: node.attributes.keep ? 1 : 0 } },
});

const lastAxis: Emitter<'softmax' | 'logSoftmax'> = (node, inputs) => ({
  type: OPS[node.op].onnx,
  inputs,
  attributes: { axis: { int: -1 } },
});

const normalise: Emitter<'layerNorm' | 'layerNormMean' | 'layerNormInverseDeviation'> = (node, inputs) => ({
  type: 'LayerNormalization',
  inputs,
  attributes: { axis: { int: -1 }, epsilon: { float: node.attributes.epsilon } },
});

/** Matrices go through `Gemm`, which reads transposed operands in place; batches of them are transposed, which the runtime fuses. */
const emitMatmul: Emitter<'matmul'> = (node, inputs, scope) => {
  const { transposeA, transposeB } = node.attributes;
  if (node.inputs.every(({ shape }) => shape.length === 2)) {
    if (!transposeA && !transposeB) return { type: 'MatMul', inputs };
    return {
      type: 'Gemm',
      inputs,
      attributes: gemmAttributes(node.attributes),
    };
  }
  const swapped = (at: number): string => {
    const rank = node.inputs[at]?.shape.length ?? 0;
    const perm = Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
    return scope.add({ type: 'Transpose', inputs: [inputs[at] ?? ''], attributes: { perm: { ints: perm } } });
  };
  return {
    type: 'MatMul',
    inputs: [transposeA ? swapped(0) : (inputs[0] ?? ''), transposeB ? swapped(1) : (inputs[1] ?? '')],
  };
};

/** Every index repeated along the rows that it selects: [i...] -> [i..., d]. `ScatterElements` wants one index per element. */
const emitScatterAdd: Emitter<'scatterAdd'> = (node, [indices = '', updates = ''], scope) => {
  const [index, update] = node.inputs as readonly [Node, Node];
  const count = product(index.shape);
  const width = update.shape.slice(index.shape.length);
  const flat = [count, ...width];
  const column = scope.add({
    type: 'Reshape',
    inputs: [indices, scope.shape([count, ...width.map(() => 1)], index.shape)],
  });
  const repeated = scope.add({ type: 'Expand', inputs: [column, scope.shape(flat)] });
  const rows = scope.add({ type: 'Reshape', inputs: [updates, scope.shape(flat, update.shape)] });
  const zeros = scope.add({ type: 'ConstantOfShape', inputs: [scope.shape(node.shape)] });
  return {
    type: 'ScatterElements',
    inputs: [zeros, repeated, rows],
    attributes: { axis: { int: 0 }, reduction: { string: 'add' } },
  };
};

const EMITTERS: { readonly [O in OpName]?: Emitter<O> } = {
  clip: (node, [x = ''], scope) => ({
    type: 'Clip',
    inputs: [x, scope.float(node.attributes.min), scope.float(node.attributes.max)],
  }),
  // A square is a power: by that the runtime knows the operators of `rmsNorm`, and makes one of them.
  mul: (_, [x = '', y = ''], scope) =>
    x === y ? { type: 'Pow', inputs: [x, scope.float(2)] } : { type: 'Mul', inputs: [x, y] },
  cast: (node, inputs) => ({ type: 'Cast', inputs, attributes: { to: { int: DATA_TYPE[node.attributes.to] } } }),
  matmul: emitMatmul,
  reshape: (node, [x = ''], scope) => ({
    type: 'Reshape',
    inputs: [x, scope.shape(node.shape, (node.inputs[0] as Node).shape)],
  }),
  transpose: (node, inputs) => ({
    type: 'Transpose',
    inputs,
    attributes: { perm: { ints: node.attributes.permutation } },
  }),
  expand: (node, [x = ''], scope) => ({ type: 'Expand', inputs: [x, scope.shape(node.shape)] }),
  concat: (node, inputs) => ({ type: 'Concat', inputs, attributes: { axis: { int: node.attributes.axis } } }),
  slice: (node, [x = ''], scope) => {
    const { axis, start, end } = node.attributes;
    return { type: 'Slice', inputs: [x, scope.ints([start]), scope.shape([end]), scope.ints([axis])] };
  },
  pad: (node, [x = ''], scope) => {
    const { axis, before, after } = node.attributes;
    return { type: 'Pad', inputs: [x, scope.ints([before, after]), '', scope.ints([axis])] };
  },
  prefix: (node, [x = ''], scope) => ({
    type: 'Slice',
    inputs: [x, scope.ints([0]), scope.shape([node.attributes.size]), scope.ints([0])],
  }),
  window: (node, [x = '', start = ''], scope) => {
    const end = scope.add({ type: 'Add', inputs: [start, scope.ints([node.attributes.size])] });
    return { type: 'Slice', inputs: [x, start, end] };
  },
  reduceSum: axesAsInput,
  reduceMean: axesAsInput,
  reduceMax: axesAsInput,
  sumSquares: (_, inputs) => ({ type: 'ReduceSumSquare', inputs, attributes: { keepdims: { int: 0 } } }),
  argMax: (_, inputs) => ({ type: 'ArgMax', inputs, attributes: { axis: { int: -1 }, keepdims: { int: 0 } } }),
  softmax: lastAxis,
  logSoftmax: lastAxis,
  layerNorm: normalise,
  layerNormMean: normalise,
  layerNormInverseDeviation: normalise,
  gather: (_, inputs) => ({ type: 'Gather', inputs, attributes: { axis: { int: 0 } } }),
  scatterAdd: emitScatterAdd,
};

/** The bytes of a tensor in ONNX's order, which is the host's. */
function tensorProto(name: string, { dtype, shape, data }: Tensor): TensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dims: shape, dataType: DATA_TYPE[dtype], rawData };
}

function valueInfo(name: string, dtype: DType, shape: Shape): ValueInfoProto {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: DATA_TYPE[dtype], shape: { dim } } } };
}

/** State of one emission. */
class Emission implements Scope {
  readonly nodes: NodeProto[] = [];
  readonly initializers = new Map<string, TensorProto>();
  readonly inputs = new Map<string, ValueInfoProto>();
  private readonly names = new Map<Node, string>();
  /** One ONNX node per operator, operands and attributes; the primitives that are its results find it here. */
  private readonly shared = new Map<string, { outputs: string[]; index: number }>();
  private readonly symbols = new Map<string, string>();
  /** Where a symbol can be read off a multiple of it (`5*B`), which is done only if it is asked for. */
  private readonly multiples = new Map<string, { readonly size: () => string; readonly factor: number }>();
  private readonly weights: ParameterTree;
  private readonly fusions: ReadonlyMap<Node, Fusion>;
  private readonly absorbed: ReadonlySet<Node>;
  private next = 0;

  constructor(weights: ParameterTree, fusions: ReadonlyMap<Node, Fusion>) {
    this.weights = weights;
    this.fusions = fusions;
    this.absorbed = new Set(Array.from(fusions.values()).flatMap(({ absorbed }) => absorbed));
  }

  nameOf(node: Node): string {
    const name = this.names.get(solid(node));
    assert(name !== undefined, `node ${node.id} (${node.op}) to be emitted before its users`);
    return name;
  }

  ints(values: readonly number[]): string {
    return this.initialize(`ints:${values.join(',')}`, int64(values, [values.length]));
  }

  float(value: number): string {
    return this.initialize(`float:${value}`, { dtype: 'float32', shape: [], data: Float32Array.of(value) });
  }

  shape(shape: Shape, of?: Shape): string {
    const open = of === undefined ? -1 : this.openAxis(shape);
    if (shape.every((dim, axis) => axis === open || typeof dim === 'number')) {
      return this.ints(shape.map((dim, axis) => (axis === open ? -1 : Number(dim))));
    }
    const parts = shape.map((dim, axis) => (axis === open ? this.ints([-1]) : this.size(dim)));
    return this.add({ type: 'Concat', inputs: parts, attributes: { axis: { int: 0 } } });
  }

  add(operator: Operator): string {
    return this.emit(operator, 1)[0] as string;
  }

  /** Emits one node of the graph; its inputs have names already. */
  visit(node: Node): void {
    const source = solid(node);
    if (source !== node || this.absorbed.has(node)) return;
    if (is(node, 'input')) this.names.set(node, this.source(node));
    else if (is(node, 'constant')) this.names.set(node, this.initialize(this.constantName(), node.attributes.value));
    else this.names.set(node, this.result(node));
  }

  /** Gives results the names that the model promises: by renaming, so that nothing is copied; a value asked for twice is. */
  publish(outputs: Readonly<Record<string, Node>>): ValueInfoProto[] {
    const renamed = new Map<string, string>();
    for (const [name, node] of Object.entries(outputs)) {
      const value = this.nameOf(node);
      if (renamed.has(value) || this.inputs.has(value) || this.initializers.has(value)) {
        this.nodes.push({ name, opType: 'Identity', domain: '', input: [value], output: [name], attribute: [] });
      } else renamed.set(value, name);
    }
    const rename = (value: string): string => renamed.get(value) ?? value;
    this.nodes.forEach((node, at) => {
      this.nodes[at] = { ...node, input: node.input.map(rename), output: node.output.map(rename) };
    });
    return Object.entries(outputs).map(([name, { dtype, shape }]) => valueInfo(name, dtype, shape));
  }

  private source(node: Node<'input'>): string {
    const { name, shape, dtype } = node.attributes;
    const weight = this.weights.get(name);
    if (weight !== undefined) {
      this.initializers.set(name, tensorProto(name, weight));
      return name;
    }
    this.inputs.set(name, valueInfo(name, dtype, shape));
    shape.forEach((dim, axis) => {
      const [symbol, ...others] = symbolsOf(dim);
      if (symbol === undefined || others.length > 0) return;
      // Mostly a multiple need not be read, as it follows from the element count.
      if (symbol !== dim) {
        this.multiples.set(symbol, { size: () => this.readSize(name, axis), factor: Number(quotient(dim, symbol)) });
      } else if (!this.symbols.has(symbol)) this.symbols.set(symbol, this.readSize(name, axis));
    });
    return name;
  }

  private readSize(input: string, axis: number): string {
    return this.add({ type: 'Shape', inputs: [input], attributes: { start: { int: axis }, end: { int: axis + 1 } } });
  }

  /** The one axis whose size ONNX may work out from the element count: one that cannot be read off an input, else any symbolic one. */
  private openAxis(shape: Shape): number {
    const isBound = (symbol: string): boolean => this.symbols.has(sumOf(symbol)?.base ?? symbol);
    const unbound = shape.findIndex((dim) => !symbolsOf(dim).every(isBound));
    return unbound >= 0 ? unbound : shape.findIndex((dim) => typeof dim === 'string');
  }

  /** A size as a vector of one. */
  private size(dim: Dim): string {
    if (typeof dim === 'number') return this.ints([dim]);
    const factors = symbolsOf(dim).map((symbol) => this.symbolSize(symbol));
    const constant = quotient(dim, product(symbolsOf(dim)));
    if (constant !== 1) factors.push(this.ints([Number(constant)]));
    return factors.reduce((left, right) => this.add({ type: 'Mul', inputs: [left, right] }));
  }

  private symbolSize(symbol: string): string {
    const read = this.symbols.get(symbol);
    if (read !== undefined) return read;
    const sum = sumOf(symbol);
    if (sum !== undefined) {
      return this.add({ type: 'Add', inputs: [this.symbolSize(sum.base), this.ints([sum.count])] });
    }
    const multiple = this.multiples.get(symbol);
    assert(multiple !== undefined, `an input of the model that has an axis of size ${symbol}`);
    return this.add({ type: 'Div', inputs: [multiple.size(), this.ints([multiple.factor])] });
  }

  /** By its place, not by the node's id: the same graph is the same bytes, whatever a process has built before. */
  private constantName(): string {
    return `constant:${this.initializers.size}`;
  }

  private initialize(key: string, tensor: Tensor): string {
    if (!this.initializers.has(key)) this.initializers.set(key, tensorProto(key, tensor));
    return key;
  }

  private result(node: Node): string {
    const definition = OPS[node.op];
    const operator = this.operator(node);
    const key = JSON.stringify([operator.type, operator.inputs, operator.attributes]);
    const wanted = definition.output ?? 0;
    const twin = this.shared.get(key);
    if (twin === undefined) {
      const outputs = this.emit(operator, wanted + 1);
      this.shared.set(key, { outputs, index: this.nodes.length - 1 });
      return outputs[wanted] as string;
    }
    while (twin.outputs.length <= wanted) twin.outputs.push(`v${this.next++}`);
    this.nodes[twin.index] = { ...(this.nodes[twin.index] as NodeProto), output: twin.outputs };
    return twin.outputs[wanted] as string;
  }

  private operator(node: Node): Operator {
    const fusion = this.fusions.get(node);
    const inputs = (fusion?.operands ?? node.inputs).map((input) => this.nameOf(input));
    if (fusion !== undefined) return { type: fusion.type, inputs, attributes: fusion.attributes };
    const emitter = EMITTERS[node.op] as Emitter<OpName> | undefined;
    return emitter?.(node, inputs, this) ?? { type: OPS[node.op].onnx, inputs };
  }

  private emit({ type, inputs, attributes = {} }: Operator, results: number): string[] {
    const output = Array.from({ length: results }, () => `v${this.next++}`);
    const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
    this.nodes.push({ name: `n${this.nodes.length}`, opType: type, domain: '', input: inputs, output, attribute });
    return output;
  }
}

/** What a model goes through to have a precision. */
const PASSES: Readonly<Record<Precision, (model: ModelProto) => ModelProto>> = {
  fp32: (model) => model,
  int8: quantize,
};

/** Writes the graph that some named outputs reach as an ONNX model. */
export function emit({ outputs, weights = new Map(), inputs = [], precision = 'fp32' }: EmitOptions): EmittedModel {
  const roots = Object.values(outputs);
  verify(roots);
  const order = topological(roots);
  const emission = new Emission(weights, fuse(order, roots));
  for (const node of [...inputs, ...order]) emission.visit(node);
  const model = PASSES[precision]({
    irVersion: IR_VERSION,
    producerName: 'prumux',
    opsetImport: [{ domain: '', version: OPSET }],
    graph: {
      name: 'prumux',
      output: emission.publish(outputs),
      node: emission.nodes,
      initializer: [...emission.initializers.values()],
      input: [...emission.inputs.values()],
    },
  });
  return {
    bytes: encodeModel(model),
    inputs: [...emission.inputs.keys()],
    outputs: Object.keys(outputs),
    nodes: model.graph.node.length,
  };
}
