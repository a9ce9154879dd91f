/** What operators and their programs ask: `/health`, `/info`, `/metrics`. */
import { type Precision, VERSION } from '../base/index.ts';
import { type Api, type ApiContext, ERROR_RESPONSES } from './api.ts';
import { REFUSALS } from './refusal.ts';
import { healthAnswer, type InfoAnswer, infoAnswer, jsonSchema } from './schemas.ts';

/** Open to everybody: what probes and scrapers ask. */
export const operationRoutes: Api = (app, { service }) => {
  const health = { response: { 200: jsonSchema(healthAnswer), ...ERROR_RESPONSES } };
  app.get('/health', { schema: { ...health, summary: 'Whether the server answers', tags: TAGS } }, async (_, reply) => {
    if (service.isReady) return { status: 'ok' };
    const { status, type } = REFUSALS.unhealthy;
    reply.code(status);
    return { error: service.isDraining ? 'the server is about to end' : 'no worker is ready', error_type: type };
  });
  app.get('/metrics', { schema: { summary: 'Metrics for Prometheus', tags: TAGS } }, async (_, reply) => {
    const { registry } = service.metrics;
    reply.type(registry.contentType);
    return registry.metrics();
  });
};

const TAGS = ['Operation'];

export const infoRoute: Api = (app, context) => {
  const schema = { summary: 'The model and its limits', tags: TAGS, response: { 200: jsonSchema(infoAnswer) } };
  app.get('/info', { schema }, async () => infoOf(context));
};

/** As text-embeddings-inference calls them. */
const DTYPES: Readonly<Record<Precision, string>> = { fp32: 'float32', int8: 'int8' };

function infoOf({ service, name, maxTexts, isCut }: ApiContext): InfoAnswer {
  const { labels, options, levels } = service;
  const longest = levels[0]?.description.maxTokens ?? 0;
  const fullPass = Math.max(...levels.map(({ rows }) => rows));
  return {
    model_id: name,
    model_sha: null,
    model_dtype: DTYPES[levels[0]?.description.precision ?? 'fp32'],
    model_type: {
      classifier: {
        id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
        label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
      },
    },
    max_concurrent_requests: options.capacity,
    max_input_length: longest,
    max_batch_tokens: fullPass * longest,
    max_batch_requests: fullPass,
    max_client_batch_size: maxTexts,
    auto_truncate: isCut,
    tokenization_workers: service.readyWorkers,
    version: VERSION,
    sha: null,
    docker_label: null,
    name,
    task: service.task,
    labels: [...labels],
    instances: levels[0]?.description.instances ?? 1,
    isolation: options.isolation,
    levels: levels.map(
      ({ description: { name: folder, precision, instances, parameters, accuracy = null } }, level) => ({
        ...{ level, name: folder, precision, instances, parameters, accuracy },
      }),
    ),
  };
}
