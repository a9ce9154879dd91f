/**
 * A data set: rows whose labels are numbers of classes. The classes are those of the training file, so that every other
 * file is read in its terms.
 */
import { createHash } from 'node:crypto';
import { assert, ConfigError, DataError, type DataPlace } from '../base/index.ts';
import { OUTSIDE } from '../infer/index.ts';
import type { Task } from '../model/index.ts';
import type { Row, Rows } from './read-rows.ts';
import { NUMBERED_TAGS, type Sentences } from './read-sentences.ts';

/** A text, or a pair of texts, and the number of its class. */
export interface Example {
  readonly text: string;
  readonly pair?: string;
  readonly label: number;
}

/** The words of a sentence, each with the number of its tag. */
export interface TaggedExample {
  readonly words: readonly string[];
  readonly labels: readonly number[];
}

interface Labelled<Kind extends Task, Of> {
  readonly task: Kind;
  readonly name: string;
  /** Names of the classes; a label is a place in this list. */
  readonly labels: readonly string[];
  readonly examples: readonly Of[];
  /** SHA-256 of labels and rows as they were read: other columns of one file are other data. */
  readonly checksum: string;
}

export type Dataset = Labelled<'sequence', Example>;
export type TaggedDataset = Labelled<'tokens', TaggedExample>;

/** A data set of whatever task. */
export type LabelledSet = Dataset | TaggedDataset;

/** How many labels an error message lists before it only counts the rest. */
const labelsShown = 10;

/** The classes of a training file: in the order of numbers where all are whole ones, else alphabetical. */
export function labelsOf(rows: Rows): readonly string[] {
  const labels = [...new Set(rows.rows.map((row) => labelOf(rows.file, row)))].sort();
  if (labels.length < 2) {
    const got = labels[0] === undefined ? 'no rows' : `${JSON.stringify(labels[0])} in every row`;
    throw new DataError({ file: rows.file }, { expected: 'at least two classes', got });
  }
  return labels.every(isWhole) ? labels.sort((a, b) => Number(a) - Number(b)) : labels;
}

/** Rows that have the numbers of a model's classes with their names in their place: all labels are such numbers, and no name is one. Others as they are. */
export function withNames(rows: Rows, labels: readonly string[]): Rows {
  const names = new Map(labels.map((name, index) => [String(index), name]));
  const isByNumber = rows.rows.every(({ label }) => label === undefined || names.has(label));
  if (!isByNumber || labels.some(isWhole)) return rows;
  const named = rows.rows.map(({ label = '', ...row }) => {
    const name = names.get(label);
    return name === undefined ? row : { ...row, label: name };
  });
  return { ...rows, rows: named };
}

/** The rows as examples of those classes; a label that is not among them is an error. */
export function datasetOf(rows: Rows, labels: readonly string[]): Dataset {
  const classOf = classesOf(rows.file, labels, (label) => unknownNumberHint(label, labels));
  const examples = rows.rows.map((row) => {
    const label = classOf(labelOf(rows.file, row), row.line);
    return { text: row.text, ...(row.pair === undefined ? {} : { pair: row.pair }), label };
  });
  return { task: 'sequence', name: rows.file, labels, examples, checksum: checksumOf(labels, examples) };
}

/** `O`, or the prefix of a scheme and a type. */
const TAG = /^(O|[BIESLU][-_].+)$/su;

const numberHint = (tag: string) => (/^\d+$/.test(tag) ? { hint: NUMBERED_TAGS } : {});

/** Throws a DataError where a tag is of no scheme: it is of another column, or of a task without entities. Models made elsewhere may have such tags. */
export function checkSchemes({ file, sentences }: Sentences): void {
  for (const { tags, lines } of sentences) {
    const strange = tags.findIndex((tag) => !TAG.test(tag));
    if (strange < 0) continue;
    const got = tags[strange] as string;
    const expected = 'a tag: O, or a prefix B, I, E, S, L or U with a type, as B-person';
    const facts = { expected, got: JSON.stringify(got), ...numberHint(got) };
    throw new DataError({ file, line: lines[strange] as number }, facts);
  }
}

