/** The ONNX that graphs become, read back with the schema it was written with, and run where a number tells more than a name. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FloatTensor, float32, int64, type Tensor } from '../base/index.ts';
import {
  add,
  concat,
  product as dimProduct,
  exp,
  expand,
  gather,
  gradients,
  input,
  layerNorm,
  layerNormInverseDeviation,
  layerNormMean,
  matmul,
  mul,
  type Node,
  neg,
  plus,
  prefix,
  reduceMean,
  reduceSum,
  reshape,
  rmsNorm,
  site,
  slice,
  tanh,
  transpose,
} from '../graph/index.ts';
import { emit } from './emit.ts';
import { compile, cpu, type Feeds, openSession } from './index.ts';
import { decodeModel, encodeModel, type NodeProto } from './onnx-proto.ts';

type Outputs = Readonly<Record<string, Node>>;

const graphOf = (outputs: Outputs) => decodeModel(emit({ outputs }).bytes).graph;
const operators = (outputs: Outputs): string[] => graphOf(outputs).node.map(({ opType }) => opType);

async function run(
  outputs: Outputs,
  feeds: Feeds,
  weights?: ReadonlyMap<string, FloatTensor>,
): Promise<Readonly<Record<string, Tensor>>> {
  const session = await compile({ outputs, ...(weights && { weights }) }, cpu(1));
  const results = await session.run(feeds);
  await session.close();
  return results;
}

const x = input('x', [2, 3]);
const w = input('w', [4, 3]);
const b = input('b', [4]);
const product = matmul(x, w, { transposeB: true });
const values = {
  x: float32([1, 2, 3, -1, 0, 1], [2, 3]),
  w: float32([1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1], [4, 3]),
  b: float32([10, 20, 30, 40], [4]),
};

describe('one ONNX node', () => {
  it('has all three results of a layer normalisation', () => {
    const [scale, bias] = [input('scale', [3]), input('bias', [3])];
    const { node } = graphOf({
      mean: layerNormMean(x, scale, bias, 1e-5),
      y: layerNorm(x, scale, bias, 1e-5),
      inverse: layerNormInverseDeviation(x, scale, bias, 1e-5),
    });
    expect(node.map(({ opType, output }) => [opType, output])).toEqual([
      ['LayerNormalization', ['y', 'mean', 'inverse']],
    ]);
  });

  it('is not shared by normalisations that differ', () => {
    const [scale, bias] = [input('scale', [3]), input('bias', [3])];
    const pair = { one: layerNorm(x, scale, bias, 1e-5), other: layerNorm(x, scale, bias, 1e-6) };
    expect(operators(pair)).toEqual(['LayerNormalization', 'LayerNormalization']);
  });

  it('is a product with its bias', async () => {
    const outputs = { y: add(product, b) };
    expect(operators(outputs)).toEqual(['Gemm']);
    expect((await run(outputs, values)).y?.data).toEqual(Float32Array.of(11, 22, 33, 46, 9, 20, 31, 40));
  });

  it('is not a product with its bias where something else reads the product, or the sum is wider', () => {
    expect(operators({ y: add(product, b), also: neg(product) })).toEqual(['Gemm', 'Add', 'Neg']);
    expect(operators({ y: add(product, b), product })).toEqual(['Gemm', 'Add']);
    const column = matmul(x, input('v', [3, 1]));
    expect(operators({ y: add(column, b) })).toEqual(['MatMul', 'Add']);
  });

  it('does what equal nodes of a graph ask for', () => {
    expect(operators({ y: add(exp(x), neg(exp(x))) })).toEqual(['Exp', 'Neg', 'Add']);
  });

  it('is a norm by the root of the mean square, once the runtime has seen it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'emit-'));
    const file = join(folder, 'optimised.onnx');
    const { bytes } = emit({ outputs: { y: rmsNorm(x, input('scale', [3]), 1e-12) } });
    await (await openSession(bytes, cpu(1), { optimizedModelFilePath: file })).close();
    const { node } = decodeModel(await readFile(file)).graph;
    await rm(folder, { recursive: true });
    expect(node.map(({ opType }) => opType)).toEqual(['SimplifiedLayerNormalization']);
  });

  it('is not needed for a site', () => {
    expect(operators({ y: site(neg(site(site(x, 'one'), 'two')), 'three') })).toEqual(['Neg']);
  });
});

describe('outputs', () => {
  it('may be the same value twice', async () => {
    const y = neg(x);
    const results = await run({ one: y, other: y, marked: site(y, 'here') }, values);
    expect(results.other).toEqual(results.one);
    expect(results.marked).toEqual(results.one);
    expect(results.one?.data).toEqual(Float32Array.of(-1, -2, -3, 1, -0, -1));
  });

  it('may be an input, a weight or a constant as it is', async () => {
    const results = await run({ same: x, weight: w, sum: reduceSum(x, [0, 1]) }, values, new Map([['w', values.w]]));
    expect(results.same?.data).toEqual(values.x.data);
    expect(results.weight?.data).toEqual(values.w.data);
  });

  it('are read by others under their new names', async () => {
    const y = exp(x);
    const results = await run({ y, z: neg(y) }, values);
    expect(results.z?.data).toEqual((results.y as FloatTensor).data.map((value) => -value));
  });
});

describe('weights', () => {
  const outputs = { y: tanh(add(product, b)) };
  const weights = new Map([
    ['w', values.w],
    ['b', values.b],
  ]);

  it('in the model give what weights as inputs give', async () => {
    const model = emit({ outputs, weights });
    expect(model.inputs).toEqual(['x']);
    expect(emit({ outputs }).inputs).toEqual(['x', 'w', 'b']);
    expect(await run(outputs, { x: values.x }, weights)).toEqual(await run(outputs, values));
  });

  it('that the graph does not read stay out', () => {
    const { initializer } = decodeModel(emit({ outputs: { y: neg(x) }, weights }).bytes).graph;
    expect(initializer).toEqual([]);
  });

  it('that are a window of a larger buffer are written alone', () => {
    const buffer = Float32Array.of(9, 1, 2, 3, 9);
    const window: FloatTensor = { dtype: 'float32', shape: [3], data: buffer.subarray(1, 4) };
    const { bytes } = emit({ outputs: { y: neg(input('v', [3])) }, weights: new Map([['v', window]]) });
    const [tensor] = decodeModel(bytes).graph.initializer;
    expect(Buffer.from(tensor?.rawData ?? [])).toEqual(Buffer.from(Float32Array.of(1, 2, 3).buffer));
  });
});

describe('symbolic sizes', () => {
  const groups = (...shape: number[]): FloatTensor =>
    float32(
      Float32Array.from({ length: shape.reduce((a, c) => a * c, 1) }, (_, at) => at),
      shape,
    );

  it('are read off the inputs when the model runs', async () => {
    const tokens = input('tokens', ['B', 'T', 2]);
    const outputs = { y: add(tokens, prefix(input('positions', [5, 2]), 'T')), rows: reshape(tokens, ['B*T', 2]) };
    const session = await compile({ outputs }, cpu(1));
    for (const [B, T] of [
      [1, 1],
      [3, 5],
      [2, 4],
    ] as const) {
      const results = await session.run({ tokens: groups(B, T, 2), positions: groups(5, 2) });
      expect(results.y?.shape).toEqual([B, T, 2]);
      expect(results.rows?.shape).toEqual([B * T, 2]);
      expect(results.y?.data.at(-1)).toBe(2 * B * T - 1 + (2 * T - 1));
    }
    await session.close();
  });

  it('may be multiples of a symbol that no input shows alone', async () => {
    const grouped = reduceMean(reshape(input('rows', ['3*B', 'T']), ['B', 3, 'T']), [1]);
    const { y } = await run({ y: grouped }, { rows: groups(6, 2) });
    expect(y).toEqual(float32([2, 3, 8, 9], [2, 2]));
  });

  it('are named in the model', () => {
    const { input: inputs, output } = graphOf({ y: exp(input('rows', ['3*B', 'T', 4])) });
    const named = [{ dimParam: '3*B' }, { dimParam: 'T' }, { dimValue: 4 }];
    expect(inputs[0]?.type.tensorType.shape.dim).toEqual(named);
    expect(output[0]?.type.tensorType.shape.dim).toEqual(named);
  });

  it('that no input has are refused', () => {
    expect(() => emit({ outputs: { y: prefix(input('table', [5, 2]), 'U') } })).toThrow('an axis of size U');
  });
});

describe('sizes', () => {
  it('that are sums, or of which an input has only a multiple, are worked out when the model runs', async () => {
    const table = input('table', ['3*B', 'T']);
    const before = expand(input('before', [2]), ['B', 3, 2]);
    const wide = concat([before, reshape(table, ['B', 3, 'T'])], 2); // [B, 3, T + 2]
    const flat = reshape(transpose(wide, [0, 2, 1]), [dimProduct(['B', plus('T', 2)]), 3]);
    const outputs = {
      negative: neg(table), // first, so that the input is known by the time its sizes are asked for
      flat,
      text: slice(wide, 2, 2, plus('T', 2)),
      start: slice(wide, 2, 0, 3), // the axis has at least 3
    };
    const feeds = { table: float32([1, 2, 3, 4, 5, 6], [3, 2]), before: float32([8, 9], [2]) };
    const results = await run(outputs, feeds);
    expect(results.flat).toEqual(float32([8, 8, 8, 9, 9, 9, 1, 3, 5, 2, 4, 6], [4, 3]));
    expect(results.text).toEqual(float32([1, 2, 3, 4, 5, 6], [1, 3, 2]));
    expect(results.start).toEqual(float32([8, 9, 1, 8, 9, 3, 8, 9, 5], [1, 3, 3]));
  });
});

describe('the gradient of a lookup', () => {
  it('adds with ScatterElements, as ScatterND loses updates', () => {
    const table = input('table', [40, 2]);
    const loss = reduceSum(gather(table, input('at', [3], 'int64')), [0, 1]);
    const [slope] = gradients(loss, [table]) as [Node];
    const adding = (node: NodeProto): boolean => node.attribute.some(({ name }) => name === 'reduction');
    const scatters = graphOf({ slope }).node.filter(adding);
    expect(scatters.map(({ opType }) => opType)).toEqual(['ScatterElements']);
  });
});

describe('the bytes', () => {
  it('decode to a model that encodes to them', () => {
    const at = input('at', ['B'], 'int64');
    const { bytes, nodes, inputs, outputs } = emit({
      outputs: { y: layerNorm(gather(w, at), input('scale', [3]), input('bias', [3]), 1e-12), z: neg(b) },
      weights: new Map([['w', values.w]]),
    });
    const model = decodeModel(bytes);
    expect(Buffer.from(encodeModel(model))).toEqual(Buffer.from(bytes));
    expect(model.graph.node).toHaveLength(nodes);
    expect(model.graph.input.map(({ name }) => name)).toEqual(inputs);
    expect(model.graph.output.map(({ name }) => name)).toEqual(outputs);
    expect(model.opsetImport).toMatchObject([{ version: 21 }]);
  });

  it('are the same for the same graph, constants and all, whatever was built before', () => {
    const build = () => emit({ outputs: { y: tanh(add(matmul(mul(x, 3), w, { transposeB: true }), b)) } }).bytes;
    expect(build()).toEqual(build());
  });

  it('depend on nothing outside the graph: unfed inputs are those of the model', async () => {
    expect(emit({ outputs: { y: mul(x, x) } }).inputs).toEqual(['x']);
    expect((await run({ y: mul(x, x) }, { ...values, at: int64([1], [1]) })).y?.data).toEqual(
      Float32Array.of(1, 4, 9, 1, 0, 1),
    );
  });
});
