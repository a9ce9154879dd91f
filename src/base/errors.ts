/**
 * The six error classes of the project. A message always reads `where: expected …, got …. What to do.`, so that a user
 * who sees only the last line of a log knows which thing was wrong and what to change.
 */

/** What a failed check knows: what it wanted, what it saw, and, where there is one, the way out. */
export interface ErrorFacts {
  readonly expected: string;
  readonly got: string;
  readonly hint?: string;
  readonly cause?: unknown;
}

export type ErrorCode = 'SHAPE' | 'CONFIG' | 'DATA' | 'CHECKPOINT' | 'BACKEND' | 'OVERLOAD';

/** The common ancestor; thrown only through the six classes below. */
export abstract class PrumuxError extends Error {
  abstract readonly code: ErrorCode;
  readonly where: string;
  readonly expected: string;
  readonly got: string;
  readonly hint: string | undefined;

  constructor(where: string, facts: ErrorFacts) {
    const hint = facts.hint === undefined ? '' : ` ${facts.hint}`;
    // What others say of an error often ends its own sentence.
    super(`${where}: expected ${facts.expected}, got ${facts.got.replace(/(?<!\.)\.$/, '')}.${hint}`, {
      cause: facts.cause,
    });
    this.name = new.target.name;
    this.where = where;
    this.expected = facts.expected;
    this.got = facts.got;
    this.hint = facts.hint;
  }
}

/** Two tensors, or a tensor and an operator, do not fit. */
export class ShapeError extends PrumuxError {
  readonly code = 'SHAPE';
}

/** An option, a recipe or a `config.json` says something that cannot be. */
export class ConfigError extends PrumuxError {
  readonly code = 'CONFIG';
}

/** A place in a data file; line and column count from 1. */
export interface DataPlace {
  readonly file: string;
  readonly line?: number;
  readonly column?: string;
}

/** A data file is missing, unreadable, or has a bad row. */
export class DataError extends PrumuxError {
  readonly code = 'DATA';
  readonly file: string;
  readonly line: number | undefined;
  readonly column: string | undefined;

  constructor(place: DataPlace, facts: ErrorFacts) {
    const line = place.line === undefined ? '' : `:${place.line}`;
    const column = place.column === undefined ? '' : ` (column ${place.column})`;
    super(`${place.file}${line}${column}`, facts);
    this.file = place.file;
    this.line = place.line;
    this.column = place.column;
  }
}

/** A model folder or checkpoint is missing, damaged, or of another model; also: it could not be written. */
export class CheckpointError extends PrumuxError {
  readonly code = 'CHECKPOINT';
}

/** The runtime, or one of its execution providers, is missing or failed. */
export class BackendError extends PrumuxError {
  readonly code = 'BACKEND';
}

/** More was asked than the server accepts now. */
export class OverloadError extends PrumuxError {
  readonly code = 'OVERLOAD';

  /** Without a stack trace: it says nothing about a defect, and under load it costs more than all else of a refusal. */
  constructor(where: string, facts: ErrorFacts) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(where, facts);
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** For states that no input can reach: a failure here is a defect of this project. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition)
    throw new BackendError('internal', { expected: what, got: 'the opposite', hint: 'Please report this.' });
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
