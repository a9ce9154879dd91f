/** Where the rows of a run come from: files, or the built-in data set. */
import type { TextInput } from '../infer/index.ts';
import { type Dataset, datasetOf, labelsOf } from './dataset.ts';
import { builtinCorpus, builtinName } from './grammar.ts';
import { type Columns, type Rows, readRows } from './read-rows.ts';

export interface DataSource {
  /** A file, or `builtin`. */
  readonly data: string;
  /** A file, or `builtin`; rows to evaluate on. */
  readonly evaluation: string;
  readonly columns?: Columns;
}

/** The built-in data set is always the same one, so that its figures can be compared between runs. */
const BUILTIN_SEED = 1;

async function rowsOf(file: string, part: 'train' | 'eval', columns: Columns | undefined): Promise<Rows> {
  if (file === builtinName) return builtinCorpus(BUILTIN_SEED)[part];
  return readRows(file, columns === undefined ? {} : { columns });
}

/** Rows to train on and to evaluate on. Labels are the training rows', unless the model has its own. */
export async function openData(
  source: DataSource,
  labels?: readonly string[],
): Promise<{ train: Dataset; evaluation: Dataset }> {
  const train = await rowsOf(source.data, 'train', source.columns);
  const evaluation = await rowsOf(source.evaluation, 'eval', source.columns);
  const present = labelsOf(train);
  const known = labels ?? present;
  return { train: datasetOf(train, known), evaluation: datasetOf(evaluation, known) };
}

/** Rows to evaluate a finished model on. */
export async function openEvaluation(file: string, labels: readonly string[], columns?: Columns): Promise<Dataset> {
  return datasetOf(await rowsOf(file, 'eval', columns), labels);
}

/** Texts alone; the file need not have labels. */
export async function openTexts(file: string, columns: Columns = {}): Promise<readonly TextInput[]> {
  if (file === builtinName) return builtinCorpus(BUILTIN_SEED).eval.rows;
  return (await readRows(file, { columns, needsLabel: false })).rows;
}
