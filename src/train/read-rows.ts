/**
 * Reads labelled texts from TSV, CSV, JSONL and Parquet files. Columns are found by the names that GLUE and its kin use,
 * or as told; whatever is wrong with a file is said with its line.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { ConfigError, DataError, messageOf } from '../base/index.ts';
import { kindOf, type RawRow, tableFormats } from './table-formats.ts';

/** Which columns to read, where their names are not the usual ones. */
export interface Columns {
  readonly text?: string;
  readonly pair?: string;
  readonly label?: string;
}

/** A text, or a pair of texts. `line` counts from 1 and is where the row begins; in Parquet it is the row's number. */
export interface Row {
  readonly text: string;
  readonly pair?: string;
  readonly label?: string;
  readonly line: number;
}

export interface ReadOptions {
  readonly columns?: Columns;
  /** Whether a row without a label is an error; true unless said otherwise. */
  readonly needsLabel?: boolean;
}

/** The rows of a file; `checksum` is the SHA-256 of its bytes, in hexadecimal digits. */
export interface Rows {
  readonly file: string;
  readonly rows: readonly Row[];
  readonly checksum: string;
}

const usualPairs = [
  ['sentence1', 'sentence2'],
  ['question1', 'question2'],
  ['premise', 'hypothesis'],
  ['question', 'sentence'],
] as const;
const usualTexts = ['sentence', 'text'];
const usualLabels = ['label', 'is_duplicate', 'category'];

/** Reads `text=a,pair=b,label=c`, in any order, each part optional. */
export function parseColumns(spec: string): Columns {
  const columns: { text?: string; pair?: string; label?: string } = {};
  for (const part of spec.split(',')) {
    const [, role, name] = /^\s*(text|pair|label)\s*=(.*)$/.exec(part) ?? [];
    const column = name?.trim();
    if (!column || !isRole(role) || columns[role] !== undefined) {
      throw new ConfigError('columns', {
        expected: 'text=NAME, pair=NAME and label=NAME, each once at most, with commas between',
        got: `"${spec}"`,
      });
    }
    columns[role] = column;
  }
  return columns;
}

function isRole(word: string | undefined): word is keyof Columns {
  return word === 'text' || word === 'pair' || word === 'label';
}

/** Reads every row of a file, or says what is wrong with it and where. */
export async function readRows(file: string, options: ReadOptions = {}): Promise<Rows> {
  const { columns = {}, needsLabel = true } = options;
  const open = tableFormats[extname(file).toLowerCase()];
  if (open === undefined) {
    throw new ConfigError(file, {
      expected: `a file name that ends in ${Object.keys(tableFormats).join(', ')}`,
      got: extname(file) === '' ? 'no ending' : `"${extname(file)}"`,
      ...(/\.(conll|bio|iob)$/i.test(file) && {
        hint: 'Tagged sentences are for token classification: --task tokens.',
      }),
    });
  }
  const bytes = await bytesOf(file, 'a header and rows');
  const table = await open(file, bytes);
  const chosen = chooseColumns(file, table.columns, columns, needsLabel);
  checkUnique(file, table.columns, Object.values(chosen));
  const raw = await table.read(Object.values(chosen));
  if (raw.length === 0) throw new DataError({ file }, { expected: 'at least one row', got: 'none after the header' });
  const rows = raw.map((row) => rowOf(file, row, chosen, needsLabel));
  return { file, rows, checksum: createHash('sha256').update(bytes).digest('hex') };
}

/** The bytes of a file that must not be empty; `expected` says what it should hold. */
export async function bytesOf(file: string, expected: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const got = code === 'ENOENT' ? 'nothing there' : code === 'EISDIR' ? 'a folder' : messageOf(cause);
    throw new DataError({ file }, { expected: 'a readable file', got, cause });
  }
  if (bytes.length === 0) throw new DataError({ file }, { expected, got: 'an empty file' });
  return bytes;
}

interface ChosenColumns {
  readonly text: string;
  readonly pair?: string;
  readonly label?: string;
}

/** Finds the columns to read: those that were named, and for the others the usual names. */
function chooseColumns(file: string, found: readonly string[], named: Columns, needsLabel: boolean): ChosenColumns {
  checkNamed(file, found, named);
  const texts = named.text === undefined ? usualTextColumns(found) : [named.text];
  const [text, usualPair] = texts;
  if (text === undefined)
    throw unknownColumn(file, found, 'text', [...usualTexts, ...usualPairs.map((pair) => pair.join(' and '))]);
  const pair = named.pair ?? usualPair;
  const label = named.label ?? usualLabels.find((name) => found.includes(name));
  if (label === undefined && needsLabel) throw unknownColumn(file, found, 'label', usualLabels);
  return { text, ...(pair === undefined ? {} : { pair }), ...(label === undefined ? {} : { label }) };
}

