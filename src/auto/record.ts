/** The record of an `auto` run, the `auto` block of `run.json`: all that its report is made of. */
import { z } from 'zod';
import { CheckpointError } from '../base/index.ts';
import { explorationSchema, finalFiguresSchema } from './exploration.ts';

const curvePoint = z.object({ step: z.number(), values: z.record(z.string(), z.number()) });

/** What a model is made of, and how it was learned. */
const modelDetails = z.object({
  hiddenSize: z.number(),
  layers: z.array(z.object({ heads: z.number(), intermediateSize: z.number() })),
  /** Learning curves by phase. */
  curves: z.record(z.string(), z.array(curvePoint)),
});

const autoRecord = z.object({
  exploration: explorationSchema,
  /** By the names of the exploration; int8 is of the same model. */
  models: z.record(z.string(), modelDetails),
  /** Rows that accuracy was measured on to choose. */
  examples: z.number(),
  /** Where they are from, and the rows that were kept for the final figures. */
  rows: z.string(),
  /** Of the chosen model; none where there were too few rows to keep any. */
  final: finalFiguresSchema.optional(),
  /** That each kind of work took. */
  seconds: z.record(z.string(), z.number()),
  seed: z.number(),
  /** SHA-256 of the data files. */
  data: z.record(z.string(), z.string()),
  machine: z.record(z.string(), z.unknown()),
  /** What to type to do it again. */
  commands: z.array(z.string()),
});

export type ModelDetails = Readonly<z.infer<typeof modelDetails>>;
export type AutoRecord = Readonly<z.infer<typeof autoRecord>>;

/** The record in a parsed `run.json`; `where` names the file in errors. */
export function autoRecordIn(json: unknown, where: string): AutoRecord {
  const found = z.object({ auto: autoRecord }).safeParse(json);
  if (found.success) return found.data.auto;
  const [issue] = found.error.issues;
  throw new CheckpointError(where, {
    expected: 'the record of an auto run',
    got: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'something else'}`,
    hint: 'Only a folder that `prumux auto` wrote has a report.',
  });
}
