/** An order as a job of the queue: plain data, checked by whoever takes it; what it starts from is named by checksums. */

import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { ConfigError, VERSION } from '../base/index.ts';
import { MODEL_SOURCES } from '../model/index.ts';
import { MATCHINGS, type MatchingName, MEASURES } from '../prune/index.ts';
import { type AskedRecipe, builtinName, type DataSource, TEACHERS } from '../train/index.ts';
import { type Artefact, type Artefacts, artefactSchema, placeSchema } from './artefacts.ts';
import type { TrialOrder } from './trial-order.ts';

const perPhase = z.strictObject({ multiplex: z.number(), prune: z.number(), recover: z.number() });

/** All of a recipe; that its numbers make sense is checked by the training, as always. */
const recipe = z.strictObject({
  instances: z.number(),
  mux: z.strictObject({ multiplexer: z.string(), demultiplexer: z.string(), prefillLayers: z.number() }),
  target: z.strictObject({ measure: z.enum(MEASURES), levels: z.array(z.number()) }),
  epochs: perPhase,
  learningRate: perPhase.partial(),
  groups: z.number(),
  maxTokens: z.number().optional(),
  warmup: z.number(),
  weightDecay: z.number(),
  dropout: z.number(),
  losses: z.strictObject({
    ...{ logits: z.number(), layers: z.number(), labels: z.number(), consistency: z.number(), retrieval: z.number() },
    ...{ temperature: z.number(), matching: z.enum(Object.keys(MATCHINGS) as [MatchingName, ...MatchingName[]]) },
  }),
  teacher: z.enum(TEACHERS),
  sparsityWarmup: z.number(),
  pruneVocabulary: z.boolean(),
}) satisfies z.ZodType<AskedRecipe>;

/** Rows: those that every prumux has, or a file. */
const rows = z.union([z.literal(builtinName), artefactSchema]);

const job = z.strictObject({
  /** Of prumux: another one may train another model by the same recipe. */
  version: z.string(),
  name: z.string(),
  recipe,
  seed: z.int(),
  model: artefactSchema,
  train: rows,
  evaluation: rows,
  columns: z.strictObject({ text: z.string(), pair: z.string(), label: z.string() }).partial().optional(),
  /** Rows that are not trained on. */
  setAside: z.int().positive().optional(),
  /** Where its model goes, among the artefacts; its checkpoints go beside it. */
  output: placeSchema,
  multiplexed: placeSchema.optional(),
  from: z.strictObject({ place: placeSchema, fingerprint: z.hash('sha256') }).optional(),
});

export type TrialJob = Readonly<z.infer<typeof job>>;

/** How far a trial is. */
export const progressSchema = z.object({
  /** Where it is one of a server's queue. */
  worker: z.string().optional(),
  trial: z.string(),
  phase: z.string(),
  step: z.number(),
  steps: z.number(),
});

export type TrialProgress = Readonly<z.infer<typeof progressSchema>>;

/** Puts what the order starts from where workers find it, and says the rest in data. */
export async function jobOf(order: TrialOrder, artefacts: Artefacts): Promise<TrialJob> {
  const { name, seed, model, source, output, multiplexed, from } = order;
  const { primed, ...rest } = order.recipe;
  if (primed !== undefined) {
    throw new ConfigError('primed', { expected: 'trials that start from the dense model', got: primed });
  }
  const inModel = MODEL_SOURCES.map((file) => join(model, file)).filter((path) => existsSync(path));
  const publishRows = (file: string): Promise<TrialJob['train']> =>
    file === builtinName ? Promise.resolve(builtinName) : artefacts.publish([file]);
  return job.parse({
    ...{ version: VERSION, name, recipe: rest, seed },
    model: await artefacts.publish(inModel),
    train: await publishRows(source.data),
    evaluation: await publishRows(source.evaluation),
    ...(source.columns && { columns: source.columns }),
    ...(source.setAside && { setAside: source.setAside }),
    output: artefacts.placeOf(output),
    ...(multiplexed !== undefined && { multiplexed: artefacts.placeOf(multiplexed) }),
    ...(from && { from: { place: artefacts.placeOf(from.folder), fingerprint: from.fingerprint } }),
  });
}

/** The job in what came over the wire. Throws ConfigError where it is of another version, or no such job at all. */
export function jobIn(data: unknown): TrialJob {
  const { version } = z.object({ version: z.string().optional() }).catch({}).parse(data);
  if (version !== VERSION) {
    const hint = 'Install the same version on all machines: another one may train another model by the same recipe.';
    throw new ConfigError('version', {
      expected: `a trial of prumux ${VERSION}`,
      got: `one of ${version ?? 'none'}`,
      hint,
    });
  }
  const found = job.safeParse(data);
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  throw new ConfigError(`job ${issue?.path.join('.') ?? ''}`, {
    expected: 'the data of a trial',
    got: issue?.message ?? 'something else',
  });
}

async function fileOf(artefact: Artefact, artefacts: Artefacts): Promise<string> {
  const folder = await artefacts.locate(artefact);
  return join(folder, basename(Object.keys(artefact.files)[0] ?? ''));
}

async function sourceOf({ train, evaluation, columns, setAside }: TrialJob, artefacts: Artefacts): Promise<DataSource> {
  const pathOf = async (part: TrialJob['train']): Promise<string> =>
    part === builtinName ? part : fileOf(part, artefacts);
  const { text, pair, label } = columns ?? {};
  const named = { ...(text && { text }), ...(pair && { pair }), ...(label && { label }) };
  return {
    data: await pathOf(train),
    evaluation: await pathOf(evaluation),
    ...(columns && { columns: named }),
    ...(setAside && { setAside }),
  };
}

/** The order on the machine of a worker. Throws CheckpointError where what it starts from is not there, or not the same. */
export async function orderOf(job: TrialJob, artefacts: Artefacts): Promise<TrialOrder> {
  const { name, recipe, seed, model, output, multiplexed, from } = job;
  return {
    ...{ name, recipe, seed },
    model: await artefacts.locate(model),
    source: await sourceOf(job, artefacts),
    output: artefacts.folderAt(output),
    ...(multiplexed !== undefined && { multiplexed: artefacts.folderAt(multiplexed) }),
    ...(from && { from: { folder: artefacts.folderAt(from.place), fingerprint: from.fingerprint } }),
  };
}
