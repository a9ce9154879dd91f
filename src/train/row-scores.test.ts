/** Scores by row: their ratio is the quality that the tasks compute from all rows at once. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { taskOf } from './task-table.ts';

const NAMES = ['O', 'B-place', 'I-place', 'B-person'];

function ratioOf({ hits, outOf }: { readonly hits: readonly number[]; readonly outOf: readonly number[] }): number {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return sum(outOf) === 0 ? 0 : sum(hits) / sum(outOf);
}

const classes = fc.nat(NAMES.length - 1);
const sentence = fc.array(fc.tuple(classes, classes), { minLength: 1, maxLength: 6 });

it('makes the span F1 of all sentences', () => {
  fc.assert(
    fc.property(fc.array(sentence, { minLength: 1, maxLength: 10 }), (sentences) => {
      const [predicted, labels] = [0, 1].map((side) => sentences.map((words) => words.map((word) => word[side] ?? 0)));
      const { quality, rowScores } = taskOf({ task: 'tokens' });
      const answers = [predicted ?? [], labels ?? [], NAMES] as const;
      expect(ratioOf(rowScores(...answers))).toBeCloseTo(quality(...answers).spanF1 ?? Number.NaN, 10);
    }),
  );
});

it('makes the accuracy of all texts', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(classes, classes), { minLength: 1, maxLength: 20 }), (texts) => {
      const answers = [texts.map(([one]) => [one]), texts.map(([, other]) => [other]), NAMES] as const;
      const { quality, rowScores } = taskOf({});
      expect(ratioOf(rowScores(...answers))).toBeCloseTo(quality(...answers).accuracy, 10);
    }),
  );
});
