/** The search, with functions that pretend to train and to measure. */
import { describe, expect, it } from 'vitest';
import type { GridPoint, Trial } from './exploration.ts';
import { explore, gridOf, orderGrid } from './explore.ts';
import { autoRecordIn } from './record.ts';

function trialOf(point: GridPoint, accuracy: number): Trial {
  const { instances, sparsity } = point;
  return {
    name: `n${instances}-s${sparsity}`,
    folder: 'trial',
    point,
    accuracy,
    accuracyStd: 0,
    parameters: 1,
    sparsity,
  };
}

/** Loses a point per doubling of instances and two per unit of sparsity; is as fast as its promise. */
const pretend = {
  dense: trialOf({ instances: 1, sparsity: 0 }, 0.9),
  train: async (point: GridPoint) => trialOf(point, 0.9 - 0.01 * Math.log2(point.instances) - 0.02 * point.sparsity),
  measure: async (models: readonly Trial[]) => models.map(({ point }) => (10 * point.instances) / (1 - point.sparsity)),
};

describe('the grid', () => {
  it('has every combination but the dense model, the gentlest first', () => {
    expect(gridOf([4, 1, 2], [0, 0.5])).toEqual([
      { instances: 1, sparsity: 0.5 },
      { instances: 2, sparsity: 0 },
      { instances: 4, sparsity: 0 },
      { instances: 2, sparsity: 0.5 },
      { instances: 4, sparsity: 0.5 },
    ]);
  });

  it('has each point once', () => {
    const point = { instances: 2, sparsity: 0.5 };
    expect(orderGrid([point, { ...point }])).toEqual([point]);
  });
});

describe('explore', () => {
  it('takes the fastest within the budget', async () => {
    const { chosen, frontier, trials } = await explore({ ...pretend, grid: gridOf([1, 2, 4], [0, 0.5]), maxDrop: 2 });
    // By the rule above: N=2 at 0.5 loses 2.0 points at 4x, N=4 dense loses 2.0 points at 4x, N=4 at 0.5 loses 3.
    expect(chosen.ratio).toBe(4);
    expect(trials).toHaveLength(5);
    expect(frontier[0]?.name).toBe('n1-s0');
  });

  it('measures all in one call, the dense model first', async () => {
    const calls: string[][] = [];
    await explore({
      ...pretend,
      grid: gridOf([2], [0, 0.5]),
      maxDrop: 1,
      measure: async (models) => {
        calls.push(models.map(({ name }) => name));
        return pretend.measure(models);
      },
    });
    expect(calls).toEqual([['n1-s0', 'n2-s0', 'n2-s0.5']]);
  });

  it('delivers the dense model from an empty grid', async () => {
    const { chosen, verdict } = await explore({ ...pretend, grid: [], maxDrop: 1 });
    expect(chosen.name).toBe('n1-s0');
    expect(verdict).toContain('dense');
  });

  it('reports every trial as it is done', async () => {
    const seen: string[] = [];
    const grid = gridOf([1, 2], [0, 0.5]);
    await explore({ ...pretend, grid, maxDrop: 1, onTrial: ({ name }) => seen.push(name) });
    expect(seen).toHaveLength(grid.length);
  });
});

it('finds its record in a run.json, and says what is wrong with one that has none', async () => {
  const exploration = await explore({ ...pretend, grid: gridOf([2], [0.5]), maxDrop: 1 });
  const auto = { exploration, models: {}, examples: 10, seed: 1, data: {}, machine: {}, commands: ['prumux auto'] };
  expect(autoRecordIn(JSON.parse(JSON.stringify({ auto, command: 'compress' })), 'run.json')).toEqual(auto);
  expect(() => autoRecordIn({}, 'run.json')).toThrow(/run.json: expected the record of an auto run/);
});
