/**
 * A compiled graph: an ONNX Runtime session with named tensors in and out. `run` blocks the thread while it computes. Inputs are read
 * in place; outputs may be written in place too, into tensors that the caller hands over.
 */
import type { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { assert, BackendError, CheckpointError, type DType, messageOf, type Tensor } from '../base/index.ts';
import { type EmitOptions, emit } from './emit.ts';
import { exactIntegers } from './integer-products.ts';
import { loadRuntime, MEMORY_HINT, type Placement, PROVIDER_HINTS, sessionOptions } from './provider.ts';

export type Feeds = Readonly<Record<string, Tensor>>;

/** A model ready to run. */
export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Runs once. Tensors in `into` receive the outputs of their names; the others are fresh. */
  run(feeds: Feeds, into?: Feeds): Promise<Readonly<Record<string, Tensor>>>;
  close(): Promise<void>;
}

function toRuntime({ dtype, data, shape }: Tensor): RuntimeTensor {
  const { Tensor: Constructor } = loadRuntime();
  return new Constructor(dtype, data as Float32Array, shape);
}

function fromRuntime(name: string, tensor: RuntimeTensor): Tensor {
  assert(['float32', 'int64', 'int32', 'bool', 'uint8'].includes(tensor.type), `output ${name} of a known type`);
  return { dtype: tensor.type as DType, shape: tensor.dims, data: tensor.data as Float32Array } as Tensor;
}

/** A port that nobody reads: what is transferred to it ends there. */
const nowhere = new MessageChannel().port1;
nowhere.close();

/**
 * Frees at once what onnxruntime-node made of outputs that were written in place: a copy of each. Left to the garbage collector, those of a training
 * step, all weights and moments, had it mark the whole heap several times a second.
 */
function freeCopies(results: InferenceSession.ReturnType, into: Feeds): void {
  const copies = Object.entries(into).flatMap(([name, { data: place }]) => {
    const { data } = results[name] as RuntimeTensor;
    const { buffer } = data as Float32Array<ArrayBuffer>;
    return buffer === place.buffer ? [] : [buffer];
  });
  nowhere.postMessage(undefined, copies);
}

/**
 * Opens a model from the bytes of an `.onnx` file, or from its path; `special` are options of the runtime beside those of the placement.
 * Throws BackendError with what to do where a provider is missing.
 */
export async function openSession(
  model: Uint8Array | string,
  placement: Placement,
  special: InferenceSession.SessionOptions = {},
): Promise<Session> {
  let session: InferenceSession;
  try {
    const { InferenceSession: Runtime } = loadRuntime();
    const options = { ...sessionOptions(placement), ...(await exactIntegers()), ...special };
    session = typeof model === 'string' ? await Runtime.create(model, options) : await Runtime.create(model, options);
  } catch (cause) {
    const got = messageOf(cause);
    if (typeof model === 'string' && /protobuf|parse|INVALID_GRAPH|ModelProto|NO_SUCHFILE|Load model from/i.test(got)) {
      throw new CheckpointError(model, { expected: 'an ONNX model', got, cause });
    }
    const hint = /bad_?alloc|allocat|out of memory/i.test(got) ? MEMORY_HINT : PROVIDER_HINTS[placement.device];
    throw new BackendError(`device ${placement.device}`, {
      expected: 'a provider that opens this model',
      got,
      hint,
      cause,
    });
  }
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(feeds, into = {}) {
      const given = Object.fromEntries(session.inputNames.map((name) => [name, toRuntime(required(feeds, name))]));
      const fetches = Object.fromEntries(
        session.outputNames.map((name) => [name, into[name] === undefined ? null : toRuntime(into[name])]),
      );
      const results = await session.run(given, fetches).catch((cause: unknown) => {
        throw new BackendError(`device ${placement.device}`, {
          expected: 'the model to run',
          got: messageOf(cause),
          cause,
        });
      });
      freeCopies(results, into);
      return Object.fromEntries(
        session.outputNames.map((name) => [name, into[name] ?? fromRuntime(name, results[name] as RuntimeTensor)]),
      );
    },
    close: () => session.release(),
  };
}

function required(feeds: Feeds, name: string): Tensor {
  const tensor = feeds[name];
  assert(tensor !== undefined, `a value for the input ${name}`);
  return tensor;
}

/**
 * Emits a graph and opens it. Without the runtime's memory pattern, a second block beside the one that the first run has grown: a training
 * keeps a session per bucket of lengths, and five of them took 0.9 GiB with it, 0.6 without (mini, 32 rows), in the same time.
 */
export function compile(options: EmitOptions, placement: Placement): Promise<Session> {
  return openSession(emit(options).bytes, placement, { enableMemPattern: false });
}
