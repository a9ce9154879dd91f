/**
 * The file formats a table can be read from, through csv-parse, JSON and hyparquet: which columns there are, and the cells
 * of some of them with the line they stand on. What the cells mean is not decided here.
 */
import { TextDecoder } from 'node:util';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { CsvError, type Options, parse } from 'csv-parse/sync';
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { DataError, messageOf } from '../base/index.ts';

/** One row as its format has it: the cells of the chosen columns, in the order they were asked for. */
export interface RawRow {
  readonly line: number;
  readonly cells: readonly unknown[];
}

/** An opened file: which columns it has, and a way to read some of them. */
export interface Table {
  readonly columns: readonly string[];
  readonly read: (chosen: readonly string[]) => readonly RawRow[] | Promise<readonly RawRow[]>;
}

type OpenTable = (file: string, bytes: Uint8Array) => Table | Promise<Table>;

/** By the ending of the file name; a new format is one more line. */
export const tableFormats: Readonly<Record<string, OpenTable>> = {
  // GLUE's TSV has no quoting: a quote is a character like any other.
  '.tsv': (file, bytes) => openDelimited(file, bytes, { delimiter: '\t', quote: false }),
  '.csv': (file, bytes) => openDelimited(file, bytes, { delimiter: ',' }),
  '.jsonl': openJsonLines,
  '.ndjson': openJsonLines,
  '.parquet': openParquet,
};

/** What a value is, for an error message. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `${value}`;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text of the bytes; a byte order mark is dropped. */
export function decode(file: string, bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    if (isTooLong(cause)) {
      const got = `${Math.round(bytes.length / 1e6)} MB`;
      throw new DataError(
        { file },
        { expected: 'at most 500 MB of text', got, hint: 'Convert it to Parquet, or divide it.', cause },
      );
    }
    const facts = { expected: 'UTF-8', got: 'bytes that are not', hint: 'Save the file as UTF-8.', cause };
    throw new DataError({ file, line: firstBadLine(bytes) }, facts);
  }
}

/** V8 has no string of 2²⁹ characters or more. */
function isTooLong(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STRING_TOO_LONG';
}

/** No byte of a longer UTF-8 sequence equals a line feed, so lines can be checked one by one. */
function firstBadLine(bytes: Uint8Array): number {
  let start = 0;
  for (let line = 1; ; line++) {
    const end = bytes.indexOf(0x0a, start);
    try {
      utf8.decode(end < 0 ? bytes.subarray(start) : bytes.subarray(start, end));
    } catch {
      return line;
    }
    if (end < 0) return line;
    start = end + 1;
  }
}

function openDelimited(file: string, bytes: Uint8Array, dialect: Options): Table {
  const [header, ...records] = parseRecords(file, Buffer.from(decode(file, bytes)), dialect);
  if (header === undefined) throw new DataError({ file }, { expected: 'a header and rows', got: 'blank lines only' });
  const columns = header.fields.map((name) => name.trim());
  for (const { fields, line } of records) {
    if (fields.length === columns.length) continue;
    const counted = `${fields.length} ${fields.length === 1 ? 'field' : 'fields'}`;
    throw new DataError({ file, line }, { expected: `${columns.length} fields, as in the header`, got: counted });
  }
  const read: Table['read'] = (chosen) => {
    const places = chosen.map((name) => columns.indexOf(name));
    return records.map(({ line, fields }) => ({ line, cells: places.map((place) => fields[place]) }));
  };
  return { columns, read };
}

interface DelimitedRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** All records that are not blank. The parser's own line count goes wrong at line ends inside quotes, its byte count not. */
function parseRecords(file: string, bytes: Buffer, dialect: Options): readonly DelimitedRecord[] {
  const records: DelimitedRecord[] = [];
  const lineAt = lineCounter(bytes);
  let end = 0;
  const options: Options = { ...dialect, record_delimiter: ['\r\n', '\n'], relax_column_count: true };
  try {
    parse(bytes, {
      ...options,
      skip_empty_lines: true,
      on_record: (fields: readonly string[], { bytes: next }) => {
        records.push({ line: lineAt(end), fields });
        end = next;
        return null;
      },
    });
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const got = cause.code === 'CSV_QUOTE_NOT_CLOSED' ? 'one that never closes' : 'a quote out of place';
    const facts = { expected: 'quotes around whole fields, and quotes inside them doubled', got, cause };
    throw new DataError({ file, line: lineAt(end) }, facts);
  }
  return records;
}

