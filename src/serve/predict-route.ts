/** `POST /predict`, as text-embeddings-inference has it. */
import type { FastifyReply } from 'fastify';
import { requireNumbers, scoresOf } from '../infer/index.ts';
import type { Task } from '../model/index.ts';
import { ANSWER_HEADERS, type Api, ERROR_RESPONSES } from './api.ts';
import type { TextAnswer } from './question.ts';
import {
  entities,
  type JsonSchema,
  jsonSchema,
  labelScores,
  listOf,
  type PredictBody,
  predictAnswer,
  predictBody,
  type TextPrediction,
} from './schemas.ts';
import type { AskedText } from './served-model.ts';

/** What an answer looks like, by task: of one text, and of many. One shape at a time is written faster than a choice of shapes. */
const SHAPES: Readonly<Record<Task, { readonly one: JsonSchema; readonly many: JsonSchema }>> = {
  sequence: { one: jsonSchema(labelScores), many: jsonSchema(listOf(labelScores)) },
  tokens: { one: jsonSchema(entities), many: jsonSchema(listOf(entities)) },
};

export const predictRoute: Api = (app, { ask, isCut: isCutUsually, service }) => {
  const schema = {
    summary: 'Labels and scores of texts, or the entities in them',
    tags: ['text-embeddings-inference'],
    body: jsonSchema(predictBody),
    response: { 200: { ...jsonSchema(predictAnswer), headers: ANSWER_HEADERS }, ...ERROR_RESPONSES },
  };
  app.post<{ Body: PredictBody }>('/predict', { schema }, async (request, reply) => {
    const { inputs, raw_scores: isRaw, truncate } = request.body;
    const texts = textsOf(inputs, truncate ?? isCutUsually);
    const answer = await ask(request, reply, texts);
    const predictions = answer.texts.map((text) => predictionOf(text, isRaw ?? false));
    const { one, many } = SHAPES[service.task];
    return isBatch(inputs) ? written(predictions, many, reply) : written(predictions[0], one, reply);
  });
};

function written(what: unknown, shape: JsonSchema, reply: FastifyReply): unknown {
  reply.type('application/json; charset=utf-8').serializer(reply.compileSerializationSchema(shape));
  return what;
}

const isBatch = (inputs: PredictBody['inputs']): inputs is string[][] =>
  Array.isArray(inputs) && typeof inputs[0] !== 'string';

function textsOf(inputs: PredictBody['inputs'], isCut: boolean): AskedText[] {
  if (typeof inputs === 'string') return [textOf([inputs], isCut)];
  return isBatch(inputs) ? inputs.map((each) => textOf(each, isCut)) : [textOf(inputs, isCut)];
}

function textOf([text = '', pair]: readonly string[], isCut: boolean): AskedText {
  return { text, isCut, ...(pair !== undefined && { pair }) };
}

/** Labels, the most likely first; or entities in their order. */
function predictionOf({ model, logits, entities: found }: TextAnswer, isRaw: boolean): TextPrediction {
  if (logits === undefined) return found ?? [];
  if (isRaw) requireNumbers(logits);
  const scores = isRaw ? Array.from(logits) : scoresOf(logits);
  const rated = model.labels.map((label, at) => ({ label, score: scores[at] as number }));
  return rated.sort((a, b) => b.score - a.score);
}
