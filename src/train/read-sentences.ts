/**
 * Reads tagged sentences. CoNLL files have a word per line with its tag in the last column, and a blank line or `-DOCSTART-` between sentences;
 * JSONL and Parquet have a list of words and a list of tags per row. Whatever is wrong with a file is said with its line.
 */
import { createHash } from 'node:crypto';
import { extname } from 'node:path';
import { ConfigError, DataError, type DataPlace } from '../base/index.ts';
import { bytesOf, type Columns, listed } from './read-rows.ts';
import { decode, kindOf, openJsonLines, openParquet, type Table } from './table-formats.ts';

/** Words with a tag each. */
export interface Sentence {
  readonly words: readonly string[];
  readonly tags: readonly string[];
  /** Where each word stands; lines count from 1, in Parquet it is the row's number. */
  readonly lines: readonly number[];
}

/** The sentences of a file; `checksum` is the SHA-256 of its bytes, in hexadecimal digits. */
export interface Sentences {
  readonly file: string;
  readonly sentences: readonly Sentence[];
  readonly checksum: string;
}

type ReadSentences = (file: string, bytes: Uint8Array, columns: Columns) => Promise<readonly Sentence[]>;

const lineReader: ReadSentences = async (file, bytes, columns) => sentencesOfLines(file, decode(file, bytes), columns);
const jsonReader: ReadSentences = (file, bytes, columns) => sentencesOfTable(file, openJsonLines(file, bytes), columns);

/** By the ending of the file name. */
const FORMATS: Readonly<Record<string, ReadSentences>> = {
  '.conll': lineReader,
  '.bio': lineReader,
  '.iob': lineReader,
  '.txt': lineReader,
  '.tsv': lineReader,
  '.jsonl': jsonReader,
  '.ndjson': jsonReader,
  '.parquet': async (file, bytes, columns) => sentencesOfTable(file, await openParquet(file, bytes), columns),
};

/** Reads every sentence of a file, or says what is wrong with it and where. */
export async function readSentences(file: string, columns: Columns = {}): Promise<Sentences> {
  const read = FORMATS[extname(file).toLowerCase()];
  if (read === undefined) {
    const expected = `a file name that ends in ${Object.keys(FORMATS).join(', ')}`;
    throw new ConfigError(file, { expected, got: extname(file) === '' ? 'no ending' : `"${extname(file)}"` });
  }
  const bytes = await bytesOf(file, 'tagged sentences');
  const sentences = await read(file, bytes, columns);
  if (sentences.length === 0) throw new DataError({ file }, { expected: 'at least one sentence', got: 'none' });
  return { file, sentences, checksum: createHash('sha256').update(bytes).digest('hex') };
}

export const NUMBERED_TAGS =
  'Write the tags by their names: what numbers mean is not in the file (data sets of the Hub say it in their features).';

function sentencesOfLines(file: string, text: string, columns: Columns): readonly Sentence[] {
  const [named] = Object.values(columns);
  if (named !== undefined) {
    throw new ConfigError('columns', { expected: `none for ${file}, whose columns have no names`, got: named });
  }
  const lines = text.split(/\r?\n/).map((line, at) => ({ line: at + 1, fields: fieldsOf(line) }));
  const width = lines.find(isWord)?.fields.length ?? 0;
  const sentences: TaggedWord[][] = [];
  let isOpen = false;
  for (const entry of lines) {
    if (isWord(entry)) {
      if (!isOpen) sentences.push([]);
      sentences.at(-1)?.push(taggedWord(file, entry, width));
    }
    isOpen = isWord(entry);
  }
  return sentences.map((entries) => ({
    words: entries.map(({ word }) => word),
    tags: entries.map(({ tag }) => tag),
    lines: entries.map(({ line }) => line),
  }));
}

interface Line {
  readonly line: number;
  readonly fields: readonly string[];
}

interface TaggedWord {
  readonly line: number;
  readonly word: string;
  readonly tag: string;
}

/** Whether a line is more than a mark between sentences. */
function isWord({ fields: [first] }: Line): boolean {
  return first !== undefined && first !== '-DOCSTART-';
}

/** Fields between tabs, or between blanks where there is no tab; none of a blank line. A no-break space is part of a word. */
function fieldsOf(text: string): readonly string[] {
  const whole = text.replace(/[ \t]+$/, '');
  if (whole === '') return [];
  return whole.includes('\t') ? whole.split('\t').map((field) => field.trim()) : whole.trim().split(/ +/);
}

function taggedWord(file: string, { line, fields }: Line, width: number): TaggedWord {
  const got = `${fields.length} ${fields.length === 1 ? 'field' : 'fields'}`;
  const [word = '', ...others] = fields;
  const tag = others.at(-1);
  if (tag === undefined) throw new DataError({ file, line }, { expected: 'a word and its tag', got });
  if (fields.length !== width) {
    throw new DataError({ file, line }, { expected: `${width} fields, as in the first line`, got });
  }
  if (word === '') throw new DataError({ file, line }, { expected: 'a word', got: 'an empty one' });
  return { line, word, tag };
}

const WORD_COLUMNS = ['tokens', 'words'];
const TAG_COLUMNS = ['tags', 'ner_tags'];

/** The column of that name, or the first of the usual names. */
function columnIn(file: string, { columns }: Table, role: 'text' | 'label', names: readonly string[]): string {
  const found = names.find((name) => columns.includes(name));
  if (found !== undefined) return found;
  const facts = { expected: `a column ${names.join(' or ')}`, got: listed(columns) };
  throw new DataError({ file, line: 1 }, { ...facts, hint: `Name it with --columns ${role}=NAME.` });
}

async function sentencesOfTable(
  file: string,
  table: Table,
  { text, label, pair }: Columns,
): Promise<readonly Sentence[]> {
  if (pair !== undefined) {
    throw new ConfigError('columns', {
      expected: `text and label for ${file}, whose sentences have no pairs`,
      got: `pair=${pair}`,
    });
  }
  const wordColumn = columnIn(file, table, 'text', text === undefined ? WORD_COLUMNS : [text]);
  const tagColumn = columnIn(file, table, 'label', label === undefined ? TAG_COLUMNS : [label]);
  const rows = await table.read([wordColumn, tagColumn]);
  return rows.map(({ line, cells }) => {
    const words = listOf(cells[0], { file, line, column: wordColumn });
    const tags = listOf(cells[1], { file, line, column: tagColumn }, NUMBERED_TAGS);
    if (words.length === tags.length) return { words, tags, lines: words.map(() => line) };
    throw new DataError({ file, line }, { expected: `a tag for each of ${words.length} words`, got: `${tags.length}` });
  });
}

/** A list of strings in a cell; the hint is for one of numbers. */
function listOf(cell: unknown, place: DataPlace, hint?: string): readonly string[] {
  if (!Array.isArray(cell) || cell.length === 0) {
    throw new DataError(place, {
      expected: 'a list of strings',
      got: Array.isArray(cell) ? 'an empty one' : kindOf(cell),
    });
  }
  return cell.map((item: unknown) => {
    if (typeof item === 'string' && item.trim() !== '') return item;
    const got = item === '' ? 'an empty one' : kindOf(item);
    const isNumber = typeof item === 'number' || typeof item === 'bigint';
    throw new DataError(place, { expected: 'a string that is not blank', got, ...(isNumber && hint && { hint }) });
  });
}
