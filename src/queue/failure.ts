/** Errors on their way from a worker to whoever ordered the trial: as JSON, in the reason of a failed job. */
import { z } from 'zod';
import {
  BackendError,
  CheckpointError,
  ConfigError,
  DataError,
  type ErrorCode,
  type ErrorFacts,
  messageOf,
  OverloadError,
  PrumuxError,
  ShapeError,
} from '../base/index.ts';

const CLASSES = {
  SHAPE: (where, facts) => new ShapeError(where, facts),
  CONFIG: (where, facts) => new ConfigError(where, facts),
  DATA: (where, facts) => new DataError({ file: where }, facts),
  CHECKPOINT: (where, facts) => new CheckpointError(where, facts),
  BACKEND: (where, facts) => new BackendError(where, facts),
  OVERLOAD: (where, facts) => new OverloadError(where, facts),
} as const satisfies Record<ErrorCode, (where: string, facts: ErrorFacts) => PrumuxError>;

const failure = z.object({
  worker: z.string(),
  code: z.enum(Object.keys(CLASSES) as [ErrorCode, ...ErrorCode[]]),
  where: z.string(),
  expected: z.string(),
  got: z.string(),
  hint: z.string().optional(),
});

/** What a worker says of an error. */
export function failureOf(error: unknown, worker: string): string {
  const known =
    error instanceof PrumuxError
      ? error
      : new BackendError('internal error', { expected: 'the trial to be trained', got: messageOf(error) });
  const { code, where, expected, got, hint } = known;
  return JSON.stringify({ worker, code, where, expected, got, hint } satisfies z.infer<typeof failure>);
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The error again, which names the worker; what the queue itself says of a trial becomes one, too. */
export function errorOf(reason: string, trial: string): PrumuxError {
  const found = failure.safeParse(jsonIn(reason));
  if (!found.success) {
    const hint =
      'Its workers ended in the middle of it, one after the other: see what they said last; it may be their memory.';
    return new BackendError(`trial ${trial}`, { expected: 'a worker that ends it', got: reason, hint });
  }
  const { worker, code, where, expected, got, hint } = found.data;
  return CLASSES[code](`trial ${trial} on ${worker}: ${where}`, { expected, got, ...(hint !== undefined && { hint }) });
}
