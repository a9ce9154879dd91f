/**
 * The Open Inference Protocol, version 2: texts are tensors of BYTES. Of a classifier of texts the outputs are `scores` [n, C] and `label` [n]; of one
 * of tokens `entities` [n], each a list as JSON.
 * Source: https://github.com/kserve/open-inference-protocol, REST.
 */
import { VERSION } from '../base/index.ts';
import { requireNumbers, scoresOf } from '../infer/index.ts';
import { ANSWER_HEADERS, type Api, type ApiContext, ERROR_RESPONSES } from './api.ts';
import type { TextAnswer } from './question.ts';
import { Refusal } from './refusal.ts';
import {
  type InferBody,
  inferAnswer,
  inferBody,
  jsonSchema,
  liveAnswer,
  type ModelMetadata,
  modelMetadata,
  modelReadyAnswer,
  type OutputTensor,
  readyAnswer,
  serverMetadata,
} from './schemas.ts';
import type { AskedText } from './served-model.ts';

const TAGS = ['Open Inference Protocol'];
/** There is one version of a model at a time. */
const VERSION_OF_MODEL = '1';

interface ModelParams {
  readonly name: string;
  readonly version?: string;
}

const routes = {
  live: { schema: { tags: TAGS, summary: 'Whether the server runs', response: { 200: jsonSchema(liveAnswer) } } },
  ready: {
    schema: {
      ...{ tags: TAGS, summary: 'Whether it answers' },
      response: { 200: jsonSchema(readyAnswer), 503: jsonSchema(readyAnswer) },
    },
  },
  server: { schema: { tags: TAGS, summary: 'The server', response: { 200: jsonSchema(serverMetadata) } } },
  model: {
    schema: { tags: TAGS, summary: 'The model', response: { 200: jsonSchema(modelMetadata), ...ERROR_RESPONSES } },
  },
  modelReady: {
    schema: {
      ...{ tags: TAGS, summary: 'Whether the model answers' },
      response: { 200: jsonSchema(modelReadyAnswer), ...ERROR_RESPONSES, 503: jsonSchema(modelReadyAnswer) },
    },
  },
  infer: {
    schema: {
      ...{ tags: TAGS, summary: 'Scores of texts, or the entities in them' },
      body: jsonSchema(inferBody),
      response: { 200: { ...jsonSchema(inferAnswer), headers: ANSWER_HEADERS }, ...ERROR_RESPONSES },
    },
  },
};

/** Open to everybody: what probes ask. */
export const openInferenceHealth: Api = (app, context) => {
  const { service } = context;
  app.get('/v2/health/live', routes.live, async () => ({ live: true }));
  app.get('/v2/health/ready', routes.ready, async (_, reply) => {
    reply.code(service.isReady ? 200 : 503);
    return { ready: service.isReady };
  });
  for (const path of modelPaths('/ready')) {
    app.get<{ Params: ModelParams }>(path, routes.modelReady, async ({ params }, reply) => {
      requireModel(params, context);
      reply.code(service.isReady ? 200 : 503);
      return { name: params.name, ready: service.isReady };
    });
  }
};

/** What needs a key. */
export const openInferenceRoutes: Api = (app, context) => {
  app.get('/v2', routes.server, async () => ({ name: 'prumux', version: VERSION, extensions: [] }));
  for (const path of modelPaths('')) {
    app.get<{ Params: ModelParams }>(path, routes.model, async ({ params }) => {
      requireModel(params, context);
      return metadataOf(context);
    });
  }
  for (const path of modelPaths('/infer')) {
    app.post<{ Params: ModelParams; Body: InferBody }>(path, routes.infer, async (request, reply) => {
      const { body, params } = request;
      requireModel(params, context);
      const { texts } = await context.ask(request, reply, textsOf(body, context.isCut));
      const outputs = outputsOf(texts, body.parameters?.raw_scores ?? false);
      return {
        ...{ model_name: context.name, model_version: VERSION_OF_MODEL },
        ...(typeof body.id === 'string' && { id: body.id }),
        outputs: chosen(outputs, body),
      };
    });
  }
};

const modelPaths = (rest: string): string[] => [`/v2/models/:name${rest}`, `/v2/models/:name/versions/:version${rest}`];

