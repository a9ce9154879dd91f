/** The quality of a classifier on a data set; of a multiplexed one as mean and spread over groupings, as neighbours change answers. */
import { type FloatTensor, type OnProgress, type ParameterTree, partOf } from '../base/index.ts';
import { closing, DEFAULT_GROUPS, openPredictor, type Predictor, predictLogits } from '../infer/index.ts';
import type { ModelConfig, ModelFiles } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import type { Placement } from '../runtime/index.ts';
import type { LabelledSet } from './dataset.ts';
import { type EncodedSet, encodeSet } from './encoded-set.ts';
import { predictions, spreadOf } from './metrics.ts';
import { type RowClasses, type TaskQuality, taskOf } from './task-table.ts';

/** What averaging every text over all slots brings. */
export interface EnsembleQuality {
  /** Mean over groupings. */
  readonly ensembleAccuracy: number;
  readonly ensembleAccuracyStd: number;
  readonly ensembleSpanF1?: number;
  /** Points that it is above the accuracy under the same grouping, as mean and sample standard deviation. */
  readonly ensembleGain: number;
  readonly ensembleGainStd: number;
}

export interface Evaluation extends Partial<EnsembleQuality> {
  /** Mean over groupings. */
  readonly accuracy: number;
  /** Sample standard deviation over groupings; 0 where one input goes alone. */
  readonly accuracyStd: number;
  readonly macroF1: number;
  /** Of token classification: mean of the F1 over entities, and its spread. */
  readonly spanF1?: number;
  readonly spanF1Std?: number;
  readonly groupings: number;
  readonly examples: number;
  readonly examplesPerSecond: number;
}

export interface EvaluateOptions {
  readonly maxTokens: number;
  readonly seed: number;
  /** Shuffled groupings to average over; one is enough where rows go alone. */
  readonly groupings?: number;
  /** Whether answers averaged over all slots are evaluated, too. */
  readonly ensemble?: boolean;
  readonly onProgress?: OnProgress | undefined;
}

export const DEFAULT_GROUPINGS = 5;

/** The class that is predicted at each position with a label, by row. */
function predictedClasses(logits: readonly FloatTensor[], { positions }: EncodedSet): RowClasses {
  return logits.map((row, at) => {
    const classes = predictions(row);
    return (positions[at] ?? []).map((position) => classes[position] as number);
  });
}

/** Mean and spread of the span F1, where there is one. */
function spanFigures(qualities: readonly TaskQuality[]): Pick<Evaluation, 'spanF1' | 'spanF1Std'> {
  const scores = qualities.map(({ spanF1 }) => spanF1).filter((score) => score !== undefined);
  if (scores.length === 0) return {};
  const { mean, std } = spreadOf(scores);
  return { spanF1: mean, spanF1Std: std };
}

/** The predicted classes under each grouping. */
export async function answersOf(
  predictor: Predictor,
  set: EncodedSet,
  options: EvaluateOptions,
): Promise<RowClasses[]> {
  const { maxTokens, seed, groupings = DEFAULT_GROUPINGS, ensemble = false, onProgress } = options;
  const rounds = instancesOf(predictor.config) === 1 ? 1 : groupings;
  const answers: RowClasses[] = [];
  for (let round = 0; round < rounds; round++) {
    const grouping = seed * rounds + round;
    const logits = await predictLogits(predictor, set.encodings, {
      padId: set.padId,
      groups: DEFAULT_GROUPS,
      ...{ maxTokens, grouping, ensemble },
      onProgress: partOf(onProgress, ensemble ? 'ensembling' : 'evaluating', round, rounds),
    });
    answers.push(predictedClasses(logits, set));
  }
  return answers;
}

/** The quality under each grouping. */
async function qualitiesOf(predictor: Predictor, set: EncodedSet, options: EvaluateOptions): Promise<TaskQuality[]> {
  const { config } = predictor;
  const answers = await answersOf(predictor, set, options);
  return answers.map((classes) => taskOf(config).quality(classes, set.labels, config.labels));
}

/** What a task's answers are judged by: span F1 where there are entities. */
const mainOf = ({ spanF1, accuracy }: TaskQuality): number => spanF1 ?? accuracy;

/** Qualities under the same groupings, with and without averaging. */
function ensembleQuality(averaged: readonly TaskQuality[], single: readonly TaskQuality[]): EnsembleQuality {
  const accuracy = spreadOf(averaged.map((quality) => quality.accuracy));
  const gain = spreadOf(averaged.map((quality, at) => 100 * (mainOf(quality) - mainOf(single[at] as TaskQuality))));
  const { spanF1 } = spanFigures(averaged);
  return {
    ...(spanF1 !== undefined && { ensembleSpanF1: spanF1 }),
    ensembleAccuracy: accuracy.mean,
    ensembleAccuracyStd: accuracy.std,
    ensembleGain: gain.mean,
    ensembleGainStd: gain.std,
  };
}

/** Evaluates an open classifier. */
export async function evaluate(predictor: Predictor, set: EncodedSet, options: EvaluateOptions): Promise<Evaluation> {
  const start = performance.now();
  const qualities = await qualitiesOf(predictor, set, { ...options, ensemble: false });
  const seconds = (performance.now() - start) / 1000;
  const { mean, std } = spreadOf(qualities.map(({ accuracy }) => accuracy));
  return {
    accuracy: mean,
    accuracyStd: std,
    macroF1: spreadOf(qualities.map(({ macroF1 }) => macroF1)).mean,
    ...spanFigures(qualities),
    groupings: qualities.length,
    examples: set.labels.length,
    examplesPerSecond: (qualities.length * set.labels.length) / seconds,
    ...(options.ensemble && ensembleQuality(await qualitiesOf(predictor, set, options), qualities)),
  };
}

/** How a model that is not open is evaluated. */
export interface ModelEvaluation extends EvaluateOptions {
  readonly placement: Placement;
}

/** Evaluates a model on texts as its tokenizer reads them. */
export function evaluateModel(
  { config, parameters, tokenizer }: ModelFiles,
  set: LabelledSet,
  options: ModelEvaluation,
): Promise<Evaluation> {
  return evaluateParameters(config, parameters, encodeSet(set, tokenizer, options.maxTokens), options);
}

/** Evaluates parameters, which are exported and opened for it. */
export async function evaluateParameters(
  config: ModelConfig,
  parameters: ParameterTree,
  set: EncodedSet,
  options: ModelEvaluation,
): Promise<Evaluation> {
  const predictor = await openPredictor(config, parameters, options.placement);
  return closing(predictor, (open) => evaluate(open, set, options));
}
