/** Options that commands have in common, and those that several share. */
import { availableParallelism } from 'node:os';
import { DEVICES, type Placement } from '../runtime/index.ts';
import { builtinName, type DataSource, parseColumns } from '../train/index.ts';
import {
  choice,
  type Options,
  option,
  optional,
  parsed,
  required,
  text,
  toggle,
  type Values,
  whole,
} from './option.ts';
import { UsageError } from './usage-error.ts';

/** Of these a command may leave out what it does not heed. */
export const COMMON = {
  seed: option('what all random numbers follow from', whole(0), 1),
  device: option('where to compute', choice(DEVICES), 'cpu'),
  threads: optional('threads to compute with [all cores]', whole()),
  config: optional('JSON file with options by name; flags on the command line win', text('FILE')),
  progress: option('show progress even where standard error is no terminal', toggle, false),
  json: option('print one JSON document on standard output, and nothing else', toggle, false),
  help: option('print this', toggle, false),
};

export type CommonValues = Values<typeof COMMON>;

/** Options that say nothing to some commands. */
export type Unheeded = 'seed' | 'device' | 'threads' | 'progress';

/** The options in common, without those that a command does not heed. */
export function commonWithout(unheeded: readonly Unheeded[]): Options {
  return Object.fromEntries(Object.entries(COMMON).filter(([name]) => !unheeded.some((each) => each === name)));
}

/** What was given, and the defaults of what a command leaves out. */
export function commonOf(values: Partial<CommonValues>): CommonValues {
  const defaults = Object.entries(COMMON).map(([name, { absent }]) => [name, absent('')]);
  return { ...Object.fromEntries(defaults), ...values };
}

const THREADS_PER_CORE = 4;

/** Far more threads than cores would only wait for each other. */
export function placementOf({ device, threads }: CommonValues): Placement {
  const most = THREADS_PER_CORE * availableParallelism();
  if (threads !== undefined && threads > most) {
    throw new UsageError('--threads', { expected: `at most ${most} on this machine`, got: String(threads) });
  }
  return { device, threads: threads ?? availableParallelism() };
}

const COLUMNS_HINT = 'text=NAME,pair=NAME,label=NAME';

export const columnsOption = optional(
  'which columns hold the text, the second text and the label [recognised by the usual names]',
  parsed(COLUMNS_HINT, parseColumns),
);

export const FORMATS = `.tsv, .csv, .jsonl or .parquet, or "${builtinName}"; of tagged sentences .conll, .bio, .iob, .txt, .tsv, .jsonl or .parquet`;

/** Rows to learn from and rows to measure on. */
export const DATA = {
  data: optional(`rows to train on: ${FORMATS} [${builtinName}]`, text('FILE')),
  eval: optional(`rows to evaluate on, in the same formats [${builtinName}]`, text('FILE')),
  columns: columnsOption,
};

/** Rows to measure on, for commands that do not train. */
export const ROWS = {
  data: option(`rows: ${FORMATS}`, text('FILE'), builtinName),
  columns: columnsOption,
};

/** Rows with labels, which must be those of the model at hand: there is no default. */
export const LABELLED_ROWS = { ...ROWS, data: required(`rows with labels: ${FORMATS}`, text('FILE')) };

/** Throws a UsageError where no file has columns to be named. */
export function refuseIdleColumns(columns: Values<typeof ROWS>['columns'], ...files: readonly string[]): void {
  if (columns === undefined || files.some((file) => file !== builtinName)) return;
  throw new UsageError('--columns', { expected: `nothing, as the rows are those of "${builtinName}"`, got: 'it' });
}

/** The built-in rows serve where neither file is given; one file alone is a mistake. */
export function dataSourceOf({ data, eval: evaluation, columns }: Values<typeof DATA>): DataSource {
  const isBuiltin = [data ?? builtinName, evaluation ?? builtinName].every((name) => name === builtinName);
  if (!isBuiltin && (data === undefined || evaluation === undefined)) {
    const flag = data === undefined ? '--data' : '--eval';
    throw new UsageError(flag, { expected: 'a FILE, as the other one is given', got: 'nothing' });
  }
  const source = { data: data ?? builtinName, evaluation: evaluation ?? builtinName };
  refuseIdleColumns(columns, source.data, source.evaluation);
  return { ...source, ...(columns && { columns }) };
}
