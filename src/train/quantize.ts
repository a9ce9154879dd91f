/**
 * `quantize`: the int8 model of a classifier's folder beside its fp32 one, and what that costs in accuracy: both are measured on the same rows, a
 * multiplexed model in the same groupings. What int8 does to a model is never assumed.
 */
import { countParameters, type Precision } from '../base/index.ts';
import { closing, exportClassifier, predictorOf, rowLimit } from '../infer/index.ts';
import { checkDestination, type Delivery, isSameFolder, resolveModel, writeModelFolder } from '../model/index.ts';
import { openSession } from '../runtime/index.ts';
import { type DataSource, openEvaluation } from './data-source.ts';
import { machineOf, type TrainedModel } from './deliver.ts';
import { encodeSet } from './encoded-set.ts';
import { type Evaluation, evaluate } from './evaluate.ts';
import { contentOf, withoutPruning } from './folder-content.ts';
import { modelCard, titleOf } from './model-card.ts';
import { interruptible, type Run } from './run-phase.ts';
import { taskOf } from './task-table.ts';
import { readClassifier } from './teacher.ts';

export interface QuantizeOptions extends Pick<Run, 'seed' | 'placement' | 'onProgress' | 'interrupt'> {
  /** Rows to measure on. */
  readonly source: Pick<DataSource, 'evaluation' | 'columns'>;
  /** The folder to write; it may be the model's own. */
  readonly output: string;
  /** What else its record is to have. */
  readonly evidence?: object;
}

/** Both models of a folder. */
export interface Quantized extends Readonly<Record<Precision, Evaluation>> {
  readonly folder: string;
  readonly parameters: number;
  /** Of the ONNX files. */
  readonly onnxBytes: Readonly<Record<Precision, number>>;
}

type Exports = Readonly<Record<Precision, Uint8Array>>;

function exportsOf({ onnx }: Delivery, { config, parameters }: TrainedModel): Exports {
  return {
    fp32: onnx ?? exportClassifier(config, parameters).bytes,
    int8: exportClassifier(config, parameters, { precision: 'int8' }).bytes,
  };
}

/** The quality of both models, and what it was measured on. */
async function measure(
  model: TrainedModel,
  exports: Exports,
  { source, seed, placement, onProgress }: QuantizeOptions,
) {
  const { config, tokenizer } = model;
  const maxTokens = rowLimit(config);
  const rows = await openEvaluation(source.evaluation, config, source.columns);
  const set = encodeSet(rows, tokenizer, maxTokens);
  const quality = async (precision: Precision): Promise<Evaluation> => {
    const predictor = predictorOf(await openSession(exports[precision], placement), config);
    return closing(predictor, (open) => evaluate(open, set, { maxTokens, seed, onProgress }));
  };
  return { data: { evaluation: rows.checksum }, fp32: await quality('fp32'), int8: await quality('int8') };
}

/** What a model from elsewhere has no record of. */
function recordOfStranger({ fp32, data }: Awaited<ReturnType<typeof measure>>, parameters: number, seed: number) {
  return { command: 'quantize', seed, data, evaluation: fp32, parameters };
}

/** Writes the folder of a classifier with its int8 model, which it is meant to run from then on. Throws CheckpointError for a folder that holds no classifier. */
export async function quantizeClassifier(model: string, given: QuantizeOptions): Promise<Quantized> {
  const options = interruptible(given);
  const { output, seed, placement } = options;
  await checkDestination(output);
  const classifier = await readClassifier(model);
  const folder = await resolveModel(model);
  const whole = await contentOf(folder);
  const content = (await isSameFolder(folder, output)) ? whole : withoutPruning(whole);
  const exports = exportsOf(content, classifier);
  const measured = await measure(classifier, exports, options);
  const parameters = countParameters(classifier.parameters);
  const { fp32, int8 } = measured;
  const figures = { evaluation: fp32, int8, parameters, seed: seedIn(content.evidence) };
  const isKnown = Object.keys(content.evidence).length > 0;
  await writeModelFolder(output, {
    ...content,
    ...{ onnx: exports.fp32, quantized: exports.int8, precision: 'int8' },
    card: modelCard(titleOf(content.card) ?? taskOf(classifier.config).modelNoun, classifier.config, figures),
    evidence: {
      ...(isKnown ? content.evidence : recordOfStranger(measured, parameters, seed)),
      quantization: { ...measured, seed, machine: machineOf(placement) },
      ...options.evidence,
    },
  });
  const onnxBytes = { fp32: exports.fp32.length, int8: exports.int8.length };
  return { folder: output, fp32, int8, parameters, onnxBytes };
}

function seedIn(evidence: object): number | undefined {
  return 'seed' in evidence && typeof evidence.seed === 'number' ? evidence.seed : undefined;
}
