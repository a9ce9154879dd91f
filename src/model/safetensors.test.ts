/** Round trips, every half-precision value against its definition, and damaged files, which all end in a CheckpointError. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError, float32, int64, type Tensor } from '../base/index.ts';
import {
  encodeSafetensors,
  floatTensors,
  readSafetensors,
  widenBF16,
  widenF16,
  writeSafetensors,
} from './safetensors.ts';

const folder = await mkdtemp(join(tmpdir(), 'prumux-safetensors-'));
const path = join(folder, 'model.safetensors');
afterAll(() => rm(folder, { recursive: true }));

/** A file with this header and so many bytes of data. */
async function writeRaw(header: string, dataBytes = 0): Promise<void> {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  await writeFile(path, Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes)]));
}

const headerOf = (...tensors: [dtype: string, shape: unknown, offsets: unknown][]): string =>
  JSON.stringify(
    Object.fromEntries(
      tensors.map(([dtype, shape, data_offsets], index) => [`t${index}`, { dtype, shape, data_offsets }]),
    ),
  );

async function messageOfReading(): Promise<string> {
  const error = await readSafetensors(path).then(
    () => 'read without complaint',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return (error as CheckpointError).message;
}

const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
const sized = (dims: readonly number[]) => {
  const length = dims.reduce((product, dim) => product * dim, 1);
  return { minLength: length, maxLength: length };
};
const tensor: fc.Arbitrary<Tensor> = shape.chain((dims) =>
  fc.oneof(
    fc.float32Array(sized(dims)).map((data): Tensor => ({ dtype: 'float32', shape: dims, data })),
    fc.bigInt64Array(sized(dims)).map((data): Tensor => ({ dtype: 'int64', shape: dims, data })),
    fc.int32Array(sized(dims)).map((data): Tensor => ({ dtype: 'int32', shape: dims, data })),
    fc.uint8Array(sized(dims)).map((data): Tensor => ({ dtype: 'uint8', shape: dims, data })),
    fc.uint8Array({ ...sized(dims), max: 1 }).map((data): Tensor => ({ dtype: 'bool', shape: dims, data })),
  ),
);
const name = fc.string({ unit: 'binary' }).filter((text) => text !== '__metadata__');
const tensors = fc.array(fc.tuple(name, tensor), { maxLength: 5 }).map((entries) => new Map(entries));
const metadata = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true });

describe('a safetensors file', () => {
  it('gives back what was written, of every type, bit for bit', async () => {
    await fc.assert(
      fc.asyncProperty(tensors, metadata, async (written, about) => {
        await writeSafetensors(path, written, about);
        expect(await readSafetensors(path)).toEqual({ tensors: written, metadata: about });
      }),
      {
        numRuns: 60,
        examples: [
          [new Map([['__proto__', float32([1], [1])]]), {}],
          [new Map(), { ['__proto__']: 'a name as any other' }],
        ],
      },
    );
  });

  it('is laid out as the format page says: length, JSON, data from a multiple of 8, tensors aligned', async () => {
    const file = Buffer.concat(
      encodeSafetensors(
        new Map<string, Tensor>([
          ['flag', { dtype: 'bool', shape: [1], data: Uint8Array.of(1) }],
          ['x', float32([1.5], [1])],
          ['n', int64([3], [])],
        ]),
        { format: 'pt' },
      ),
    );
    const length = Number(file.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(JSON.parse(file.subarray(8, 8 + length).toString())).toEqual({
      __metadata__: { format: 'pt' },
      n: { dtype: 'I64', shape: [], data_offsets: [0, 8] },
      x: { dtype: 'F32', shape: [1], data_offsets: [8, 12] },
      flag: { dtype: 'BOOL', shape: [1], data_offsets: [12, 13] },
    });
    // 3 as int64, 1.5 as float32 (0x3fc00000), true; little-endian.
    expect(file.subarray(8 + length).toString('hex')).toBe('03000000000000000000c03f01');
  });

  it('reads tensors that lie at odd places, as other writers leave them', async () => {
    await writeRaw(headerOf(['U8', [1], [0, 1]], ['F32', [1], [1, 5]], ['F16', [2], [5, 9]]), 9);
    const file = await readFile(path);
    file.writeFloatLE(-2.5, file.length - 8);
    file.writeUInt16LE(0x3c00, file.length - 4);
    await writeFile(path, file);
    const { tensors: read } = await readSafetensors(path);
    expect(read.get('t1')).toEqual(float32([-2.5], [1]));
    expect(read.get('t2')).toEqual(float32([1, 0], [2]));
  });

  it('reads types that it does not write, as the numbers that their bytes stand for', async () => {
    const types = ['F64', 'U32', 'I16', 'U16', 'I8'].map((dtype, at) => [
      dtype,
      [1],
      [0, 8, 12, 14, 16, 17].slice(at, at + 2),
    ]);
    await writeRaw(headerOf(...(types as Parameters<typeof headerOf>)), 17);
    const file = await readFile(path);
    const data = file.subarray(file.length - 17);
    data.writeDoubleLE(0.1);
    data.writeUInt32LE(4_000_000_000, 8);
    data.writeInt16LE(-300, 12);
    data.writeUInt16LE(60_000, 14);
    data.writeInt8(-7, 16);
    await writeFile(path, file);
    const { tensors: read } = await readSafetensors(path);
    expect([...read.values()]).toEqual([
      float32([Math.fround(0.1)], [1]),
      int64([4_000_000_000], [1]),
      { dtype: 'int32', shape: [1], data: Int32Array.of(-300) },
      { dtype: 'int32', shape: [1], data: Int32Array.of(60_000) },
      { dtype: 'int32', shape: [1], data: Int32Array.of(-7) },
    ]);
  });

  it('has parameters among its tensors, and buffers that are none', () => {
    const x = float32([1], [1]);
    expect(
      floatTensors(
        new Map<string, Tensor>([
          ['x', x],
          ['position_ids', int64([0, 1], [2])],
        ]),
      ),
    ).toEqual(new Map([['x', x]]));
  });
});

describe('half precision', () => {
  const all = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);

  /** (-1)^sign * significand * 2^exponent of IEEE 754, in plain arithmetic: binary16 has a bias of 15, bfloat16 of 127. */
  function definition(bits: number, fractionBits: number, bias: number): number {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits & 0x7fff) >> fractionBits;
    const fraction = (bits % 2 ** fractionBits) / 2 ** fractionBits;
    if (exponent === 2 * bias + 1) return fraction === 0 ? sign * Infinity : Number.NaN;
    return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
  }

  it.each([
    ['F16', widenF16, 10, 15],
    ['BF16', widenBF16, 7, 127],
  ] as const)('%s: all 65,536 values, subnormal, infinite and NaN ones too', (_, widen, fractionBits, bias) => {
    const widened = widen(all);
    const wrong = all.filter((bits) => !Object.is(widened[bits], definition(bits, fractionBits, bias)));
    expect([...wrong]).toEqual([]);
  });
});