/** Counts the line of the first character at or after a byte that ends no line; offsets must not go down. */
function lineCounter(bytes: Buffer): (offset: number) => number {
  let position = 0;
  let line = 1;
  return (offset) => {
    while (position < bytes.length && (position < offset || bytes[position] === 0x0a || bytes[position] === 0x0d)) {
      if (bytes[position] === 0x0a) line++;
      position++;
    }
    return line;
  };
}

export function openJsonLines(file: string, bytes: Uint8Array): Table {
  const objects = decode(file, bytes)
    .split('\n')
    .map((text, index) => ({ text: text.trim(), line: index + 1 }))
    .filter(({ text }) => text !== '')
    .map(({ text, line }) => ({ line, object: parseObject(text, { file, line }) }));
  const columns = [...new Set(objects.flatMap(({ object }) => [...object.keys()]))];
  if (objects.length === 0) throw new DataError({ file }, { expected: 'at least one row', got: 'blank lines only' });
  return {
    columns,
    read: (chosen) => objects.map(({ line, object }) => ({ line, cells: chosen.map((name) => object.get(name)) })),
  };
}

function parseObject(text: string, place: { file: string; line: number }): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DataError(place, { expected: 'a JSON object', got: messageOf(cause), cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return new Map(Object.entries(value));
  throw new DataError(place, { expected: 'a JSON object', got: kindOf(value) });
}

/** What Node can decompress besides Snappy, which the library brings. */
const compressors = {
  GZIP: (input: Uint8Array) => gunzipSync(input),
  BROTLI: (input: Uint8Array) => brotliDecompressSync(input),
};

const CODECS = ['UNCOMPRESSED', 'SNAPPY', ...Object.keys(compressors)];

function checkCodecs(file: string, { row_groups }: FileMetaData, chosen: readonly string[]): void {
  for (const { meta_data } of row_groups.flatMap(({ columns }) => columns)) {
    const [column = ''] = meta_data?.path_in_schema ?? [];
    if (meta_data === undefined || !chosen.includes(column) || CODECS.includes(meta_data.codec)) continue;
    throw new DataError(
      { file, column },
      {
        expected: `a compression of ${CODECS.join(', ')}`,
        got: meta_data.codec,
        hint: 'Write it again with one of these, in pandas by to_parquet(FILE, compression="snappy").',
      },
    );
  }
}

/** Text in a Parquet file that is not UTF-8 is an error too, not a row of replacement characters. */
const parsers = { stringFromBytes: (bytes: Uint8Array | undefined) => bytes && utf8.decode(bytes) };

export async function openParquet(file: string, bytes: Uint8Array): Promise<Table> {
  const source: AsyncBuffer = {
    byteLength: bytes.length,
    slice: (start, end) => Uint8Array.from(bytes.subarray(start, end)).buffer,
  };
  const damaged = (cause: unknown) =>
    new DataError({ file }, { expected: 'a whole Parquet file', got: messageOf(cause), cause });
  try {
    const metadata = await parquetMetadataAsync(source);
    const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
    const read = async (chosen: readonly string[]) => {
      checkCodecs(file, metadata, chosen);
      const options = { file: source, metadata, columns: [...new Set(chosen)], compressors, parsers };
      const objects = await parquetReadObjects(options).catch((cause: unknown) => Promise.reject(damaged(cause)));
      return objects.map((object, index) => ({ line: index + 1, cells: chosen.map((name): unknown => object[name]) }));
    };
    return { columns, read };
  } catch (cause) {
    throw damaged(cause);
  }
}
