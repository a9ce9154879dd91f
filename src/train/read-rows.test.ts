/** Reading labelled texts: what is written is read back in every format, and what is wrong is named with its place. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, DataError, messageOf } from '../base/index.ts';
import { parseColumns, type ReadOptions, readRows } from './read-rows.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-rows-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, content);
  return file;
}

/** Said to be in that compression. */
const parquet = (columnData: ColumnSource[], codec: 'SNAPPY' | 'ZSTD' = 'SNAPPY') =>
  new Uint8Array(parquetWriteBuffer({ columnData, codec, compressors: { ZSTD: (bytes) => bytes } }));

async function rowsIn(name: string, content: string | Uint8Array, options?: ReadOptions) {
  return (await readRows(await write(name, content), options)).rows;
}

interface Pair {
  readonly text: string;
  readonly pair: string;
  readonly label: string;
}

/** What each format writes for pairs of texts; the formats' own rules, written here anew and not with the reader's library. */
const writers: Readonly<Record<string, (rows: readonly Pair[]) => string | Uint8Array>> = {
  tsv: (rows) => delimited(rows, '\t', (cell) => cell),
  csv: (rows) => delimited(rows, ',', (cell) => `"${cell.replaceAll('"', '""')}"`),
  jsonl: (rows) =>
    rows.map(({ text, pair, label }) => `${JSON.stringify({ question1: text, question2: pair, label })}\n`).join(''),
  parquet: (rows) =>
    parquet([
      { name: 'question1', data: rows.map((row) => row.text) },
      { name: 'question2', data: rows.map((row) => row.pair) },
      { name: 'label', data: rows.map((row) => row.label) },
    ]),
};

function delimited(rows: readonly Pair[], delimiter: string, quote: (cell: string) => string): string {
  const lines = rows.map(({ text, pair, label }) => [text, pair, label].map(quote).join(delimiter));
  return [['question1', 'question2', 'label'].join(delimiter), ...lines, ''].join('\n');
}

const anyText = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text.trim() !== '');
const oneLine = anyText.map((text) => text.replace(/[\t\r\n]/g, '')).filter((text) => text.trim() !== '');
const anyLabel = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
const pairsOf = (text: fc.Arbitrary<string>) =>
  fc.array(fc.record({ text, pair: text, label: anyLabel }), { minLength: 1, maxLength: 8 });

describe('what is written is read back', () => {
  for (const [format, writer] of Object.entries(writers)) {
    const text = format === 'tsv' ? oneLine : anyText;
    it(`in ${format}`, () =>
      fc.assert(
        fc.asyncProperty(pairsOf(text), async (pairs) => {
          const rows = await rowsIn(`round.${format}`, writer(pairs));
          expect(rows.map(({ line: _, ...row }) => row)).toEqual(pairs);
        }),
        { numRuns: 60, seed: 1 },
      ));
  }

  it('with stray quotes in a TSV file, which has no quoting', async () => {
    const rows = await rowsIn('quotes.tsv', 'sentence\tlabel\n"open\t1\nin"side\t0\n');
    expect(rows).toEqual([
      { text: '"open', label: '1', line: 2 },
      { text: 'in"side', label: '0', line: 3 },
    ]);
  });

  it('after a byte order mark, with CRLF and blank lines, and each row knows the line it begins on', async () => {
    const rows = await rowsIn('crlf.csv', '\uFEFFtext,label\r\n\r\n"two\r\nlines",a\r\nnext, b \r\n\r\n');
    // Line 2 is blank, the quoted text takes lines 3 and 4.
    expect(rows).toEqual([
      { text: 'two\r\nlines', label: 'a', line: 3 },
      { text: 'next', label: 'b', line: 5 },
    ]);
  });

  it('with labels that are numbers or truth values', async () => {
    const json = '{"text":"a","label":0}\n\n{"text":7,"label":true}\n';
    expect(await rowsIn('labels.jsonl', json)).toEqual([
      { text: 'a', label: '0', line: 1 },
      { text: '7', label: 'true', line: 3 },
    ]);
    const columns: ColumnSource[] = [
      { name: 'sentence', data: ['a', 'b'] },
      { name: 'label', data: [1n, -1n], type: 'INT64' },
    ];
    expect(await rowsIn('labels.parquet', parquet(columns))).toEqual([
      { text: 'a', label: '1', line: 1 },
      { text: 'b', label: '-1', line: 2 },
    ]);
  });

  it('with the checksum of its bytes', async () => {
    const { checksum } = await readRows(await write('sum.tsv', 'text\tlabel\na\t1\n'));
    // printf 'text\tlabel\na\t1\n' | sha256sum
    expect(checksum).toBe('d0f3128093160c75a270839f11ec69b7f42d70b3c36d069e728c13ac84ac1e69');
  });
});

