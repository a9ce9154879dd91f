/**
 * What a model is made of, as values: the encoder's shapes layer by layer, the multiplexing half and the labels. Here also
 * is their form in a Hugging Face `config.json`, whose `prumux` block holds what plain BERT has no field for.
 */
import { z } from 'zod';
import { ConfigError, PRECISIONS, type Precision } from '../base/index.ts';

/** What is left of one encoder layer. No heads: the attention sub-layer is gone; no units: the feed-forward one is. */
export interface LayerShape {
  readonly heads: number;
  readonly intermediateSize: number;
}

/** The shapes of a BERT encoder, pruned or not. */
export interface EncoderConfig {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly headSize: number;
  readonly layers: readonly LayerShape[];
  readonly maxPositions: number;
  readonly typeVocabularySize: number;
  readonly layerNormEpsilon: number;
  /** Probability of dropping, of hidden values and of attention weights. */
  readonly dropout: number;
}

/** The multiplexing half of a model; absent when one input goes through alone. */
export interface MuxConfig {
  readonly instances: number;
  readonly multiplexer: string;
  readonly demultiplexer: string;
  /** How many layers texts pass one by one before they are mixed (RevMUX's prefilling); 0 if left out. */
  readonly prefillLayers?: number;
}

/** What is classified: a text as a whole, or each of its tokens. */
export type Task = 'sequence' | 'tokens';

/** Indices, in the unpruned model, of what pruning kept; for the record. */
export interface KeptStructure {
  readonly hidden: readonly number[];
  readonly layers: readonly { readonly heads: readonly number[]; readonly intermediate: readonly number[] }[];
}

/** A whole model. */
export interface ModelConfig {
  readonly encoder: EncoderConfig;
  /** `sequence` if left out. */
  readonly task?: Task;
  /** Class names by class index; empty for a bare encoder. */
  readonly labels: readonly string[];
  /** Whether data may have the numbers of classes in place of their names, which are then of a model made elsewhere. */
  readonly hasNumberedLabels?: boolean;
  /** Width of what the classifier reads, which pruning leaves alone: the unpruned hidden size. */
  readonly featureSize: number;
  /** Longest row that it was trained on; unknown of checkpoints made elsewhere. */
  readonly maxTokens?: number;
  readonly mux?: MuxConfig;
  readonly kept?: KeptStructure;
}

const HEAD_SIZE = 64;
const BERT_VOCABULARY = 30522;

/** Depth and width of the encoders that can be asked for by name; every other shape follows BERT's proportions. */
export const PRESETS = {
  tiny: { layers: 2, hiddenSize: 128 },
  mini: { layers: 4, hiddenSize: 256 },
  small: { layers: 4, hiddenSize: 512 },
  base: { layers: 12, hiddenSize: 768 },
} as const satisfies Record<string, { readonly layers: number; readonly hiddenSize: number }>;

export type PresetName = keyof typeof PRESETS;

export function isPreset(name: string): name is PresetName {
  return Object.hasOwn(PRESETS, name);
}

/** The encoder of that name, with the vocabulary of the tokenizer at hand (BERT's where none is given). */
export function presetConfig(name: string, vocabularySize: number = BERT_VOCABULARY): EncoderConfig {
  if (!isPreset(name)) {
    throw new ConfigError('preset', { expected: `one of ${Object.keys(PRESETS).join(', ')}`, got: `"${name}"` });
  }
  const { layers, hiddenSize } = PRESETS[name];
  const layer: LayerShape = { heads: hiddenSize / HEAD_SIZE, intermediateSize: 4 * hiddenSize };
  return {
    vocabularySize,
    hiddenSize,
    headSize: HEAD_SIZE,
    layers: Array.from({ length: layers }, () => layer),
    maxPositions: 512,
    typeVocabularySize: 2,
    layerNormEpsilon: 1e-12,
    dropout: 0.1,
  };
}

/** Names of Hugging Face's heads, by which a `config.json` tells its task. */
const SEQUENCE_CLASSIFIER = 'BertForSequenceClassification';
const TOKEN_CLASSIFIER = 'BertForTokenClassification';
const MASKED_LANGUAGE_MODEL = 'BertForMaskedLM';

function architectureOf({ labels, task }: ModelConfig): string {
  if (labels.length === 0) return MASKED_LANGUAGE_MODEL;
  return task === 'tokens' ? TOKEN_CLASSIFIER : SEQUENCE_CLASSIFIER;
}

/**
 * The `config.json` of a model. Where layers differ, the standard fields carry the largest; `prumux.layers` is what holds. The precision is that
 * which the model's folder is meant to run in.
 */
