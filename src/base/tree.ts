/**
 * Tensors on the host and parameter trees: flat maps from a dotted name (`bert.encoder.layer.0.attention.self.query.weight`)
 * to a tensor. Names are those of Hugging Face's BERT, so a tree and a checkpoint file speak alike.
 */
import { assert } from './errors.ts';

export type DType = 'float32' | 'int64' | 'int32' | 'bool' | 'uint8';

interface DataOf {
  readonly float32: Float32Array;
  readonly int64: BigInt64Array;
  readonly int32: Int32Array;
  readonly bool: Uint8Array;
  readonly uint8: Uint8Array;
}

/** A tensor on the host: row-major data and its shape. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: DataOf[D];
}

export type FloatTensor = Tensor<'float32'>;
export type ParameterTree = ReadonlyMap<string, FloatTensor>;

/** Number of elements of a shape; a scalar has one. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

export function float32(data: Float32Array | readonly number[], shape: readonly number[]): FloatTensor {
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  assert(values.length === sizeOf(shape), `${sizeOf(shape)} values for shape [${shape.join(', ')}]`);
  return { dtype: 'float32', shape, data: values };
}

export function int64(data: ArrayLike<number>, shape: readonly number[]): Tensor<'int64'> {
  assert(data.length === sizeOf(shape), `${sizeOf(shape)} values for shape [${shape.join(', ')}]`);
  const values = new BigInt64Array(data.length);
  for (let index = 0; index < values.length; index++) values[index] = BigInt(data[index] as number);
  return { dtype: 'int64', shape, data: values };
}

export function zerosLike(tensor: FloatTensor): FloatTensor {
  return { dtype: 'float32', shape: tensor.shape, data: new Float32Array(tensor.data.length) };
}

/** The tensor of that name; a missing one is a defect of the caller. */
export function parameterOf(tree: ParameterTree, name: string): FloatTensor {
  const tensor = tree.get(name);
  assert(tensor !== undefined, `a parameter named ${name}`);
  return tensor;
}

/** Number of scalars in a tree. */
export function countParameters(tree: ParameterTree): number {
  let total = 0;
  for (const tensor of tree.values()) total += tensor.data.length;
  return total;
}
