/**
 * Dynamic quantisation: a model's products with constant matrices in integers. Weights are int8 with a scale per output channel; what is
 * multiplied with them is uint8 with a scale and a zero point per tensor, found when the model runs:
 *
 *   x ≈ s (q - z),  w_j ≈ s_j q_j   =>   (x W)_j ≈ s s_j Σ (q - z) q_j, the sum in int32
 *
 * Written in ONNX's own operators, so that any runtime opens the file. ONNX Runtime fuses them as it loads it, into `DynamicQuantizeMatMul`, or into
 * `MatMulIntegerToFloat` where several products read one input, as queries, keys and values do: as fast as where these are written out.
 * Word tables become int8 rows with a scale each: a quarter of the memory, and 0.9 of the time of looking up floats.
 */
import { type ConstantTensors, constantTensors } from './constant-tensors.ts';
import { type FloatMatrix, quantizeRows, transposed } from './int8.ts';
import {
  type AttributeValue,
  attributeProto,
  DATA_TYPE,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from './onnx-proto.ts';

/** Products of fewer output channels stay as they are: integers take as long at 8, two thirds at 16, a quarter to a third at 64. */
const LEAST_CHANNELS = 16;
/** Tables of fewer rows stay as they are: there is little to save. */
const LEAST_ROWS = 64;

/** x W + b with constant W, b: [..., k], [k, n], [n] -> [..., n] */
interface Product {
  readonly x: string;
  readonly weight: string;
  /** W by output channel: [n, k] */
  readonly channels: FloatMatrix;
  readonly bias: string | undefined;
}

/** A constant in integers, by the names of its initializers. */
interface QuantizedConstant {
  readonly values: string;
  readonly scales: string;
}

/** The results of `DynamicQuantizeLinear`. */
interface QuantizedInput {
  readonly values: string;
  readonly scale: string;
  readonly zeroPoint: string;
}

/**
 * The model with its products and word tables in 8 bits. What is small stays in floats, and so does the product that gives an output: its
 * errors would be those of the answer, and it costs nothing.
 */
export function quantize(model: ModelProto): ModelProto {
  return { ...model, graph: new Quantization(model.graph).run() };
}

/** State of one pass. */
class Quantization {
  private readonly graph: GraphProto;
  private readonly constantOf: ConstantTensors;
  private readonly answers: ReadonlySet<string>;
  private readonly nodes: NodeProto[] = [];
  private readonly initializers: TensorProto[] = [];
  private readonly inputs = new Map<string, QuantizedInput>();
  private readonly quantizedConstants = new Map<string, QuantizedConstant>();

  constructor(graph: GraphProto) {
    this.graph = graph;
    this.constantOf = constantTensors(graph);
    this.answers = answersOf(graph);
  }

  run(): GraphProto {
    for (const node of this.graph.node) this.visit(node);
    return withoutUnread({
      ...this.graph,
      node: this.nodes,
      initializer: [...this.graph.initializer, ...this.initializers],
    });
  }

  private visit(node: NodeProto): void {
    const product = this.productOf(node);
    const table = product === undefined ? this.tableOf(node) : undefined;
    if (product !== undefined) this.multiply(product, node.output[0] as string);
    else if (table !== undefined) this.lookUp(node, table);
    else this.nodes.push(node);
  }

  /** The product that a node is, where it is to be one of integers. */
  private productOf({ opType, input, output, attribute }: NodeProto): Product | undefined {
    if (opType !== 'Gemm' && opType !== 'MatMul') return undefined;
    const [x = '', weight = '', bias] = input;
    const isSet = (name: string): boolean => attribute.some((given) => given.name === name && given.i === 1);
    const matrix = this.matrixOf(weight);
    if (matrix === undefined || isSet('transA') || this.constantOf(x) !== undefined) return undefined;
    if (bias !== undefined && this.constantOf(bias)?.shape.length !== 1) return undefined;
    const product = isSet('transB')
      ? { x, weight, channels: matrix, bias }
      : { x, weight: `${weight}.transposed`, channels: transposed(matrix), bias };
    const isAnswer = output.some((name) => this.answers.has(name));
    return isAnswer || product.channels.rows < LEAST_CHANNELS ? undefined : product;
  }

  /** The table that a node looks rows up in, where these are to be integers. */
  private tableOf({ opType, input: [table = ''] }: NodeProto): FloatMatrix | undefined {
    const matrix = opType === 'Gather' ? this.matrixOf(table) : undefined;
    return matrix === undefined || matrix.rows < LEAST_ROWS ? undefined : matrix;
  }

  private matrixOf(name: string): FloatMatrix | undefined {
    const constant = this.constantOf(name);
    const [rows, columns, ...others] = constant?.shape ?? [];
    if (constant === undefined || rows === undefined || columns === undefined || others.length > 0) return undefined;
    return { rows, columns, data: constant.data };
  }

  private multiply({ x, weight, channels, bias }: Product, result: string): void {
    const { values, scale, zeroPoint } = this.quantizedInput(x);
    const constant = this.quantizedWeight(weight, channels);
    const sums = this.add('MatMulInteger', [values, constant.values, zeroPoint], `${result}.sums`);
    const scales = this.add('Mul', [scale, constant.scales], `${result}.scales`);
    const product = [this.floats(sums), scales];
    if (bias === undefined) this.add('Mul', product, result);
    else this.add('Add', [this.add('Mul', product, `${result}.product`), bias], result);
  }

  /** Rows of integers times their scales: [v, d], [v, 1], [...] -> [..., d] */
  private lookUp({ input: [table = '', indices = ''], output: [result = ''] }: NodeProto, rows: FloatMatrix): void {
    const { values, scales } = this.quantizedTable(table, rows);
    const found = this.add('Gather', [values, indices], `${result}.rows`);
    const scale = this.add('Gather', [scales, indices], `${result}.rowScales`);
    this.add('Mul', [this.floats(found), scale], result);
  }

  /** Once, however many products read it. */
  private quantizedInput(x: string): QuantizedInput {
    const known = this.inputs.get(x);
    if (known !== undefined) return known;
    const input = { values: `${x}.values`, scale: `${x}.scale`, zeroPoint: `${x}.zeroPoint` };
    this.nodes.push(nodeOf('DynamicQuantizeLinear', [x], Object.values(input)));
    this.inputs.set(x, input);
    return input;
  }

  /** [k, n] with scales [n] */
  private quantizedWeight(name: string, channels: FloatMatrix): QuantizedConstant {
    return this.constant(`${name}.channels`, () => {
      const { matrix, scales } = quantizeRows(name, channels);
      const { rows: k, columns: n, data } = transposed(matrix);
      return [tensorOf([k, n], data), tensorOf([n], scales)];
    });
  }

  /** [v, d] with scales [v, 1] */
  private quantizedTable(name: string, table: FloatMatrix): QuantizedConstant {
    return this.constant(`${name}.rows`, () => {
      const { matrix, scales } = quantizeRows(name, table);
      return [tensorOf([matrix.rows, matrix.columns], matrix.data), tensorOf([matrix.rows, 1], scales)];
    });
  }

  private constant(name: string, make: () => readonly [values: Unnamed, scales: Unnamed]): QuantizedConstant {
    const known = this.quantizedConstants.get(name);
    if (known !== undefined) return known;
    const constant = { values: `${name}.int8`, scales: `${name}.scales` };
    const [values, scales] = make();
    this.initializers.push({ ...values, name: constant.values }, { ...scales, name: constant.scales });
    this.quantizedConstants.set(name, constant);
    return constant;
  }

  private floats(integers: string): string {
    return this.add('Cast', [integers], `${integers}.float`, { to: { int: DATA_TYPE.float32 } });
  }

  /** Adds a node and gives the name of its result. */
  private add(type: string, inputs: readonly string[], result: string, attributes: Attributes = {}): string {
    this.nodes.push(nodeOf(type, inputs, [result], attributes));
    return result;
  }
}

type Attributes = Readonly<Record<string, AttributeValue>>;
type Unnamed = Omit<TensorProto, 'name'>;

/** A node of the name of its first result. */
function nodeOf(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Attributes = {},
): NodeProto {
  const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
  return { name: output[0] as string, opType, domain: '', input, output, attribute };
}

function tensorOf(dims: readonly number[], data: Int8Array | Float32Array): Unnamed {
  const dataType = data instanceof Int8Array ? DATA_TYPE.int8 : DATA_TYPE.float32;
  return { dims, dataType, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** Results that are outputs of the model, or become one by a change of shape. */
function answersOf({ node, output }: GraphProto): ReadonlySet<string> {
  const answers = new Set(output.map(({ name }) => name));
  for (const { opType, input, output } of node.toReversed()) {
    if (opType === 'Reshape' && output.some((name) => answers.has(name))) answers.add(input[0] as string);
  }
  return answers;
}

/** Without the nodes and initializers that nobody reads any more. */
function withoutUnread(graph: GraphProto): GraphProto {
  const read = new Set(graph.output.map(({ name }) => name));
  const kept = graph.node.toReversed().filter(({ input, output }) => {
    const isRead = output.some((name) => read.has(name));
    if (isRead) for (const name of input) read.add(name);
    return isRead;
  });
  return { ...graph, node: kept.toReversed(), initializer: graph.initializer.filter(({ name }) => read.has(name)) };
}
