/** Tasks as rows of a table: how good predictions are, what is classified, and what a model card calls the model. Nothing else in this room asks which one it is. */
import { OUTSIDE } from '../infer/index.ts';
import type { ModelConfig, Task, Wanted } from '../model/index.ts';
import { qualityOf } from './metrics.ts';
import { spanQualityOf, spanScoresOf } from './span-quality.ts';

/** Classes by row: one of a text, one per word of a sentence. */
export type RowClasses = readonly (readonly number[])[];

export interface TaskQuality {
  /** Share of labels that are right, 0 to 1. */
  readonly accuracy: number;
  /** Mean of the F1 of the classes, or of the types of entities. */
  readonly macroF1: number;
  /** F1 over entities, of token classification. */
  readonly spanF1?: number;
}

/**
 * What each row adds to a ratio Σ hits / Σ outOf: of texts the accuracy, a row being right out of 1; of tagged sentences the span F1, twice the
 * entities found out of those that are there and those that were predicted.
 */
export interface RowScores {
  readonly hits: readonly number[];
  readonly outOf: readonly number[];
}

export interface TaskRow {
  /** What Hugging Face's model cards call the task. */
  readonly pipelineTag: string;
  readonly modelNoun: string;
  /** Which states of the last layer are classified. */
  readonly wanted: Wanted;
  readonly quality: (predicted: RowClasses, labels: RowClasses, names: readonly string[]) => TaskQuality;
  readonly rowScores: (predicted: RowClasses, labels: RowClasses, names: readonly string[]) => RowScores;
}

const sequence: TaskRow = {
  pipelineTag: 'text-classification',
  modelNoun: 'Text classifier',
  wanted: 'first',
  quality: (predicted, labels, names) => qualityOf(predicted.flat(), labels.flat(), names.length),
  rowScores: (predicted, labels) => ({
    hits: labels.map(([label], at) => (predicted[at]?.[0] === label ? 1 : 0)),
    outOf: labels.map(() => 1),
  }),
};

/** Predicted and true tags. Words that were cut off have no prediction. */
function tagsOf(predicted: RowClasses, labels: RowClasses, names: readonly string[]) {
  return [
    labels.map((row, at) => row.map((_, word) => names[predicted[at]?.[word] ?? -1])),
    labels.map((row) => row.map((label) => names[label] ?? OUTSIDE)),
  ] as const;
}

const tokens: TaskRow = {
  pipelineTag: 'token-classification',
  modelNoun: 'Token classifier',
  wanted: 'all',
  quality: (...answers) => spanQualityOf(...tagsOf(...answers)),
  rowScores: (...answers) => spanScoresOf(...tagsOf(...answers)),
};

const TASKS = { sequence, tokens } satisfies Record<Task, TaskRow>;

export function taskOf({ task = 'sequence' }: Pick<ModelConfig, 'task'>): TaskRow {
  return TASKS[task];
}
