/**
 * Whether integer products are exact on this processor. AVX2 and AVX-512 without VNNI add pairs of products uint8 x int8 in 16 bits, which saturates
 * where both are large. The runtime can compute uint8 x uint8 in their place, which is exact, but takes more than twice the time where nothing
 * saturates: so it is asked to only where a product of the largest numbers comes out wrong.
 */
import type { InferenceSession } from 'onnxruntime-node';
import { DATA_TYPE, encodeModel, type ValueInfoProto } from './onnx-proto.ts';
import { loadRuntime } from './provider.ts';

const [M, K, N] = [4, 8, 16];
const [LARGEST_INPUT, LARGEST_WEIGHT] = [255, 127];

let asked: Promise<InferenceSession.SessionOptions> | undefined;

/** Options of a session whose integer products are exact; found once per process. */
export function exactIntegers(): Promise<InferenceSession.SessionOptions> {
  asked ??= isExact().then((exact) => (exact ? {} : { extra: { session: { x64quantprecision: '1' } } }));
  return asked;
}

/** [m, k] x [k, n], all of the largest numbers: every sum is k · 255 · 127. */
async function isExact(): Promise<boolean> {
  const { InferenceSession: Runtime, Tensor } = loadRuntime();
  const session = await Runtime.create(largestProduct(), { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const x = new Tensor('uint8', new Uint8Array(M * K).fill(LARGEST_INPUT), [M, K]);
  const { y } = await session.run({ x });
  await session.release();
  return Array.from(y?.data as Int32Array).every((sum) => sum === K * LARGEST_INPUT * LARGEST_WEIGHT);
}

function largestProduct(): Uint8Array {
  const matrix = (name: string, elemType: number, dims: readonly number[]): ValueInfoProto => {
    return { name, type: { tensorType: { elemType, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } } };
  };
  const weight = new Uint8Array(K * N).fill(LARGEST_WEIGHT);
  return encodeModel({
    irVersion: 10,
    producerName: 'prumux',
    opsetImport: [{ domain: '', version: 21 }],
    graph: {
      name: 'largest',
      node: [{ name: 'y', opType: 'MatMulInteger', domain: '', input: ['x', 'w'], output: ['y'], attribute: [] }],
      initializer: [{ name: 'w', dims: [K, N], dataType: DATA_TYPE.int8, rawData: weight }],
      input: [matrix('x', DATA_TYPE.uint8, [M, K])],
      output: [matrix('y', DATA_TYPE.int32, [M, N])],
    },
  });
}
