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
  /** Who failed; none where it is known otherwise. */
  worker: z.string().optional(),
  code: z.enum(Object.keys(CLASSES) as [ErrorCode, ...ErrorCode[]]),
  where: z.string(),
  expected: z.string(),
  got: z.string(),
  hint: z.string().optional(),
});

type Failure = z.infer<typeof failure>;

/** An error as text. */
export function failureOf(error: unknown, worker?: string): string {
  const known =
    error instanceof PrumuxError
      ? error
      : new BackendError('internal error', { expected: 'the trial to be trained', got: messageOf(error) });
  const { code, where, expected, got, hint } = known;
  return JSON.stringify({ worker, code, where, expected, got, hint });
}

function failureIn(text: string): Failure | undefined {
  try {
    return failure.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function made({ code, expected, got, hint }: Failure, where: string): PrumuxError {
  return CLASSES[code](where, { expected, got, ...(hint !== undefined && { hint }) });
}

/** The error again; nothing where the text is none. */
export function errorIn(text: string): PrumuxError | undefined {
  const found = failureIn(text);
  return found && made(found, found.where);
}

/** The error of a job again, which names the worker; what the queue itself says of a trial becomes one, too. */
export function errorOf(reason: string, trial: string): PrumuxError {
  const found = failureIn(reason);
  if (found !== undefined) return made(found, `trial ${trial} on ${found.worker ?? 'a worker'}: ${found.where}`);
  const hint =
    'Its workers ended in the middle of it, one after the other: see what they said last; it may be their memory.';
  return new BackendError(`trial ${trial}`, { expected: 'a worker that ends it', got: reason, hint });
}
