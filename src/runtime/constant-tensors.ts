/** The float tensors that are part of a model, as they are stored or as a `Reshape` of what is stored. */
import type { FloatTensor } from '../base/index.ts';
import { DATA_TYPE, type GraphProto, type TensorProto } from './onnx-proto.ts';

/** Finds a constant by the name of its value. */
export type ConstantTensors = (name: string) => FloatTensor | undefined;

export function constantTensors({ initializer, node }: GraphProto): ConstantTensors {
  const stored = new Map(initializer.map((tensor) => [tensor.name, tensor]));
  const reshapes = new Map(node.filter(({ opType }) => opType === 'Reshape').map((found) => [found.output[0], found]));
  return (name) => {
    const [source = name, sizes] = reshapes.get(name)?.input ?? [];
    const tensor = stored.get(source);
    const shape = sizes === undefined ? tensor?.dims : integersIn(stored.get(sizes));
    if (tensor?.dataType !== DATA_TYPE.float32 || shape === undefined) return undefined;
    return { dtype: 'float32', shape, data: new Float32Array(tensor.rawData.slice().buffer) };
  };
}

/** The values of an int64 vector that is part of the model. */
function integersIn(tensor: TensorProto | undefined): readonly number[] | undefined {
  return tensor && Array.from(new BigInt64Array(tensor.rawData.slice().buffer), Number);
}
