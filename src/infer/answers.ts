/** What a model says of texts, whatever its task: a label, or the entities in them. */
import type { Task } from '../model/index.ts';
import { type Entity, findEntities } from './entities.ts';
import type { PredictOptions } from './predictor.ts';
import { type Classification, classify, type TextClassifier, type TextInput } from './text-classifier.ts';

export type Answer = Classification | { readonly entities: readonly Entity[] };

type AnswerTexts = (
  classifier: TextClassifier,
  inputs: readonly TextInput[],
  options?: Pick<PredictOptions, 'ensemble'>,
) => Promise<readonly Answer[]>;

const ANSWERS = {
  sequence: classify,
  tokens: async (...asked) => (await findEntities(...asked)).map((entities) => ({ entities })),
} satisfies Record<Task, AnswerTexts>;

/** Answers for many texts, in their order. */
export const answerTexts: AnswerTexts = (classifier, inputs, options) =>
  ANSWERS[classifier.predictor.config.task ?? 'sequence'](classifier, inputs, options);