export function toHuggingFace(config: ModelConfig, precision: Precision = 'fp32'): object {
  const { encoder, labels } = config;
  return {
    model_type: 'bert',
    architectures: [architectureOf(config)],
    vocab_size: encoder.vocabularySize,
    hidden_size: encoder.hiddenSize,
    num_hidden_layers: encoder.layers.length,
    num_attention_heads: Math.max(1, ...encoder.layers.map((layer) => layer.heads)),
    intermediate_size: Math.max(1, ...encoder.layers.map((layer) => layer.intermediateSize)),
    hidden_act: 'gelu',
    hidden_dropout_prob: encoder.dropout,
    attention_probs_dropout_prob: encoder.dropout,
    max_position_embeddings: encoder.maxPositions,
    type_vocab_size: encoder.typeVocabularySize,
    layer_norm_eps: encoder.layerNormEpsilon,
    position_embedding_type: 'absolute',
    id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
    label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
    prumux: {
      instances: 1,
      ...config.mux,
      headSize: encoder.headSize,
      featureSize: config.featureSize,
      ...(config.maxTokens === undefined ? {} : { maxTokens: config.maxTokens }),
      layers: encoder.layers,
      ...(config.hasNumberedLabels && { hasNumberedLabels: true }),
      ...(config.kept === undefined ? {} : { kept: config.kept }),
      ...(precision === 'fp32' ? {} : { precision }),
    },
  };
}

const count = z.int().min(0);
const positive = z.int().min(1);
const indices = z.array(count);

const prumuxBlock = z.strictObject({
  instances: positive.default(1),
  multiplexer: z.string().optional(),
  demultiplexer: z.string().optional(),
  prefillLayers: count.optional(),
  headSize: positive,
  featureSize: positive,
  maxTokens: positive.optional(),
  layers: z.array(z.strictObject({ heads: count, intermediateSize: count })),
  hasNumberedLabels: z.boolean().optional(),
  precision: z.enum(PRECISIONS, PRECISIONS.join(' or ')).default('fp32'),
  kept: z
    .strictObject({ hidden: indices, layers: z.array(z.strictObject({ heads: indices, intermediate: indices })) })
    .optional(),
});

/** Fields of other libraries are let through; absent optional ones get the defaults of Hugging Face's `BertConfig`. */
const bertConfig = z.looseObject({
  model_type: z.literal('bert', 'the only supported model_type, "bert"'),
  architectures: z.array(z.string()).nullish(),
  vocab_size: positive,
  hidden_size: positive,
  num_hidden_layers: count,
  num_attention_heads: positive,
  intermediate_size: positive,
  // gelu_python is the same function.
  hidden_act: z.enum(['gelu', 'gelu_python'], 'the only supported hidden_act, "gelu"').nullish(),
  position_embedding_type: z.literal('absolute', 'the only supported position_embedding_type, "absolute"').nullish(),
  problem_type: z
    .literal('single_label_classification', 'the only supported problem_type, "single_label_classification"')
    .nullish(),
  is_decoder: z.literal(false, 'an encoder, is_decoder false').default(false),
  hidden_dropout_prob: z.number().min(0).max(1).default(0.1),
  max_position_embeddings: positive.default(512),
  type_vocab_size: positive.default(2),
  layer_norm_eps: z.number().positive().default(1e-12),
  id2label: z.record(z.string(), z.union([z.string(), z.number().transform(String)])).nullish(),
  num_labels: count.nullish(),
  prumux: prumuxBlock.optional(),
});

type BertConfig = z.infer<typeof bertConfig>;
type PrumuxBlock = z.infer<typeof prumuxBlock>;

/**
 * The model that a parsed `config.json` describes; `where` names the file in errors. Without a `prumux` block it is plain
 * BERT. Throws a ConfigError that names the first field that is missing, malformed or not supported.
 */
export function fromHuggingFace(json: unknown, where: string): ModelConfig {
  const bert = parse(json, where);
  const encoder = encoderOf(bert, where);
  const labels = labelsOf(bert, where);
  const featureSize = bert.prumux?.featureSize ?? encoder.hiddenSize;
  const isTokens = bert.architectures?.includes(TOKEN_CLASSIFIER) ?? false;
  const hasNumberedLabels = bert.prumux === undefined || bert.prumux.hasNumberedLabels === true;
  const plain: ModelConfig = {
    ...{ encoder, labels, featureSize },
    ...(hasNumberedLabels && { hasNumberedLabels }),
    ...(isTokens && { task: 'tokens' }),
  };
  if (bert.prumux === undefined) return plain;
  const mux = muxOf(bert.prumux, where);
  const { kept, maxTokens } = bert.prumux;
  if (kept !== undefined) checkKept(kept, encoder, where);
  return { ...plain, ...(maxTokens && { maxTokens }), ...(mux && { mux }), ...(kept && { kept }) };
}

