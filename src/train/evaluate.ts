/** The quality of a classifier on a data set; of a multiplexed one as mean and spread over groupings, as neighbours change answers. */
import type { FloatTensor, ParameterTree } from '../base/index.ts';
import { closing, DEFAULT_GROUPS, openPredictor, type Predictor, predictLogits } from '../infer/index.ts';
import type { ModelConfig } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import type { Placement } from '../runtime/index.ts';
import type { EncodedSet } from './encoded-set.ts';
import { predictions, spreadOf } from './metrics.ts';
import { type RowClasses, type TaskQuality, taskOf } from './task-table.ts';

export interface Evaluation {
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
}

const DEFAULT_GROUPINGS = 5;

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

/** Evaluates an open classifier. */
export async function evaluate(predictor: Predictor, set: EncodedSet, options: EvaluateOptions): Promise<Evaluation> {
  const { maxTokens, seed, groupings = DEFAULT_GROUPINGS } = options;
  const { config } = predictor;
  const rounds = instancesOf(config) === 1 ? 1 : groupings;
  const start = performance.now();
  const qualities: TaskQuality[] = [];
  for (let round = 0; round < rounds; round++) {
    const grouping = seed * rounds + round;
    const logits = await predictLogits(predictor, set.encodings, {
      padId: set.padId,
      maxTokens,
      groups: DEFAULT_GROUPS,
      grouping,
    });
    qualities.push(taskOf(config).quality(predictedClasses(logits, set), set.labels, config.labels));
  }
  const seconds = (performance.now() - start) / 1000;
  const { mean, std } = spreadOf(qualities.map(({ accuracy }) => accuracy));
  return {
    accuracy: mean,
    accuracyStd: std,
    macroF1: spreadOf(qualities.map(({ macroF1 }) => macroF1)).mean,
    ...spanFigures(qualities),
    groupings: rounds,
    examples: set.labels.length,
    examplesPerSecond: (rounds * set.labels.length) / seconds,
  };
}

/** Evaluates parameters, which are exported and opened for it. */
export async function evaluateParameters(
  config: ModelConfig,
  parameters: ParameterTree,
  set: EncodedSet,
  options: EvaluateOptions & { readonly placement: Placement },
): Promise<Evaluation> {
  const predictor = await openPredictor(config, parameters, options.placement);
  return closing(predictor, (open) => evaluate(open, set, options));
}