function requireModel({ name, version = VERSION_OF_MODEL }: ModelParams, context: ApiContext): void {
  if (name !== context.name) throw new Refusal('unknown', 'model', { expected: context.name, got: name });
  if (version === VERSION_OF_MODEL) return;
  throw new Refusal('unknown', 'version', { expected: VERSION_OF_MODEL, got: version });
}

function textsOf({ inputs, parameters }: InferBody, isCutUsually: boolean): AskedText[] {
  const isCut = parameters?.truncate ?? isCutUsually;
  const names = inputs.map(({ name }) => name);
  if (new Set(names).size < names.length || names.some((name) => name !== 'text' && name !== 'pair')) {
    throw new Refusal('invalid', 'inputs', { expected: 'a tensor text, and one pair at most', got: names.join(', ') });
  }
  const [texts, pairs] = [tensorOf(inputs, 'text'), tensorOf(inputs, 'pair')];
  if (texts === undefined) {
    throw new Refusal('invalid', 'inputs', { expected: 'a tensor of the name text', got: names.join(', ') });
  }
  if (pairs !== undefined && pairs.length !== texts.length) {
    const expected = `as many pairs as texts, ${texts.length}`;
    throw new Refusal('invalid', 'inputs', { expected, got: String(pairs.length) });
  }
  return texts.map((text, at) => {
    const pair = pairs?.[at];
    return { text, isCut, ...(pair !== undefined && { pair }) };
  });
}

/** The texts of a tensor [n] or [n, 1]. */
function tensorOf(inputs: InferBody['inputs'], name: string): string[] | undefined {
  const tensor = inputs.find((each) => each.name === name);
  if (tensor === undefined) return undefined;
  const texts = tensor.data.flat();
  const size = tensor.shape.reduce((product, dim) => product * dim, 1);
  if (size === texts.length) return texts;
  throw new Refusal('invalid', name, { expected: `${size} texts, as its shape says`, got: String(texts.length) });
}

function outputsOf(texts: readonly TextAnswer[], isRaw: boolean): OutputTensor[] {
  const n = texts.length;
  const [first] = texts;
  if (first?.logits === undefined) {
    const data = texts.map(({ entities }) => JSON.stringify(entities ?? []));
    return [{ name: 'entities', shape: [n], datatype: 'BYTES', data }];
  }
  const { labels } = first.model;
  requireSameLabels(texts);
  const rows = texts.map(({ logits = new Float32Array() }) => {
    if (isRaw) requireNumbers(logits);
    return isRaw ? Array.from(logits) : scoresOf(logits);
  });
  return [
    { name: 'scores', shape: [n, labels.length], datatype: 'FP32', data: rows.flat() },
    {
      ...{ name: 'label', shape: [n], datatype: 'BYTES' },
      data: rows.map((scores) => labels[scores.indexOf(Math.max(...scores))] as string),
    },
  ];
}

/** Texts of one request may be answered by what was open before other models were loaded and by those; the columns of `scores` have one meaning. */
function requireSameLabels(texts: readonly TextAnswer[]): void {
  const [first, ...others] = texts.map(({ model }) => model.labels);
  if (others.every((labels) => labels === first || labels.join('\0') === first?.join('\0'))) return;
  throw new Refusal('unhealthy', 'model', {
    expected: 'answers of one set of labels',
    got: 'models that changed meanwhile',
  });
}

function chosen(outputs: readonly OutputTensor[], { outputs: wanted }: InferBody): readonly OutputTensor[] {
  if (!wanted?.length) return outputs;
  return wanted.map(({ name }) => {
    const output = outputs.find((each) => each.name === name);
    if (output !== undefined) return output;
    throw new Refusal('invalid', 'outputs', { expected: outputs.map((each) => each.name).join(', '), got: name });
  });
}

function metadataOf({ name, service }: ApiContext): ModelMetadata {
  const text = { datatype: 'BYTES', shape: [-1] };
  return {
    name,
    versions: [VERSION_OF_MODEL],
    platform: 'prumux_onnxruntime',
    inputs: [{ name: 'text', ...text }, ...(service.task === 'tokens' ? [] : [{ name: 'pair', ...text }])],
    outputs:
      service.task === 'tokens'
        ? [{ name: 'entities', ...text }]
        : [
            { name: 'scores', datatype: 'FP32', shape: [-1, service.labels.length] },
            { name: 'label', ...text },
          ],
  };
}
