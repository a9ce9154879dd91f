/** Vocabulary pruning in a run: the words that the training texts have, and what dropping the others does. */
import { countParameters } from '../base/index.ts';
import { type ModelFiles, pruneVocabulary } from '../model/index.ts';
import type { LabelledData } from './data-source.ts';
import type { LabelledSet } from './dataset.ts';
import { encodeSet } from './encoded-set.ts';
import { type Evaluation, evaluateModel, type ModelEvaluation } from './evaluate.ts';

/** A model before and after its vocabulary was pruned, nothing else changed. */
export interface VocabularyRecord {
  readonly tokensBefore: number;
  readonly tokens: number;
  readonly parametersBefore: number;
  readonly parameters: number;
  readonly accuracyBefore: number;
  readonly accuracy: number;
  /** Of token classification. */
  readonly spanF1Before?: number;
  readonly spanF1?: number;
}

/** The model without the words that no training text has. Texts are read to their ends, wherever they are cut later. */
export function withSeenWords(model: ModelFiles, train: LabelledSet): ModelFiles {
  const { encodings } = encodeSet(train, model.tokenizer, Number.POSITIVE_INFINITY);
  const seen = new Set<number>();
  for (const { ids } of encodings) for (const id of ids) seen.add(id);
  return pruneVocabulary(model, seen);
}

/** A model that is about to be compressed: its quality as it was, and itself, without the words that it does not need if that is asked for. */
export interface Prepared {
  readonly evaluation: Evaluation;
  readonly model: ModelFiles;
  readonly vocabulary?: VocabularyRecord;
}

export async function prepare(
  model: ModelFiles,
  data: LabelledData,
  isVocabularyPruned: boolean,
  options: ModelEvaluation,
): Promise<Prepared> {
  const before = await evaluateModel(model, data.evaluation, options);
  if (!isVocabularyPruned) return { evaluation: before, model };
  const smaller = withSeenWords(model, data.train);
  const after = await evaluateModel(smaller, data.evaluation, options);
  const vocabulary = {
    tokensBefore: model.tokenizer.vocabularySize,
    tokens: smaller.tokenizer.vocabularySize,
    parametersBefore: countParameters(model.parameters),
    parameters: countParameters(smaller.parameters),
    accuracyBefore: before.accuracy,
    accuracy: after.accuracy,
    ...(before.spanF1 !== undefined && { spanF1Before: before.spanF1 }),
    ...(after.spanF1 !== undefined && { spanF1: after.spanF1 }),
  };
  return { evaluation: before, model: smaller, vocabulary };
}
