/** Where the rows of a run come from: files, or the built-in data set. */
import { ConfigError } from '../base/index.ts';
import type { TextInput } from '../infer/index.ts';
import type { ModelConfig, Task } from '../model/index.ts';
import {
  checkSchemes,
  datasetOf,
  type LabelledSet,
  labelsOf,
  setAside,
  taggedDatasetOf,
  tagsOf,
  withNames,
} from './dataset.ts';
import { builtinCorpus, builtinName } from './grammar.ts';
import { type Columns, type Rows, readRows } from './read-rows.ts';
import { readSentences } from './read-sentences.ts';

export interface DataSource {
  /** A file, or `builtin`. */
  readonly data: string;
  /** A file, or `builtin`; rows to evaluate on. */
  readonly evaluation: string;
  readonly columns?: Columns;
  /** So many rows of `data` are not trained on, so that models can be compared by them. */
  readonly setAside?: number;
}

/** The built-in data set is always the same one, so that its figures can be compared between runs. */
const BUILTIN_SEED = 1;

type Part = 'train' | 'eval';

async function rowsOf(file: string, part: Part, columns: Columns | undefined): Promise<Rows> {
  if (file === builtinName) return builtinCorpus(BUILTIN_SEED)[part];
  return readRows(file, columns === undefined ? {} : { columns });
}

/** The classes of a model. */
type Classes = Pick<ModelConfig, 'labels' | 'hasNumberedLabels'>;

/** A file that was read: its labels, and its rows as examples of some. */
interface LabelledFile {
  /** Throws a DataError where there is nothing to learn. */
  labels(): readonly string[];
  /** Throws a DataError where the labels can be no model's to be. */
  checkNames?(): void;
  examplesOf(classes: Classes): LabelledSet;
}

/** How the files of a task are read. */
interface FileReader {
  readonly open: (file: string, part: Part, columns?: Columns) => Promise<LabelledFile>;
  /** Texts alone, for which the file need not have labels. */
  readonly texts: (file: string, columns?: Columns) => Promise<readonly TextInput[]>;
}

const textReader: FileReader = {
  async open(file, part, columns) {
    const rows = await rowsOf(file, part, columns);
    return {
      labels: () => labelsOf(rows),
      examplesOf: ({ labels, hasNumberedLabels }) =>
        datasetOf(hasNumberedLabels ? withNames(rows, labels) : rows, labels),
    };
  },
  async texts(file, columns = {}) {
    if (file === builtinName) return builtinCorpus(BUILTIN_SEED).eval.rows;
    return (await readRows(file, { columns, needsLabel: false })).rows;
  },
};

const sentenceReader: FileReader = {
  async open(file, _, columns) {
    const sentences = await sentencesOf(file, columns);
    return {
      labels: () => tagsOf(sentences),
      checkNames: () => checkSchemes(sentences),
      examplesOf: ({ labels }) => taggedDatasetOf(sentences, labels),
    };
  },
  async texts(file, columns) {
    const { sentences } = await sentencesOf(file, columns);
    return sentences.map(({ words }) => ({ text: words.join(' ') }));
  },
};

async function sentencesOf(file: string, columns?: Columns) {
  if (file !== builtinName) return readSentences(file, columns);
  const hint = 'The built-in rows are whole texts of five classes, without tags.';
  throw new ConfigError('data', { expected: 'a file of tagged sentences', got: `"${file}"`, hint });
}

const READERS = { sequence: textReader, tokens: sentenceReader } satisfies Record<Task, FileReader>;

/** What is known of the model that the rows are for. */
type Known = Partial<Pick<ModelConfig, 'task'> & Classes>;

/** Rows to train on and to evaluate on, of the same labels. */
export interface LabelledData {
  readonly train: LabelledSet;
  readonly evaluation: LabelledSet;
  /** Those of the training file that were set aside. */
  readonly aside?: LabelledSet;
}

/** Reads the rows of a run. Labels are the training rows', unless the model has its own. Throws ConfigError for too many set aside. */
export async function openData(
  { data, evaluation, columns, setAside: count = 0 }: DataSource,
  { task = 'sequence', labels, hasNumberedLabels = false }: Known = {},
): Promise<LabelledData> {
  const { open } = READERS[task];
  const [train, held] = [await open(data, 'train', columns), await open(evaluation, 'eval', columns)];
  if (labels === undefined) train.checkNames?.();
  const present = train.labels();
  const known: Classes = { labels: labels ?? present, hasNumberedLabels };
  const all = { train: train.examplesOf(known), evaluation: held.examplesOf(known) };
  if (count === 0) return all;
  const { rest, aside } = setAside(all.train, count);
  return { ...all, train: rest, aside };
}

/** Rows to evaluate a finished model on. */
export async function openEvaluation(
  file: string,
  { task = 'sequence', ...classes }: Pick<ModelConfig, 'task'> & Classes,
  columns?: Columns,
): Promise<LabelledSet> {
  return (await READERS[task].open(file, 'eval', columns)).examplesOf(classes);
}

/** Texts alone, of a file as the task has it. */
export function openTexts(file: string, columns?: Columns, task: Task = 'sequence'): Promise<readonly TextInput[]> {
  return READERS[task].texts(file, columns);
}
