import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupPredictor, numberedSet } from '../../test/group-predictor.kit.ts';
import { answerFilled, type FilledRun, filledRuns, RUN_POSITIONS } from './filled-pass.ts';

const lengths = fc.array(fc.integer({ min: 3, max: 200 }), { minLength: 1, maxLength: 100 });
const shape = fc.record({ instances: fc.integer({ min: 1, max: 10 }), maxTokens: fc.constantFrom(64, 100, 128) });

describe('runs of rows', () => {
  it('hold every row, in whole groups, of which only the last repeats any', () => {
    fc.assert(
      fc.property(lengths, shape, (sizes, { instances, maxTokens }) => {
        const runs = filledRuns(sizes, { instances, maxTokens });
        const slots = runs.flatMap((run) => run.slots);
        expect(new Set(slots)).toEqual(new Set(sizes.keys()));
        expect(runs.every((run) => run.slots.length % instances === 0)).toBe(true);
        expect(slots).toHaveLength(Math.ceil(sizes.length / instances) * instances);
        const full = slots.slice(0, sizes.length - (sizes.length % instances));
        expect(new Set(full).size).toBe(full.length);
      }),
    );
  });

  it('are as long as their longest row, up to the limit', () => {
    fc.assert(
      fc.property(lengths, shape, (sizes, options) => {
        for (const { slots, tokens } of filledRuns(sizes, options)) {
          const longest = Math.max(...slots.map((row) => sizes[row] as number));
          expect(tokens).toBe(Math.min(longest, options.maxTokens));
        }
      }),
    );
  });

  it('are few where padding is cheaper than a run of its own, and otherwise hardly padded', () => {
    const alike = [20, 21, 22, 23];
    expect(filledRuns(alike, { instances: 1, maxTokens: 128 })).toHaveLength(1);
    const mixed = [...new Array(16).fill(60), ...new Array(16).fill(12)];
    const runs = filledRuns(mixed, { instances: 1, maxTokens: 128 });
    expect(runs.map(({ tokens, slots }) => [tokens, slots.length])).toEqual([
      [12, 16],
      [60, 16],
    ]);
  });
});

/** Slots · tokens, and so many positions of a group for every run. */
const costOf = (runs: readonly FilledRun[], instances: number): number =>
  runs.reduce((sum, { slots, tokens }) => sum + slots.length * tokens + RUN_POSITIONS * instances, 0);

describe('the cost of runs', () => {
  it('is the least of all ways to cut the groups by length, compared with every one of them', () => {
    const few = fc.array(fc.integer({ min: 3, max: 80 }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(few, fc.integer({ min: 1, max: 3 }), (sizes, instances) => {
        const sorted = sizes.map((size) => Math.min(64, size)).sort((a, b) => a - b);
        const groups = Math.ceil(sizes.length / instances);
        const longestOf = (group: number): number =>
          sorted[Math.min(sorted.length, (group + 1) * instances) - 1] as number;
        let least = Number.POSITIVE_INFINITY;
        for (let cuts = 0; cuts < 2 ** (groups - 1); cuts++) {
          let [cost, start] = [0, 0];
          for (let group = 0; group < groups; group++) {
            if (group < groups - 1 && ((cuts >> group) & 1) === 0) continue;
            cost += instances * ((group + 1 - start) * longestOf(group) + RUN_POSITIONS);
            start = group + 1;
          }
          least = Math.min(least, cost);
        }
        expect(costOf(filledRuns(sizes, { instances, maxTokens: 64 }), instances)).toBe(least);
      }),
    );
  });
});

describe('answers', () => {
  it('are those of their rows, the mean over the slots that a row stands in', async () => {
    await fc.assert(
      fc.asyncProperty(lengths, fc.integer({ min: 1, max: 10 }), async (sizes, instances) => {
        const predictor = groupPredictor(instances, ({ row, slot }) => [row, slot]);
        const { encodings } = numberedSet(sizes);
        const { logits, slots } = await answerFilled(predictor, encodings, { padId: 0, maxTokens: 256 });
        expect(logits.map(({ data }) => Math.round(data[0] as number))).toEqual([...sizes.keys()]);
        expect(slots).toBe(Math.ceil(sizes.length / instances) * instances);
        for (const [row, { data }] of logits.entries()) {
          const own = predictor.seen.filter((seen) => seen.row === row).map(({ slot }) => slot);
          expect(data[1]).toBeCloseTo(own.reduce((sum, slot) => sum + slot, 0) / own.length, 4);
        }
      }),
    );
  });

  it('are none of no rows, and nothing runs', async () => {
    const predictor = groupPredictor(3, () => [0, 0]);
    expect(await answerFilled(predictor, [], { padId: 0, maxTokens: 64 })).toEqual({ logits: [], slots: 0 });
    expect(predictor.seen).toEqual([]);
  });
});
