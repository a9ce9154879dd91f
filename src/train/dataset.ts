/**
 * A data set: rows whose labels are numbers of classes. The classes are those of the training file, so that every other
 * file is read in its terms.
 */
import { createHash } from 'node:crypto';
import { DataError } from '../base/index.ts';
import type { Row, Rows } from './read-rows.ts';

/** A text, or a pair of texts, and the number of its class. */
export interface Example {
  readonly text: string;
  readonly pair?: string;
  readonly label: number;
}

export interface Dataset {
  readonly name: string;
  /** Names of the classes; a label is a place in this list. */
  readonly labels: readonly string[];
  readonly examples: readonly Example[];
  /** SHA-256 of labels and rows as they were read: other columns of one file are other data. */
  readonly checksum: string;
}

/** How many labels an error message lists before it only counts the rest. */
const labelsShown = 10;

/** The classes of a training file: in the order of numbers where all are whole ones, else alphabetical. */
export function labelsOf(rows: Rows): readonly string[] {
  const labels = [...new Set(rows.rows.map((row) => labelOf(rows.file, row)))].sort();
  if (labels.length < 2) {
    const got = labels[0] === undefined ? 'no rows' : `${JSON.stringify(labels[0])} in every row`;
    throw new DataError({ file: rows.file }, { expected: 'at least two classes', got });
  }
  const areNumbers = labels.every((label) => /^-?\d+$/.test(label));
  return areNumbers ? labels.sort((a, b) => Number(a) - Number(b)) : labels;
}

/** The rows as examples of those classes; a label that is not among them is an error. */
export function datasetOf(rows: Rows, labels: readonly string[]): Dataset {
  const classOf = new Map(labels.map((label, index) => [label, index]));
  const examples = rows.rows.map((row) => {
    const name = labelOf(rows.file, row);
    const label = classOf.get(name);
    if (label === undefined) throw unseenLabel(rows.file, row, labels);
    return { text: row.text, ...(row.pair === undefined ? {} : { pair: row.pair }), label };
  });
  return { name: rows.file, labels, examples, checksum: checksumOf(labels, examples) };
}

function checksumOf(labels: readonly string[], examples: readonly Example[]): string {
  const hash = createHash('sha256').update(JSON.stringify(labels));
  for (const example of examples) hash.update(JSON.stringify(example));
  return hash.digest('hex');
}

function labelOf(file: string, row: Row): string {
  if (row.label !== undefined) return row.label;
  throw new DataError({ file, line: row.line }, { expected: 'a label', got: 'none' });
}

function unseenLabel(file: string, row: Row, labels: readonly string[]): DataError {
  const shown = labels.slice(0, labelsShown).join(', ');
  const more = labels.length > labelsShown ? ` and ${labels.length - labelsShown} more` : '';
  return new DataError(
    { file, line: row.line },
    { expected: `a label known from training (${shown}${more})`, got: JSON.stringify(row.label) },
  );
}
