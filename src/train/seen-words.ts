/** Vocabulary pruning in a run: the words that the training texts have, and what dropping the others does. */
import { countParameters } from '../base/index.ts';
import { type ModelFiles, pruneVocabulary } from '../model/index.ts';
import type { LabelledData } from './data-source.ts';
import type { LabelledSet } from './dataset.ts';
import { encodeSet } from './encoded-set.ts';
import { evaluateModel, type ModelEvaluation } from './evaluate.ts';

/** A model before and after its vocabulary was pruned, nothing else changed. */
export interface VocabularyRecord {
  readonly tokensBefore: number;
  readonly tokens: number;
  readonly parametersBefore: number;
  readonly parameters: number;
  readonly accuracyBefore: number;
  readonly accuracy: number;
}

/** The model without the words that no training text has. Texts are read to their ends, wherever they are cut later. */
export function withSeenWords(model: ModelFiles, train: LabelledSet): ModelFiles {
  const { encodings } = encodeSet(train, model.tokenizer, Number.POSITIVE_INFINITY);
  const seen = new Set<number>();
  for (const { ids } of encodings) for (const id of ids) seen.add(id);
  return pruneVocabulary(model, seen);
}

/** A model whose vocabulary was pruned, and what that has saved and cost. */
export interface SmallerVocabulary {
  readonly model: ModelFiles;
  readonly record: VocabularyRecord;
}

export async function pruneUnseenWords(
  model: ModelFiles,
  { train, evaluation }: LabelledData,
  accuracyBefore: number,
  options: ModelEvaluation,
): Promise<SmallerVocabulary> {
  const smaller = withSeenWords(model, train);
  const { accuracy } = await evaluateModel(smaller, evaluation, options);
  const record = {
    tokensBefore: model.tokenizer.vocabularySize,
    tokens: smaller.tokenizer.vocabularySize,
    parametersBefore: countParameters(model.parameters),
    parameters: countParameters(smaller.parameters),
    ...{ accuracyBefore, accuracy },
  };
  return { model: smaller, record };
}