/** The precision that the folder of a parsed `config.json` is meant to run in: no property of the model, but of what was made of it. */
export function precisionOf(json: unknown, where: string): Precision {
  return parse(json, where).prumux?.precision ?? 'fp32';
}

function parse(json: unknown, where: string): BertConfig {
  const parsed = bertConfig.safeParse(json, { error: expectation });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path ?? [];
  throw fieldError(where, path.join('.'), issue?.message ?? 'a BERT configuration', valueAt(json, path));
}

function encoderOf(bert: BertConfig, where: string): EncoderConfig {
  const depth = bert.num_hidden_layers;
  if (bert.prumux === undefined && bert.hidden_size % bert.num_attention_heads !== 0) {
    const expected = `a multiple of num_attention_heads (${bert.num_attention_heads})`;
    throw fieldError(where, 'hidden_size', expected, bert.hidden_size);
  }
  if (bert.prumux !== undefined && bert.prumux.layers.length !== depth) {
    throw fieldError(where, 'prumux.layers', `num_hidden_layers (${depth}) of them`, bert.prumux.layers.length);
  }
  const dense: LayerShape = { heads: bert.num_attention_heads, intermediateSize: bert.intermediate_size };
  return {
    vocabularySize: bert.vocab_size,
    hiddenSize: bert.hidden_size,
    headSize: bert.prumux?.headSize ?? bert.hidden_size / bert.num_attention_heads,
    layers: bert.prumux?.layers ?? Array.from({ length: depth }, () => dense),
    maxPositions: bert.max_position_embeddings,
    typeVocabularySize: bert.type_vocab_size,
    layerNormEpsilon: bert.layer_norm_eps,
    dropout: bert.hidden_dropout_prob,
  };
}

/** As Hugging Face names classes that have no names. */
export function namelessLabels(count: number): readonly string[] {
  return Array.from({ length: count }, (_, id) => `LABEL_${id}`);
}

function labelsOf(bert: BertConfig, where: string): readonly string[] {
  const named = bert.id2label;
  if (named === undefined || named === null) return namelessLabels(bert.num_labels ?? 0);
  const names = Object.values(named);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw fieldError(where, 'id2label', 'names that differ', `${twice} twice`);
  return Array.from({ length: Object.keys(named).length }, (_, id) => {
    const label = named[String(id)];
    if (label === undefined) {
      throw fieldError(where, 'id2label', `keys 0 to ${Object.keys(named).length - 1}`, Object.keys(named).join(', '));
    }
    return label;
  });
}

function muxOf(block: PrumuxBlock, where: string): MuxConfig | undefined {
  const { instances, multiplexer, demultiplexer, prefillLayers } = block;
  if (multiplexer !== undefined && demultiplexer !== undefined) {
    return { instances, multiplexer, demultiplexer, ...(prefillLayers !== undefined && { prefillLayers }) };
  }
  if (instances === 1 && multiplexer === demultiplexer) return undefined;
  const missing = multiplexer === undefined ? 'multiplexer' : 'demultiplexer';
  throw fieldError(where, `prumux.${missing}`, `a name, as prumux.instances is ${instances}`, undefined);
}

/** The record of what was kept must tell of the model it stands in. */
function checkKept(kept: KeptStructure, encoder: EncoderConfig, where: string): void {
  if (kept.hidden.length !== encoder.hiddenSize) {
    throw fieldError(where, 'prumux.kept.hidden', `hidden_size (${encoder.hiddenSize}) indices`, kept.hidden.length);
  }
  const keptSizes = kept.layers.map((layer) => `${layer.heads.length}/${layer.intermediate.length}`).join(' ');
  const sizes = encoder.layers.map((layer) => `${layer.heads}/${layer.intermediateSize}`).join(' ');
  if (keptSizes !== sizes) {
    throw fieldError(where, 'prumux.kept.layers', `heads/units per layer as prumux.layers says, ${sizes}`, keptSizes);
  }
}

/** zod's issues in the words of this project's errors: only what was expected. */
function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}`;
    case 'too_small':
      return issue.inclusive === false ? `more than ${issue.minimum}` : `at least ${issue.minimum}`;
    case 'too_big':
      return `at most ${issue.maximum}`;
    case 'unrecognized_keys':
      return `no unknown field (${issue.keys.join(', ')})`;
    default:
      return undefined;
  }
}

function fieldError(where: string, field: string, expected: string, got: unknown): ConfigError {
  const place = field === '' ? where : `${where} (${field})`;
  return new ConfigError(place, { expected, got: describe(got) });
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'string' ? `"${value}"` : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    json,
  );
}