describe('columns', () => {
  const usual: readonly (readonly [string, object])[] = [
    ['sentence\tlabel', { text: 'a', label: 'b' }],
    ['text\tcategory', { text: 'a', label: 'b' }],
    ['sentence1\tsentence2\tlabel', { text: 'a', pair: 'b', label: 'c' }],
    ['question1\tquestion2\tis_duplicate', { text: 'a', pair: 'b', label: 'c' }],
    ['hypothesis\tpremise\tlabel', { text: 'b', pair: 'a', label: 'c' }],
    ['index\tquestion\tsentence\tlabel', { text: 'b', pair: 'c', label: 'd' }],
  ];
  it.each(usual)('%j are recognised', async (header, expected) => {
    const cells = 'a b c d'.split(' ').slice(0, header.split('\t').length).join('\t');
    expect(await rowsIn('usual.tsv', `${header}\n${cells}\n`)).toEqual([{ ...expected, line: 2 }]);
  });

  it('can be named, and a named text alone is not a pair', async () => {
    const content = 'question\tsentence\tgold\na\tb\tc\n';
    const read = (spec: string) => rowsIn('named.tsv', content, { columns: parseColumns(spec) });
    expect(await read('label=gold')).toEqual([{ text: 'a', pair: 'b', label: 'c', line: 2 }]);
    expect(await read('text=sentence,label=gold')).toEqual([{ text: 'b', label: 'c', line: 2 }]);
    expect(await read('label=gold, pair=question, text=gold')).toEqual([{ text: 'c', pair: 'a', label: 'c', line: 2 }]);
  });

  it.each(['', 'text', 'text=', 'txt=a', 'text=a,text=b', 'text=a,'])('refuses the spec %j', (spec) => {
    expect(() => parseColumns(spec)).toThrow(ConfigError);
  });

  it('need no label where none is asked for', async () => {
    expect(await rowsIn('bare.tsv', 'text\na\n', { needsLabel: false })).toEqual([{ text: 'a', line: 2 }]);
    const rows = await rowsIn('some.jsonl', '{"text":"a","label":null}\n{"text":"b","label":1}\n', {
      needsLabel: false,
    });
    expect(rows).toEqual([
      { text: 'a', line: 1 },
      { text: 'b', label: '1', line: 2 },
    ]);
  });
});

interface BadFile {
  readonly name: string;
  readonly content: string | Uint8Array;
  readonly line?: number;
  readonly column?: string;
  readonly says: string;
  readonly options?: ReadOptions;
}

const wholeParquet = parquet([
  { name: 'text', data: Array.from({ length: 50 }, (_, row) => `text number ${row}`) },
  { name: 'label', data: Array.from({ length: 50 }, (_, row) => row % 2) },
]);
const head = 'text\tlabel\n';

const badFiles: readonly BadFile[] = [
  { name: 'empty.tsv', content: '', says: 'expected a header and rows, got an empty file' },
  { name: 'blank.csv', content: '\n\n', says: 'blank lines only' },
  { name: 'blank.jsonl', content: '\n\n', says: 'blank lines only' },
  { name: 'header-only.tsv', content: head, says: 'expected at least one row, got none' },
  {
    name: 'no-text.tsv',
    content: 'body\tlabel\na\t1\n',
    line: 1,
    says: 'a text column (sentence, text, sentence1 and',
  },
  { name: 'no-text.csv', content: 'body,label\na,1\n', line: 1, says: 'got the columns "body", "label"' },
  { name: 'no-label.csv', content: 'text,klass\na,1\n', line: 1, says: 'Name it with --columns label=NAME.' },
  {
    name: 'not-there.csv',
    content: 'text,label\na,1\n',
    options: { columns: { label: 'gold' } },
    line: 1,
    column: 'gold',
    says: 'got the columns "text", "label"',
  },
  { name: 'twice.csv', content: 'text,text,label\na,b,1\n', line: 1, column: 'text', says: 'one column of that name' },
  { name: 'short.tsv', content: `${head}a\t1\nb\n`, line: 3, says: 'expected 2 fields, as in the header, got 1 field' },
  { name: 'long.tsv', content: `${head}\na\t1\t2\n`, line: 3, says: 'got 3 fields' },
  { name: 'long.csv', content: 'text,label\r\n"a\r\nb",1\r\nc,d,e\r\n', line: 4, says: 'got 3 fields' },
  { name: 'open.csv', content: 'text,label\na,1\n"b,2\nc,3\n', line: 3, says: 'got one that never closes' },
  { name: 'stray.csv', content: 'text,label\na,1\nb"c,2\n', line: 3, says: 'got a quote out of place' },
  { name: 'close.csv', content: 'text,label\n"a"b,2\n', line: 2, says: 'got a quote out of place' },
  { name: 'latin1.tsv', content: Buffer.from(`${head}a\t1\ncaf\xe9\t0\n`, 'latin1'), line: 3, says: 'expected UTF-8' },
  {
    name: 'utf16.tsv',
    content: Buffer.from(`\uFEFF${head}a\t1\n`, 'utf16le'),
    line: 1,
    says: 'Save the file as UTF-8.',
  },
  { name: 'broken.jsonl', content: '{"text":"a","label":1}\n{"text":\n', line: 2, says: 'expected a JSON object' },
  { name: 'list.jsonl', content: '{"text":"a","label":1}\n["a",1]\n', line: 2, says: 'got a list' },
  {
    name: 'gone.jsonl',
    content: '{"text":"a","label":1}\n{"label":1}\n',
    line: 2,
    column: 'text',
    says: 'got nothing',
  },
  { name: 'deep.jsonl', content: '{"text":{"a":1},"label":1}\n', line: 1, column: 'text', says: 'got an object' },
  { name: 'truth.jsonl', content: '{"text":true,"label":1}\n', line: 1, column: 'text', says: 'a text, got true' },
  { name: 'labels.jsonl', content: '{"text":"a","label":[1]}\n', line: 1, column: 'label', says: 'got a list' },
  { name: 'null.jsonl', content: '{"text":"a","label":null}\n', line: 1, column: 'label', says: 'a label, got none' },
  {
    name: 'empty-text.tsv',
    content: `${head}a\t1\n  \t0\n`,
    line: 3,
    column: 'text',
    says: 'a text, got an empty one',
  },
  { name: 'empty-label.tsv', content: `${head}a\t1\nb\t \n`, line: 3, column: 'label', says: 'a label, got none' },
  {
    name: 'old-mac.tsv',
    content: `text\tlabel\r${'a long story\t1\r'.repeat(99)}`,
    line: 1,
    says: 'line feeds',
  },
  { name: 'semicolons.csv', content: 'text;label\na;1\n', line: 1, says: 'Fields stand between commas in .csv' },
  {
    name: 'many.csv',
    content: `${'n'.repeat(60)},${Array.from({ length: 30 }, (_, at) => `c${at}`).join()}\n`,
    line: 1,
    says: `got the columns "${'n'.repeat(40)}…", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8" and 21 more.`,
  },
  {
    name: 'other-codec.parquet',
    content: parquet(
      [
        { name: 'text', data: ['a'] },
        { name: 'label', data: ['b'] },
      ],
      'ZSTD',
    ),
    column: 'text',
    says: 'expected a compression of UNCOMPRESSED, SNAPPY, GZIP, BROTLI, got ZSTD. Write it again',
  },
  { name: 'half.parquet', content: wholeParquet.slice(0, 200), says: 'expected a whole Parquet file' },
  { name: 'garbage.parquet', content: 'PAR1 is how it should begin and end', says: 'expected a whole Parquet file' },
];

