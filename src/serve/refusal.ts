/** Why a request gets no answer, and how HTTP says it: the one table of codes. */
import { type ErrorCode, type ErrorFacts, PrumuxError } from '../base/index.ts';

interface RefusalKind {
  readonly status: number;
  /** `error_type`; the names of text-embeddings-inference, where it has one. */
  readonly type: string;
  readonly code: ErrorCode;
}

export const REFUSALS = {
  malformed: { status: 400, type: 'Validation', code: 'DATA' },
  empty: { status: 400, type: 'Empty', code: 'DATA' },
  unauthorized: { status: 401, type: 'Unauthorized', code: 'CONFIG' },
  unknown: { status: 404, type: 'NotFound', code: 'DATA' },
  tooSlow: { status: 408, type: 'Timeout', code: 'DATA' },
  tooLargeHead: { status: 431, type: 'Validation', code: 'DATA' },
  tooLarge: { status: 413, type: 'Validation', code: 'DATA' },
  invalid: { status: 422, type: 'Validation', code: 'DATA' },
  failed: { status: 424, type: 'Backend', code: 'BACKEND' },
  overloaded: { status: 429, type: 'Overloaded', code: 'OVERLOAD' },
  /** Nobody is there to read it; the code is the one that nginx logs. */
  cancelled: { status: 499, type: 'Cancelled', code: 'OVERLOAD' },
  internal: { status: 500, type: 'Internal', code: 'BACKEND' },
  unhealthy: { status: 503, type: 'Unhealthy', code: 'OVERLOAD' },
} as const satisfies Record<string, RefusalKind>;

export type RefusalName = keyof typeof REFUSALS;

/** A request that is refused for a reason that the six classes do not tell apart. */
export class Refusal extends PrumuxError {
  readonly code: ErrorCode;
  readonly kind: RefusalName;

  constructor(kind: RefusalName, where: string, facts: ErrorFacts) {
    super(where, facts);
    this.kind = kind;
    this.code = REFUSALS[kind].code;
  }
}

const BY_CODE: Readonly<Record<ErrorCode, RefusalName>> = {
  SHAPE: 'failed',
  CONFIG: 'invalid',
  DATA: 'invalid',
  CHECKPOINT: 'failed',
  BACKEND: 'failed',
  OVERLOAD: 'overloaded',
};

/** Of whatever was thrown while a request was answered. */
export function refusalOf(error: unknown): RefusalName {
  if (error instanceof Refusal) return error.kind;
  if (error instanceof PrumuxError) return BY_CODE[error.code];
  return statusNames.get(statusOf(error)) ?? 'internal';
}

const statusNames = new Map<number, RefusalName>([
  [400, 'malformed'],
  [404, 'unknown'],
  [413, 'tooLarge'],
  [415, 'malformed'],
  [422, 'invalid'],
]);

/** What fastify says of a request that it does not understand. */
function statusOf(error: unknown): number {
  if (typeof error !== 'object' || error === null) return 500;
  if ('validation' in error) return REFUSALS.invalid.status;
  return 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500;
}
