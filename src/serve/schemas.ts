/**
 * What goes over the wire, in one place: from each schema come the check of requests, the writing of answers, the types of both, and the pages of
 * the API. Words are those of text-embeddings-inference (`/predict`, `/info`) and of the Open Inference Protocol (`/v2`).
 */
import { z } from 'zod';
import { PRECISIONS } from '../base/index.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** As JSON Schema, which fastify compiles. */
export function jsonSchema(schema: z.ZodType): JsonSchema {
  const { $schema, ...json } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  return json;
}

const text = z.string();

export const predictBody = z
  .object({
    inputs: z
      .union([text, z.array(text).min(1).max(2), z.array(z.array(text).min(1).max(2))])
      .describe('A text; a pair of texts, ["a", "b"]; or a batch of texts and pairs, [["a"], ["b", "c"]].'),
    raw_scores: z.boolean().nullish().describe('Logits instead of probabilities.'),
    truncate: z.boolean().nullish().describe('Whether texts that are too long are cut; otherwise they are refused.'),
    truncation_direction: z.enum(['Right', 'right']).nullish().describe('Texts are cut at their end.'),
  })
  .meta({ examples: [{ inputs: 'a fine film' }, { inputs: [['a fine film'], ['a poor one']], raw_scores: true }] });
export type PredictBody = z.infer<typeof predictBody>;

const labelScore = z.object({ label: z.string(), score: z.number() });
const entity = z.object({
  label: z.string(),
  text: z.string(),
  start: z.int(),
  end: z.int(),
  score: z.number(),
});

/** Of one text: every label, the most likely first; of a model of tokens the entities. */
export const textPrediction = z.array(z.union([labelScore, entity]));
export const predictAnswer = z.union([textPrediction, z.array(textPrediction)]);
export type TextPrediction = readonly (z.infer<typeof labelScore> | z.infer<typeof entity>)[];

/** The two shapes of an answer to one text. */
export const labelScores = z.array(labelScore);
export const entities = z.array(entity);
export const listOf = <T extends z.ZodType>(item: T): z.ZodArray<T> => z.array(item);

export const errorBody = z.object({ error: z.string(), error_type: z.string() });
export type ErrorBody = z.infer<typeof errorBody>;

const level = z.object({
  level: z.int(),
  name: z.string(),
  precision: z.enum(PRECISIONS),
  instances: z.int(),
  parameters: z.int(),
  accuracy: z.number().nullable(),
});

export const infoAnswer = z.object({
  model_id: z.string(),
  model_sha: z.string().nullable(),
  model_dtype: z.string(),
  model_type: z.object({
    classifier: z.object({ id2label: z.record(z.string(), z.string()), label2id: z.record(z.string(), z.int()) }),
  }),
  max_concurrent_requests: z.int(),
  max_input_length: z.int(),
  max_batch_tokens: z.int(),
  max_batch_requests: z.int(),
  max_client_batch_size: z.int(),
  auto_truncate: z.boolean(),
  tokenization_workers: z.int(),
  version: z.string(),
  sha: z.string().nullable(),
  docker_label: z.string().nullable(),
  name: z.string(),
  task: z.enum(['sequence', 'tokens']),
  labels: z.array(z.string()),
  instances: z.int(),
  isolation: z.enum(['none', 'tenant', 'request']),
  levels: z.array(level),
});
export type InfoAnswer = z.infer<typeof infoAnswer>;

export const healthAnswer = z.object({ status: z.string() });

const parameters = z.record(z.string(), z.unknown()).nullish();

const bytes = z.object({
  name: z.string().describe('"text", or "pair" for the second texts of pairs.'),
  shape: z.array(z.int()),
  datatype: z.literal('BYTES'),
  parameters,
  data: z.array(z.union([text, z.array(text)])),
});

export const inferBody = z
  .object({
    id: z.string().nullish(),
    parameters: z.looseObject({ raw_scores: z.boolean().nullish(), truncate: z.boolean().nullish() }).nullish(),
    inputs: z.array(bytes).min(1).max(2),
    outputs: z.array(z.object({ name: z.string(), parameters })).nullish(),
  })
  .meta({ examples: [{ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['a fine film'] }] }] });
export type InferBody = z.infer<typeof inferBody>;

const outputTensor = z.object({
  name: z.string(),
  shape: z.array(z.int()),
  datatype: z.enum(['FP32', 'BYTES']),
  data: z.array(z.union([z.number(), z.string()])),
});
export type OutputTensor = z.infer<typeof outputTensor>;

export const inferAnswer = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(outputTensor),
});

export const serverMetadata = z.object({
  name: z.string(),
  version: z.string(),
  extensions: z.array(z.string()),
});

const tensorMetadata = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.int()) });
export const modelMetadata = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(tensorMetadata),
  outputs: z.array(tensorMetadata),
});
export type ModelMetadata = z.infer<typeof modelMetadata>;

export const liveAnswer = z.object({ live: z.boolean() });
export const readyAnswer = z.object({ ready: z.boolean() });
export const modelReadyAnswer = z.object({ name: z.string(), ready: z.boolean() });