describe('a damaged file', () => {
  it('cut short at any byte is refused', async () => {
    const whole = Buffer.concat(
      encodeSafetensors(
        new Map<string, Tensor>([
          ['x', float32([1, 2], [2])],
          ['flag', { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }],
        ]),
      ),
    );
    for (let length = 0; length < whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      expect(await messageOfReading()).toContain(path);
    }
  });

  it('with any byte changed is read or refused, never anything else', async () => {
    const whole = Buffer.concat(encodeSafetensors(new Map([['x', float32([1, 2], [2])]]), { a: 'b' }));
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const file = Buffer.from(whole);
        for (const [place, value] of changes) file[place] = value;
        await writeFile(path, file);
        await readSafetensors(path).catch((error: unknown) => expect(error).toBeInstanceOf(CheckpointError));
      }),
      { numRuns: 200 },
    );
  });

  it.each<[string, string, number, string]>([
    ['that is no JSON', '{"x', 0, 'expected a header in JSON'],
    ['that is no object', '[1]', 0, 'expected a JSON object as header, got [1]'],
    ['without a shape', headerOf(['F32', undefined, [0, 4]]), 4, '(t0.shape): expected dtype, shape and data_offsets'],
    ['with a negative size', headerOf(['F32', [-1], [0, 4]]), 4, '(t0.shape.0)'],
    [
      'with a type that every object has',
      headerOf(['constructor', [4], [0, 4]]),
      4,
      '(t0): expected a dtype of F32, F16',
    ],
    ['with an unknown type', headerOf(['F8_E4M3', [4], [0, 4]]), 4, '(t0): expected a dtype of F32, F16'],
    ['with too few bytes for a shape', headerOf(['F32', [3], [0, 8]]), 8, '(t0): expected 12 bytes for F32 [3], got 8'],
    ['with data beyond the end', headerOf(['F32', [3], [0, 12]]), 8, '(t0): expected data up to byte 12, got 8 bytes'],
    ['with overlapping tensors', headerOf(['F32', [1], [0, 4]], ['F32', [1], [0, 4]]), 8, 'data_offsets from 4'],
    ['with a hole', headerOf(['F32', [1], [4, 8]]), 8, '(t0): expected data_offsets from 0'],
    ['with data that it does not mention', headerOf(['F32', [1], [0, 4]]), 9, 'expected 4 bytes of tensors'],
    ['with numbers as metadata', '{"__metadata__":{"step":3}}', 0, '(__metadata__): expected strings by name'],
  ])('with a header %s is refused', async (_, header, dataBytes, expected) => {
    await writeRaw(header, dataBytes);
    expect(await messageOfReading()).toContain(expected);
  });

  it('with a header longer than itself is refused before that much memory is asked for', async () => {
    await writeFile(path, Buffer.from('ffffffffffffff7f7b7d', 'hex'));
    expect(await messageOfReading()).toContain(
      'expected a header of 9223372036854775807 bytes, as it says, got 2 bytes',
    );
  });

  it('that is not there, or is a folder, is refused', async () => {
    await rm(path, { force: true });
    expect(await messageOfReading()).toContain('ENOENT');
    await expect(readSafetensors(folder)).rejects.toBeInstanceOf(CheckpointError);
  });
});