function checkNamed(file: string, found: readonly string[], named: Columns): void {
  for (const name of Object.values(named)) {
    if (found.includes(name)) continue;
    throw new DataError(
      { file, line: 1, column: name },
      { expected: 'a column of that name', got: listed(found), ...hintOfFormat(found) },
    );
  }
  if (named.pair !== undefined && named.text === undefined) {
    throw new ConfigError('columns', { expected: 'the name of the text column too', got: `only pair=${named.pair}` });
  }
}

function checkUnique(file: string, found: readonly string[], chosen: readonly string[]): void {
  const repeated = chosen.find((name) => found.indexOf(name) !== found.lastIndexOf(name));
  if (repeated === undefined) return;
  throw new DataError({ file, line: 1, column: repeated }, { expected: 'one column of that name', got: listed(found) });
}

function usualTextColumns(found: readonly string[]): readonly string[] {
  const pair = usualPairs.find((names) => names.every((name) => found.includes(name)));
  return pair ?? usualTexts.filter((name) => found.includes(name)).slice(0, 1);
}

function unknownColumn(file: string, found: readonly string[], role: keyof Columns, usual: readonly string[]) {
  const facts = { expected: `a ${role} column (${usual.join(', ')})`, got: listed(found) };
  return new DataError(
    { file, line: 1 },
    { ...facts, hint: `Name it with --columns ${role}=NAME.`, ...hintOfFormat(found) },
  );
}

/** How many columns an error message names, and how many characters of each. */
const [COLUMNS_SHOWN, CHARACTERS_SHOWN] = [10, 40];

export function listed(columns: readonly string[]): string {
  const shown = columns.slice(0, COLUMNS_SHOWN).map((name) => {
    return JSON.stringify(name.length > CHARACTERS_SHOWN ? `${name.slice(0, CHARACTERS_SHOWN)}…` : name);
  });
  const more = columns.length > shown.length ? ` and ${columns.length - shown.length} more` : '';
  return `the columns ${shown.join(', ')}${more}`;
}

/** What to do where the names of columns say that the file is written in another way than its ending says. */
function hintOfFormat(columns: readonly string[]): { hint?: string } {
  if (columns.some((name) => name.includes('\r')))
    return { hint: 'Its lines end with carriage returns alone: write line feeds.' };
  if (columns.length > 1 || !/[;,\t]/.test(columns[0] ?? '')) return {};
  return { hint: 'Fields stand between commas in .csv, and between tabs in .tsv.' };
}

function rowOf(file: string, raw: RawRow, chosen: ChosenColumns, needsLabel: boolean): Row {
  const cellOf = new Map(Object.keys(chosen).map((role, index) => [role, raw.cells[index]]));
  const textAt = (role: 'text' | 'pair', column: string) => textOf(cellOf.get(role), { file, line: raw.line, column });
  return {
    text: textAt('text', chosen.text),
    ...(chosen.pair === undefined ? {} : { pair: textAt('pair', chosen.pair) }),
    ...labelOf(cellOf.get('label'), { file, line: raw.line, column: chosen.label ?? 'label' }, needsLabel),
    line: raw.line,
  };
}

interface CellPlace {
  readonly file: string;
  readonly line: number;
  readonly column: string;
}

function textOf(cell: unknown, place: CellPlace): string {
  if (typeof cell === 'number' || typeof cell === 'bigint') return String(cell);
  if (typeof cell !== 'string') throw new DataError(place, { expected: 'a text', got: kindOf(cell) });
  if (cell.trim() === '') throw new DataError(place, { expected: 'a text', got: 'an empty one' });
  return cell;
}

/** The label as text, whatever it was written as; spaces around it do not count. */
function labelOf(cell: unknown, place: CellPlace, needsLabel: boolean): { label?: string } {
  const isAbsent = cell === undefined || cell === null || (typeof cell === 'string' && cell.trim() === '');
  if (isAbsent && !needsLabel) return {};
  if (isAbsent) throw new DataError(place, { expected: 'a label', got: 'none' });
  if (typeof cell === 'string') return { label: cell.trim() };
  if (typeof cell === 'number' || typeof cell === 'bigint' || typeof cell === 'boolean') return { label: String(cell) };
  throw new DataError(place, { expected: 'a label: a word, a number, true or false', got: kindOf(cell) });
}
