/** Evaluation against what a predictor of known answers was asked: means and spreads over groupings, with and without ensembling. */
import { expect, it } from 'vitest';
import { type GroupPredictor, groupPredictor, numberedSet, type Seen } from '../../test/group-predictor.kit.ts';
import { ProgressRecord } from '../../test/progress-record.kit.ts';
import { evaluate } from './evaluate.ts';
import { spreadOf } from './metrics.ts';

const N = 4;
const ROWS = 12;
const set = numberedSet(new Array(ROWS).fill(3)); // three whole groups: nothing is filled up
const options = { maxTokens: 8, seed: 3 };

/** Right in slots 0 to 2, and the more so the lower; wrong in the last one. */
const slotwise = ({ row, slot }: Seen): number[] => (row % 2 === 0 ? [3 - slot, 0.5] : [0.5, 3 - slot]);

/** Right where the left neighbour has a smaller number. */
const wayward = ({ row, slot, group }: Seen): number[] => {
  const isRight = (group[(slot + N - 1) % N] ?? 0) < row;
  return (row % 2 === 0) === isRight ? [1, 0] : [0, 1];
};

/** Accuracies of the groupings that were run one after the other, from the answers themselves. */
function accuraciesOf({ seen }: GroupPredictor, answer: (seen: Seen) => number[]): number[] {
  return Array.from({ length: seen.length / ROWS }, (_, at) => {
    const rows = seen.slice(at * ROWS, (at + 1) * ROWS);
    const isRight = (one: Seen): boolean => {
      const [no = 0, yes = 0] = answer(one);
      return Number(yes > no) === one.row % 2;
    };
    return rows.filter(isRight).length / ROWS;
  });
}

it('gives mean and spread over 5 shuffled groupings unless told otherwise', async () => {
  const predictor = groupPredictor(N, wayward);
  const { accuracy, accuracyStd, groupings, examples } = await evaluate(predictor, set, options);
  const expected = accuraciesOf(predictor, wayward);
  expect(expected).toHaveLength(5);
  expect(new Set(expected).size).toBeGreaterThan(1);
  expect({ mean: accuracy, std: accuracyStd }).toEqual(spreadOf(expected));
  expect({ groupings, examples }).toEqual({ groupings: 5, examples: ROWS });
  const orders = Array.from({ length: 5 }, (_, at) => predictor.seen.slice(at * ROWS, (at + 1) * ROWS));
  expect(new Set(orders.map((order) => order.map(({ row }) => row).join())).size).toBe(5);
});

it('says what ensembling gains over the same groupings', async () => {
  const evaluation = await evaluate(groupPredictor(N, slotwise), set, { ...options, ensemble: true });
  // A row is wrong in one slot of four, which the mean of its margins 2.5, 1.5, 0.5, -0.5 outvotes.
  expect(evaluation).toMatchObject({ accuracy: 0.75, ensembleAccuracy: 1, ensembleAccuracyStd: 0, ensembleGain: 25 });
  expect(evaluation.ensembleGainStd).toBe(0);
  expect(await evaluate(groupPredictor(N, slotwise), set, options)).not.toHaveProperty('ensembleAccuracy');
});

it('gains nothing where texts go alone', async () => {
  const alone = groupPredictor(1, ({ row }) => (row % 3 === 0 ? [1, 0] : [0, 1]));
  const evaluation = await evaluate(alone, set, { ...options, ensemble: true });
  expect(evaluation).toMatchObject({ ensembleAccuracy: evaluation.accuracy, ensembleGain: 0, groupings: 1 });
});

it('tells of its progress over all groupings, with and without ensembling', async () => {
  const record = new ProgressRecord();
  const { onProgress } = record;
  await evaluate(groupPredictor(N, wayward), set, { ...options, groupings: 3, ensemble: true, onProgress });
  record.expectPieces('evaluating', 'ensembling');
});
