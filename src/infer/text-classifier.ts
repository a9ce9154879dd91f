/** A model folder opened for texts: tokenizer and exported model together. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BackendError, CheckpointError, countParameters, type ParameterTree, type Precision } from '../base/index.ts';
import {
  type Encoding,
  type ModelConfig,
  onnxPath,
  ownExportIn,
  precisionIn,
  readModelFolder,
  requireParameters,
  resolveModel,
  type Tokenizer,
} from '../model/index.ts';
import { longestRow, modelShapes } from '../mux/index.ts';
import { openSession, type Placement } from '../runtime/index.ts';
import { exportClassifier } from './export.ts';
import { DEFAULT_GROUPS, type PredictOptions, type Predictor, predictLogits, predictorOf } from './predictor.ts';

/** A text, or a pair of texts. */
export interface TextInput {
  readonly text: string;
  readonly pair?: string;
}

/** A model, and the precision that it is to run in; where that is left out, its folder says. */
export interface PreciseModel {
  readonly model: string;
  readonly precision?: Precision | undefined;
}

/** A model folder that has been read: all that it takes to open it, in one session or in several. */
export interface StoredClassifier {
  readonly folder: string;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly precision: Precision;
  /** The path of its ONNX file, or the bytes of a fresh export. */
  readonly onnx: string | Uint8Array;
  /** How many there are. */
  readonly parameters: number;
  /** Longest row that the model takes, in tokens. */
  readonly maxTokens: number;
  encode(input: TextInput): Encoding;
}

/** A model folder that is open. */
export interface TextClassifier extends StoredClassifier {
  readonly predictor: Predictor;
  close(): Promise<void>;
}

/** The longest row that a model is given, in tokens: as asked for, or as it was trained on; where that is not known, as long as it has positions for. */
export function rowLimit(config: ModelConfig, asked?: number): number {
  return Math.min(asked ?? config.maxTokens ?? Number.POSITIVE_INFINITY, longestRow(config));
}

/** The path of the exported model of a precision; of fp32 the bytes of a fresh export where a folder has none of its own. */
async function exportedIn(
  folder: string,
  precision: Precision,
  { config, parameters }: { readonly config: ModelConfig; readonly parameters: ParameterTree },
): Promise<string | Uint8Array> {
  const own = await ownExportIn(folder, precision);
  if (own !== undefined) return own;
  if (precision === 'fp32') return exportClassifier(config, parameters).bytes;
  const path = onnxPath(folder, precision);
  throw new CheckpointError(path, {
    expected: `the ${precision} model`,
    got: existsSync(path) ? 'a file made elsewhere, which may be of other weights' : 'no such file',
    hint: `Make it: prumux quantize ${folder} --eval FILE -o DIR.`,
  });
}

/** Throws a CheckpointError for a folder that holds no classifier of two classes or more. */
export function requireClassifier(
  folder: string,
  { config, parameters }: { readonly config: ModelConfig; readonly parameters: ParameterTree },
): void {
  const refuse = (got: string, hint: string): never => {
    throw new CheckpointError(folder, { expected: 'a classifier of two classes or more', got, hint });
  };
  if (config.labels.length === 0 || !parameters.has('classifier.weight')) {
    const isDense = config.mux === undefined;
    const next = isDense
      ? 'Train it first: prumux train --encoder FOLDER.'
      : 'Start a classifier from it: prumux compress MODEL --primed FOLDER.';
    refuse('an encoder without a classification head', next);
  }
  if (config.labels.length === 1) refuse('a head of one number', 'Regression and ranking are not supported.');
  requireParameters(modelShapes(config), parameters, join(folder, 'model.safetensors'));
}

/**
 * Reads a model folder (or Hub id) in a precision, or in the one that it is meant to run in. In fp32 it has its own `onnx/model.onnx`; a folder without
 * one, such as a checkpoint made elsewhere, is exported in memory. In int8 it must have its `onnx/model_quantized.onnx`: nobody has measured one that is made on the way. Throws CheckpointError for a
 * folder that holds no classifier, or none of that precision.
 */
export async function readTextClassifier(
  model: string,
  maxTokens?: number,
  asked?: Precision,
): Promise<StoredClassifier> {
  const folder = await resolveModel(model);
  const { config, parameters, tokenizer } = await readModelFolder(folder);
  const precision = asked ?? (await precisionIn(folder));
  requireClassifier(folder, { config, parameters });
  const longest = rowLimit(config, maxTokens);
  return {
    folder,
    config,
    tokenizer,
    precision,
    onnx: await exportedIn(folder, precision, { config, parameters }),
    parameters: countParameters(parameters),
    maxTokens: longest,
    encode: ({ text, pair }) => tokenizer.encode(text, pair, longest),
  };
}

/** Reads a model folder as `readTextClassifier` does, and opens it. */
export async function openTextClassifier(
  model: string,
  placement: Placement,
  maxTokens?: number,
  precision?: Precision,
): Promise<TextClassifier> {
  const stored = await readTextClassifier(model, maxTokens, precision);
  const predictor = predictorOf(await openSession(stored.onnx, placement), stored.config);
  return { ...stored, predictor, close: () => predictor.close() };
}

/** What a classifier says of a text. */
export interface Classification {
  readonly label: string;
  /** The score of that label. */
  readonly score: number;
  /** Of every label: the softmax of the logits. */
  readonly scores: Readonly<Record<string, number>>;
}

/** Labels and scores of many texts, in their order. */
export async function classify(
  classifier: TextClassifier,
  inputs: readonly TextInput[],
  { ensemble = false }: Pick<PredictOptions, 'ensemble'> = {},
): Promise<Classification[]> {
  const { predictor, tokenizer, maxTokens, encode } = classifier;
  const { labels } = predictor.config;
  const { padId } = tokenizer;
  const options = { padId, maxTokens, groups: DEFAULT_GROUPS, ensemble };
  const logits = await predictLogits(predictor, inputs.map(encode), options);
  return logits.map(({ data }) => {
    const scores = scoresOf(data);
    const best = scores.indexOf(Math.max(...scores));
    return {
      label: labels[best] as string,
      score: scores[best] as number,
      scores: Object.fromEntries(labels.map((label, at) => [label, scores[at] as number])),
    };
  });
}

/** Throws a BackendError for logits that are no numbers: of these no class has the largest. */
export function requireNumbers(logits: Float32Array): void {
  if (logits.every(Number.isFinite)) return;
  throw new BackendError('logits', { expected: 'finite numbers', got: logits.join(', ') });
}

/**
 * The scores of one text, or one token, the softmax of its logits: exp(x - max x) / Σ exp(x - max x), [C]. Throws a BackendError for logits that are
 * no numbers.
 */
export function scoresOf(logits: Float32Array): number[] {
  requireNumbers(logits);
  const largest = Math.max(...logits);
  const weights = Array.from(logits, (value) => Math.exp(value - largest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
