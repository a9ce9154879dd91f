/**
 * Reading and writing safetensors files: a length, a JSON header, and the tensors' bytes. Half-precision floats are widened
 * to float32, and doubles rounded to it; integers of other sizes are widened to 32 or 64 bits. The rest is read and written as it is.
 *
 * Format: https://huggingface.co/docs/safetensors - little-endian, tensors one after another without holes.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { CheckpointError, type DType, messageOf, type ParameterTree, sizeOf, type Tensor } from '../base/index.ts';
import { writeFileAtomically } from './atomic-file.ts';

/** The content of a file: tensors by name and free-form strings. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes of an element, and how a tensor is made of the bytes, which are a buffer of their own. */
interface StoredType {
  readonly bytes: number;
  decode(shape: readonly number[], bytes: ArrayBuffer): Tensor;
}

const widened = (shape: readonly number[], values: ArrayLike<number>): Tensor => ({
  dtype: 'int32',
  shape,
  data: Int32Array.from(values),
});

const STORED_TYPES: Readonly<Record<string, StoredType>> = {
  F32: { bytes: 4, decode: (shape, bytes) => ({ dtype: 'float32', shape, data: new Float32Array(bytes) }) },
  F16: { bytes: 2, decode: (shape, bytes) => ({ dtype: 'float32', shape, data: widenF16(new Uint16Array(bytes)) }) },
  BF16: { bytes: 2, decode: (shape, bytes) => ({ dtype: 'float32', shape, data: widenBF16(new Uint16Array(bytes)) }) },
  F64: {
    bytes: 8,
    decode: (shape, bytes) => ({ dtype: 'float32', shape, data: Float32Array.from(new Float64Array(bytes)) }),
  },
  I64: { bytes: 8, decode: (shape, bytes) => ({ dtype: 'int64', shape, data: new BigInt64Array(bytes) }) },
  U32: {
    bytes: 4,
    decode: (shape, bytes) => ({ dtype: 'int64', shape, data: BigInt64Array.from(new Uint32Array(bytes), BigInt) }),
  },
  I32: { bytes: 4, decode: (shape, bytes) => ({ dtype: 'int32', shape, data: new Int32Array(bytes) }) },
  I16: { bytes: 2, decode: (shape, bytes) => widened(shape, new Int16Array(bytes)) },
  U16: { bytes: 2, decode: (shape, bytes) => widened(shape, new Uint16Array(bytes)) },
  I8: { bytes: 1, decode: (shape, bytes) => widened(shape, new Int8Array(bytes)) },
  U8: { bytes: 1, decode: (shape, bytes) => ({ dtype: 'uint8', shape, data: new Uint8Array(bytes) }) },
  BOOL: { bytes: 1, decode: (shape, bytes) => ({ dtype: 'bool', shape, data: new Uint8Array(bytes) }) },
};

const WRITTEN_TYPES = {
  float32: 'F32',
  int64: 'I64',
  int32: 'I32',
  uint8: 'U8',
  bool: 'BOOL',
} as const satisfies Record<DType, string>;

const entrySchema = z.looseObject({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});

/** Where a tensor lies in the file, checked. */
interface Place {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: readonly number[];
  readonly start: number;
  readonly length: number;
}

const LENGTH_BYTES = 8;

/**
 * The tensors of a file. Whatever is wrong with it, a missing file included, is a CheckpointError that names the file, the
 * tensor, and the bytes expected and got.
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  try {
    const file = await open(path, 'r');
    return await readOpened(file, path).finally(() => file.close());
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw new CheckpointError(path, { expected: 'a readable safetensors file', got: messageOf(cause), cause });
  }
}

/** The float tensors among them: the parameters of a model without its integer buffers. */
export function floatTensors(tensors: ReadonlyMap<string, Tensor>): ParameterTree {
  return new Map(Array.from(tensors).flatMap(([name, tensor]) => (isFloat(tensor) ? [[name, tensor] as const] : [])));
}

function isFloat(tensor: Tensor): tensor is Tensor<'float32'> {
  return tensor.dtype === 'float32';
}

async function readOpened(file: FileHandle, path: string): Promise<Safetensors> {
  const { size } = await file.stat();
  if (size < LENGTH_BYTES) throw damaged(path, `${LENGTH_BYTES} bytes of header length`, `${size} bytes in all`);
  const lengthBytes = new DataView(await readBytes(file, 0, LENGTH_BYTES, path));
  const headerLength = lengthBytes.getBigUint64(0, true);
  if (headerLength > BigInt(size - LENGTH_BYTES)) {
    throw damaged(path, `a header of ${headerLength} bytes, as it says`, `${size - LENGTH_BYTES} bytes in all`);
  }
  const dataStart = LENGTH_BYTES + Number(headerLength);
  const { metadata, entries } = parseHeader(await readBytes(file, LENGTH_BYTES, Number(headerLength), path), path);
  const tensors = new Map<string, Tensor>();
  for (const { name, type, shape, start, length } of placesOf(entries, size - dataStart, path)) {
    tensors.set(name, type.decode(shape, await readBytes(file, dataStart + start, length, path)));
  }
  return { tensors, metadata };
}

/** Node reads at most 2 GiB at a time. */
const LONGEST_READ = 2 ** 30;

