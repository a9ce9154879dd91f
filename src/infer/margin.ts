/** How sure an answer is of its label; of an answer that was averaged over slots like of any other. */
import { scoresOf } from './text-classifier.ts';

/** The score of the label less that of the next one, 0 to 1: [C] -> 1. A single class has no rival, so it is sure. */
export function marginOf(logits: Float32Array): number {
  const [first = 1, second = 0] = scoresOf(logits).sort((a, b) => b - a);
  return first - second;
}
