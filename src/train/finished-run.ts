/** Finished runs: the evidence that a model folder carries, and whether it is the result of a run that somebody is about to start. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { CheckpointError, messageOf, VERSION } from '../base/index.ts';
import { recoverFolder } from '../model/index.ts';
import type { CompressRecipe } from './recipe.ts';

const curvePoint = z.object({ step: z.number(), values: z.record(z.string(), z.number()) });

/** What other rooms read of a `run.json`; it holds more. */
const evidence = z.looseObject({
  command: z.string(),
  recipe: z.record(z.string(), z.unknown()),
  seed: z.number(),
  data: z.object({ train: z.string(), evaluation: z.string() }),
  evaluation: z.object({ accuracy: z.number(), accuracyStd: z.number(), examples: z.number() }),
  parameters: z.number(),
  teacher: z.object({ fingerprint: z.string() }).optional(),
  /** What the model was sliced from, where it was kept. */
  pruning: z.object({ fingerprint: z.string() }).optional(),
  /** The pruning that it went on from. */
  from: z.object({ fingerprint: z.string() }).optional(),
  /** Share of the encoder's weights that is gone. */
  sparsity: z.number().default(0),
  /** Who made it. */
  machine: z.object({ prumux: z.string() }).optional(),
  curves: z.record(z.string(), z.array(curvePoint)).default({}),
});

export type Evidence = Readonly<z.infer<typeof evidence>>;

/** The content of a folder's `run.json`. */
export async function readRunFile(folder: string): Promise<object> {
  await recoverFolder(folder);
  const path = join(folder, 'run.json');
  const expected = 'the record of a finished run';
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new CheckpointError(path, { expected, got: messageOf(cause), cause });
  }
  if (typeof json === 'object' && json !== null) return json;
  throw new CheckpointError(path, { expected, got: String(json) });
}

export async function readEvidence(folder: string): Promise<Evidence> {
  const found = evidence.safeParse(await readRunFile(folder));
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  throw new CheckpointError(join(folder, 'run.json'), {
    expected: 'the record of a finished run',
    got: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'something else'}`,
  });
}

const learned = z.object({ curves: evidence.shape.curves }).catch({ curves: {} });

/** The learning curves that a folder's record has, by phase; none of a model from elsewhere, whatever its record says. */
export async function learningCurves(folder: string): Promise<Evidence['curves']> {
  return existsSync(join(folder, 'run.json')) ? learned.parse(await readRunFile(folder)).curves : {};
}

const kept = z.object({ setAside: z.int().positive(), data: z.object({ train: z.string() }) });

/** How many rows of its file a training set aside, and the checksum of those that it took; nothing, where it set none aside, or is not known. */
export async function rowsSetAside(folder: string): Promise<{ setAside: number; train: string } | undefined> {
  if (!existsSync(join(folder, 'run.json'))) return undefined;
  const { data: found } = kept.safeParse(await readRunFile(folder));
  return found && { setAside: found.setAside, train: found.data.train };
}

/** What a compression follows from; the same gives the same model. */
export interface CompressionIdentity {
  readonly recipe: CompressRecipe;
  readonly seed: number;
  readonly data: Evidence['data'];
  /** The teacher's fingerprint. */
  readonly teacher: string;
  /** The fingerprint of the pruning that it goes on from. */
  readonly from?: string;
}

/** Whether a folder holds the finished model of just that compression, by this version of the program: another one may train another. */
export async function isFinished(folder: string, identity: CompressionIdentity): Promise<boolean> {
  if (!existsSync(join(folder, 'run.json'))) return false;
  const { command, recipe, seed, data, teacher, from, machine } = await readEvidence(folder);
  const found = { recipe, seed, data, teacher: teacher?.fingerprint, ...(from && { from: from.fingerprint }) };
  return command === 'compress' && machine?.prumux === VERSION && isDeepStrictEqual(found, { ...identity });
}
