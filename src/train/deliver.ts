/**
 * The end of a run: the trained model is exported, the export is compared with the graph it was trained as, and both go with their evidence
 * into a model folder.
 */
import { createHash } from 'node:crypto';
import { cpus, totalmem } from 'node:os';
import {
  BackendError,
  countParameters,
  type FloatTensor,
  type OnProgress,
  type ParameterTree,
  VERSION,
} from '../base/index.ts';
import { batchFeeds, closing, exportClassifier, planBatches, predictorOf } from '../infer/index.ts';
import {
  type ModelConfig,
  parameterInputs,
  parametersFrom,
  type Safetensors,
  type Tokenizer,
  tokenInputs,
  writeModelFolder,
} from '../model/index.ts';
import { classifier, instancesOf, longestRow, modelShapes } from '../mux/index.ts';
import { compile, loadRuntime, openSession, type Placement } from '../runtime/index.ts';
import type { EncodedSet } from './encoded-set.ts';
import { type Evaluation, evaluate } from './evaluate.ts';
import { modelCard } from './model-card.ts';
import { taskOf } from './task-table.ts';

/** A trained model with all that its folder needs. */
export interface TrainedModel {
  readonly config: ModelConfig;
  readonly parameters: ParameterTree;
  readonly tokenizer: Tokenizer;
}

/** What a finished run says about its model. */
export interface Delivered {
  readonly folder: string;
  readonly evaluation: Evaluation;
  readonly parameters: number;
  /** Largest difference between logits of the exported model and of the training graph. */
  readonly parity: number;
}

const PARITY_LIMIT = 1e-4;
const PARITY_GROUPS = 4;

/** SHA-256 over the parts, in hexadecimal. */
export function fingerprintOf(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** The machine and the versions that figures were measured on; no names. */
export function machineOf({ device, threads }: Placement): Record<string, unknown> {
  const cores = cpus();
  return {
    prumux: VERSION,
    node: process.version,
    onnxruntime: loadRuntime().env.versions.node ?? 'unknown',
    device,
    threads,
    platform: `${process.platform}-${process.arch}`,
    processor: cores[0]?.model.trim(),
    cores: cores.length,
    memoryBytes: totalmem(),
  };
}

/** SHA-256 over parameters and what they are of. */
export function treeFingerprint(about: unknown, parameters: ParameterTree): string {
  const hash = createHash('sha256').update(JSON.stringify(about));
  for (const [name, { shape, data }] of parameters) {
    hash.update(`${name} ${shape.join(',')}`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/** Tells one start or teacher from another, by configuration, tokenizer and parameters. */
export function modelFingerprint({ config, tokenizer, parameters }: TrainedModel): string {
  return treeFingerprint([config, tokenizer.json], parameters);
}

/** Largest absolute difference of the logits of two ways to compute the same rows. */
async function parityOf(model: TrainedModel, onnx: Uint8Array, set: EncodedSet, placement: Placement): Promise<number> {
  const { config, parameters } = model;
  const rows = PARITY_GROUPS * instancesOf(config);
  const order = Array.from({ length: rows }, (_, row) => row % set.encodings.length);
  const [plan] = planBatches(
    order,
    set.lengths.map(() => Math.max(...order.map((at) => set.lengths[at] ?? 0))),
    {
      rows,
      maxTokens: longestRow(config),
    },
  );
  if (plan === undefined) return 0;
  const feeds = batchFeeds(set.encodings, plan, set.padId);
  const p = parametersFrom(parameterInputs(modelShapes(config)));
  const graph = await compile(
    { outputs: { logits: classifier(tokenInputs(rows, plan.tokens), config, p) } },
    placement,
  );
  const fed = { ...feeds, ...Object.fromEntries(parameters) };
  const one = (await closing(graph, (open) => open.run(fed))).logits as FloatTensor;
  const other = (await closing(await openSession(onnx, placement), (open) => open.run(feeds))).logits as FloatTensor;
  return one.data.reduce((most, value, at) => Math.max(most, Math.abs(value - (other.data[at] as number))), 0);
}

export interface DeliverOptions {
  readonly folder: string;
  readonly evaluationSet: EncodedSet;
  readonly maxTokens: number;
  readonly seed: number;
  readonly placement: Placement;
  /** What the model was sliced from, where it is to be kept. */
  readonly pruning?: Safetensors;
  /** What becomes `run.json`, beside the figures. */
  readonly evidence: Readonly<Record<string, unknown>>;
  /** What the model card says first. */
  readonly title: string;
  readonly onProgress?: OnProgress | undefined;
}

/** Exports, evaluates the export, compares, and writes the folder. */
export async function deliver(model: TrainedModel, options: DeliverOptions): Promise<Delivered> {
  const { folder, evaluationSet, maxTokens, seed, placement, pruning, evidence, title, onProgress } = options;
  const { bytes } = exportClassifier(model.config, model.parameters);
  const parity = await parityOf(model, bytes, evaluationSet, placement);
  if (!(parity <= PARITY_LIMIT)) {
    throw new BackendError('export', {
      expected: `logits within ${PARITY_LIMIT} of the training graph's`,
      got: `${parity}`,
    });
  }
  const predictor = predictorOf(await openSession(bytes, placement), model.config);
  const evaluation = await closing(predictor, (open) => evaluate(open, evaluationSet, { maxTokens, seed, onProgress }));
  const parameters = countParameters(model.parameters);
  const record = { ...evidence, seed, maxTokens, evaluation, parameters, parity, machine: machineOf(placement) };
  await writeModelFolder(folder, {
    ...model,
    onnx: bytes,
    ...(pruning && { pruning }),
    card: modelCard(title, model.config, record),
    evidence: record,
  });
  return { folder, evaluation, parameters, parity };
}

/** The title of a compressed model. */
export function compressedTitle(config: ModelConfig, sparsity: number, how = ''): string {
  const instances = instancesOf(config);
  const inputs = instances === 1 ? 'one input' : `${instances} inputs`;
  return `${taskOf(config).modelNoun}${how}, ${inputs} per pass, sparsity ${sparsity.toFixed(2)}`;
}
