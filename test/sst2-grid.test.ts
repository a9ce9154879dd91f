/**
 * The search on a grid that was really trained: SST-2, N in {1, 2, 4, 8} by sparsity in {0, 0.6, 0.8, 0.9, 0.95} by {fp32, int8} (`bench/auto.ts`, the table
 * in bench/RESULTS.md). Its drops and throughputs are numbers of that run, so what is compared are decisions; bars of the search are for
 * sparsities up to 0.9.
 */
import { expect, it } from 'vitest';
import { COMPARED_SPARSITIES } from '../recipes/auto.ts';
import { type Exploration, explore, gridOf, partAt, type Question, replay, replayed } from '../src/auto/index.ts';
import record from './sst2-grid.json' with { type: 'json' };

const all = record as unknown as Exploration;
const known = partAt(COMPARED_SPARSITIES, all);
/** Rows that drops were measured on. */
const ROWS = 582;
const INSTANCES = [1, 2, 4, 8];
const GRID = gridOf(INSTANCES, COMPARED_SPARSITIES);
const QUESTION: Question = {
  ...{ grid: GRID, precisions: ['fp32', 'int8'], maxDrop: 2, confidence: 0.9 },
  ...{ isExhaustive: false, hasShortRuns: false, budgetSeconds: Number.POSITIVE_INFINITY },
};

it.each([0.5, 1, 2, 3, 4, 5])(
  'finds 95 per cent of the best whose upper bound of the drop is within %s points',
  async (maxDrop) => {
    const { share, trained } = await replay({ ...QUESTION, maxDrop }, known, ROWS);
    expect(share).toBeGreaterThanOrEqual(0.95);
    expect(trained).toBeLessThan(1);
  },
);

it.each([false, true])(
  'trains at most a third of the grid for two points, and for more; short runs: %s',
  async (hasShortRuns) => {
    for (const maxDrop of [2, 3, 4, 5]) {
      const { share, trained } = await replay({ ...QUESTION, maxDrop, hasShortRuns }, known, ROWS);
      expect(share).toBeGreaterThanOrEqual(0.95);
      expect(trained).toBeLessThanOrEqual(1 / 3);
    }
  },
);

it('predicts drops of points left out to 0.7 points, and throughputs of shapes to 8 per cent (median)', async () => {
  const whole = gridOf(INSTANCES, [...COMPARED_SPARSITIES, 0.95]);
  for (const [grid, trained] of [[GRID, known] as const, [whole, all] as const]) {
    const { errors } = await explore({ ...QUESTION, grid, isExhaustive: true }, replayed(trained, ROWS));
    expect(errors.accuracy.find(({ isUsed }) => isUsed)?.leaveOneOut).toBeLessThanOrEqual(0.7);
    expect(errors.throughput.shapesLeftOut).toBeLessThanOrEqual(0.08);
  }
});