/** What the promise is rejected with. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('a bad file is a DataError with its place', () => {
  it.each(badFiles)('$name', async ({ name, content, line, column, says, options }) => {
    const file = await write(name, content);
    const error = await failureOf(readRows(file, options));
    expect(error).toBeInstanceOf(DataError);
    expect(error).toMatchObject({ code: 'DATA', file, line, column });
    expect(messageOf(error)).toContain(says);
  });

  it('when there is no file, or a folder', async () => {
    const missing = join(folder, 'missing.tsv');
    expect(await failureOf(readRows(missing))).toMatchObject({ code: 'DATA', file: missing, got: 'nothing there' });
    const inside = join(folder, 'folder.tsv');
    await mkdir(inside);
    expect(await failureOf(readRows(inside))).toMatchObject({ code: 'DATA', file: inside, got: 'a folder' });
  });

  it('wherever a Parquet file is cut or a byte of it changed, if it is noticed at all', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(wholeParquet.length - 1), fc.nat(255), fc.boolean(), async (at, byte, isCut) => {
        const damaged = isCut ? wholeParquet.slice(0, at) : wholeParquet.with(at, byte);
        const error = await failureOf(readRows(await write('damaged.parquet', damaged)));
        if (isCut || error !== undefined) expect(error).toBeInstanceOf(DataError);
      }),
      { numRuns: 300, seed: 1 },
    ));
});

describe('a wrong request is a ConfigError', () => {
  it.each(['rows.conll', 'rows.txt', 'rows'])('%s: the supported formats are named', async (name) => {
    const error = await failureOf(readRows(name));
    expect(error).toBeInstanceOf(ConfigError);
    expect(messageOf(error)).toContain('.tsv, .csv, .jsonl, .ndjson, .parquet');
  });

  it('a pair column without a text column', async () => {
    const file = await write('pair.tsv', `${head}a\t1\n`);
    expect(await failureOf(readRows(file, { columns: { pair: 'text' } }))).toBeInstanceOf(ConfigError);
  });
});

const data = process.env.PRUMUX_DATA ?? join(import.meta.dirname, '../../../shared/data');
const hasData = existsSync(join(data, 'sst2/dev.tsv'));
if (!hasData) process.stderr.write('skipped: reading real data sets (set PRUMUX_DATA to the folder that has them)\n');

describe.skipIf(!hasData)('real files have the number of rows that their README states', () => {
  it.each([
    ['sst2/dev.tsv', 872, false],
    ['qqp/dev.tsv', 3496, true],
    ['qnli/dev.tsv', 5463, true],
    ['banking77/test.csv', 3080, false],
  ])('%s', async (name, count, isPairs) => {
    const { rows } = await readRows(join(data, name));
    expect(rows.length).toBe(count);
    expect(rows.every((row) => (row.pair !== undefined) === isPairs)).toBe(true);
  });
});