/** The tags of a training file: the one of words in no entity first, the others in alphabetical order. */
export function tagsOf({ file, sentences }: Sentences): readonly string[] {
  const tags = new Set(sentences.flatMap((sentence) => sentence.tags));
  tags.delete(OUTSIDE);
  if (tags.size > 0) return [OUTSIDE, ...[...tags].sort()];
  throw new DataError({ file }, { expected: 'tags of entities', got: `${OUTSIDE} at every word` });
}

/** The sentences as examples of those tags; one that is not among them is an error. */
export function taggedDatasetOf({ file, sentences }: Sentences, labels: readonly string[]): TaggedDataset {
  const classOf = classesOf(file, labels, numberHint);
  const examples = sentences.map(({ words, tags, lines }) => ({
    words,
    labels: tags.map((tag, at) => classOf(tag, lines[at] as number)),
  }));
  return { task: 'tokens', name: file, labels, examples, checksum: checksumOf(labels, examples) };
}

/** The rows of a set that are no longer in it, and the others. */
export interface Divided {
  readonly rest: LabelledSet;
  readonly aside: LabelledSet;
}

const textOf = (example: Example | TaggedExample): string =>
  'words' in example ? JSON.stringify(example.words) : JSON.stringify([example.text, example.pair]);

/** The set with other examples of its task in place of its own. */
function withExamples(set: LabelledSet, examples: readonly (Example | TaggedExample)[]): LabelledSet {
  return { ...set, examples, checksum: checksumOf(set.labels, examples) } as LabelledSet;
}

/**
 * So many rows out of a set, by the hashes of their texts: the same ones in whatever order the rows are, and rows of the same text on the same
 * side, so that there may be a few more. Throws ConfigError for more than half of the rows.
 */
export function setAside(set: LabelledSet, count: number): Divided {
  const most = Math.floor(set.examples.length / 2);
  if (count > most) {
    throw new ConfigError('set aside', {
      expected: `at most half of the rows of ${set.name}, ${most}`,
      got: `${count}`,
    });
  }
  const hashes = set.examples.map((example) => createHash('sha256').update(textOf(example)).digest('hex'));
  const last = hashes.toSorted()[count - 1] ?? '';
  const examplesWhere = (isAside: boolean) =>
    set.examples.filter((_: Example | TaggedExample, at) => (hashes[at] as string) <= last === isAside);
  return { rest: withExamples(set, examplesWhere(false)), aside: withExamples(set, examplesWhere(true)) };
}

/** The rows of one set and then those of another one of the same task and labels. */
export function joinSets(one: LabelledSet, other: LabelledSet): LabelledSet {
  assert(one.task === other.task, 'sets of one task');
  return withExamples(one, [...one.examples, ...other.examples]);
}

function checksumOf(labels: readonly string[], examples: readonly (Example | TaggedExample)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(labels));
  for (const example of examples) hash.update(JSON.stringify(example));
  return hash.digest('hex');
}

function labelOf(file: string, row: Row): string {
  if (row.label !== undefined) return row.label;
  throw new DataError({ file, line: row.line }, { expected: 'a label', got: 'none' });
}

/** The number of a label that stands on some line; of one that is not known, an error. */
function classesOf(
  file: string,
  labels: readonly string[],
  hintFor: (label: string) => { readonly hint?: string },
): (label: string, line: number) => number {
  const numbers = new Map(labels.map((label, index) => [label, index]));
  return (label, line) => {
    const found = numbers.get(label);
    if (found === undefined) throw unseenLabel({ file, line }, label, labels, hintFor(label));
    return found;
  };
}

const isWhole = (label: string): boolean => /^-?\d+$/.test(label);

function unknownNumberHint(label: string, labels: readonly string[]) {
  const hint = 'Write its name: which class a number means is known of models made elsewhere only.';
  return isWhole(label) && !labels.some(isWhole) ? { hint } : {};
}

function unseenLabel(
  place: DataPlace,
  label: string,
  labels: readonly string[],
  hint: { readonly hint?: string },
): DataError {
  const shown = labels.slice(0, labelsShown).join(', ');
  const more = labels.length > labelsShown ? ` and ${labels.length - labelsShown} more` : '';
  const expected = `a label known from training (${shown}${more})`;
  return new DataError(place, { expected, got: JSON.stringify(label), ...hint });
}
