/** What a model says of texts, whatever its task: a label, or the entities in them. */
import type { Task } from '../model/index.ts';
import { type Entity, findEntities } from './entities.ts';
import { type Classification, classify, type TextClassifier, type TextInput } from './text-classifier.ts';

export type Answer = Classification | { readonly entities: readonly Entity[] };

type AnswerTexts = (classifier: TextClassifier, inputs: readonly TextInput[]) => Promise<readonly Answer[]>;

const ANSWERS = {
  sequence: classify,
  tokens: async (classifier, inputs) => (await findEntities(classifier, inputs)).map((entities) => ({ entities })),
} satisfies Record<Task, AnswerTexts>;

/** Answers for many texts, in their order. */
export const answerTexts: AnswerTexts = (classifier, inputs) =>
  ANSWERS[classifier.predictor.config.task ?? 'sequence'](classifier, inputs);