async function readBytes(file: FileHandle, start: number, length: number, path: string): Promise<ArrayBuffer> {
  const buffer = new ArrayBuffer(length);
  for (let done = 0; done < length; ) {
    const rest = new Uint8Array(buffer, done, Math.min(length - done, LONGEST_READ));
    const { bytesRead } = await file.read(rest, 0, rest.length, start + done);
    if (bytesRead === 0) throw damaged(path, `${length} bytes at ${start}`, `${done} before the end of the file`);
    done += bytesRead;
  }
  return buffer;
}

type Entry = z.infer<typeof entrySchema>;

interface Header {
  readonly metadata: Safetensors['metadata'];
  readonly entries: ReadonlyMap<string, Entry>;
}

/** Names are free, and kept even where they are `__proto__`, which a record of zod would lose. */
function parseHeader(bytes: ArrayBuffer, path: string): Header {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged(path, 'a header in JSON', messageOf(cause));
  }
  if (!isObject(json)) throw damaged(path, 'a JSON object as header', JSON.stringify(json).slice(0, 80));
  const { __metadata__: metadata = {}, ...rest } = json;
  if (!isStrings(metadata))
    throw damaged(`${path} (__metadata__)`, 'strings by name', JSON.stringify(metadata).slice(0, 80));
  return {
    metadata,
    entries: new Map(Object.entries(rest).map(([name, entry]) => [name, entryOf(name, entry, path)])),
  };
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function isStrings(json: unknown): json is Record<string, string> {
  return isObject(json) && Object.values(json).every((value) => typeof value === 'string');
}

function entryOf(name: string, json: unknown, path: string): Entry {
  const entry = entrySchema.safeParse(json);
  if (entry.success) return entry.data;
  const [issue] = entry.error.issues;
  const where = [name, ...(issue?.path ?? [])].join('.');
  throw damaged(`${path} (${where})`, 'dtype, shape and data_offsets', issue?.message);
}

/** Every tensor's place, in the order of the file; together they must fill the data area exactly. */
function placesOf(entries: Header['entries'], dataLength: number, path: string): Place[] {
  const places = Array.from(entries)
    .map(([name, entry]) => placeOf(name, entry, dataLength, path))
    .sort((a, b) => a.start - b.start || a.length - b.length);
  let end = 0;
  for (const { name, start, length } of places) {
    if (start !== end)
      throw damaged(`${path} (${name})`, `data_offsets from ${end}, where the last ends`, String(start));
    end = start + length;
  }
  if (end !== dataLength) throw damaged(path, `${end} bytes of tensors, as the header says`, `${dataLength}`);
  return places;
}

function placeOf(name: string, entry: Entry, dataLength: number, path: string): Place {
  const { dtype, shape } = entry;
  const [start, end] = entry.data_offsets;
  const type = Object.hasOwn(STORED_TYPES, dtype) ? STORED_TYPES[dtype] : undefined;
  if (type === undefined) {
    throw damaged(`${path} (${name})`, `a dtype of ${Object.keys(STORED_TYPES).join(', ')}`, dtype);
  }
  const length = sizeOf(shape) * type.bytes;
  if (end - start !== length) {
    throw damaged(`${path} (${name})`, `${length} bytes for ${dtype} [${shape.join(', ')}]`, `${end - start}`);
  }
  if (end > dataLength) throw damaged(`${path} (${name})`, `data up to byte ${end}`, `${dataLength} bytes of data`);
  return { name, type, shape, start, length };
}

function damaged(where: string, expected: string, got: string | undefined): CheckpointError {
  const hint = 'The file is damaged, cut short, or of another format.';
  return new CheckpointError(where, { expected, got: got ?? 'something else', hint });
}

/**
 * Writes tensors and metadata as a safetensors file, by way of a file beside it. Throws a CheckpointError where it cannot be
 * written; the earlier file is then untouched.
 */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  return writeFileAtomically(path, encodeSafetensors(tensors, metadata));
}

/** The pieces of the file: the header, and the bytes of each tensor where they are. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  // Wider elements first, so that each tensor is aligned for its type.
  const ordered = [...tensors].sort(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  let end = 0;
  const entries = ordered.map(([name, { dtype, shape, data }]) => {
    const start = end;
    end += data.byteLength;
    return [name, { dtype: WRITTEN_TYPES[dtype], shape, data_offsets: [start, end] }] as const;
  });
  const hasMetadata = Object.keys(metadata).length > 0;
  const header = JSON.stringify(Object.fromEntries([...(hasMetadata ? [['__metadata__', metadata]] : []), ...entries]));
  const bytes = ordered.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return [encodeHeader(header), ...bytes];
}

/** The header's length and the header, filled up with blanks so that the data start at a multiple of 8. */
function encodeHeader(json: string): Uint8Array {
  const text = Buffer.from(json);
  const length = Math.ceil(text.length / LENGTH_BYTES) * LENGTH_BYTES;
  const bytes = Buffer.alloc(LENGTH_BYTES + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length));
  text.copy(bytes, LENGTH_BYTES);
  return bytes;
}

/** bfloat16 is the upper half of a float32. */
export function widenBF16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let index = 0; index < bits.length; index++) bits[index] = (halves[index] as number) << 16;
  return new Float32Array(bits.buffer);
}

/** IEEE 754 binary16 to binary32: exact, NaN payloads included. */
export function widenF16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let index = 0; index < bits.length; index++) bits[index] = f32Bits(halves[index] as number);
  return new Float32Array(bits.buffer);
}

/** The float32 bits of a binary16: 1 sign bit, 5 of exponent (bias 15 becomes 127), 10 of fraction (23). */
function f32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Subnormal, fraction * 2^-24: shifted up until its leading one is the implicit bit.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
