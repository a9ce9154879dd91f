import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, planBatches, withoutFillerGroups } from './batches.ts';

const lengths = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 200 });
const options = fc.record({ rows: fc.integer({ min: 1, max: 40 }), maxTokens: fc.constantFrom(16, 100, 128, 512) });

describe('batches', () => {
  it('hold every example exactly once as a row that counts', () => {
    fc.assert(
      fc.property(lengths, options, (sizes, wanted) => {
        const plans = planBatches([...sizes.keys()], sizes, wanted);
        const counted = plans.flatMap(({ examples, weights }) => examples.filter((_, row) => weights[row] === 1));
        expect(counted.toSorted((a, b) => a - b)).toEqual([...sizes.keys()]);
      }),
    );
  });

  it('are full, and only the last one has fillers', () => {
    fc.assert(
      fc.property(lengths, options, (sizes, wanted) => {
        const plans = planBatches([...sizes.keys()], sizes, wanted);
        expect(plans.every(({ examples }) => examples.length === wanted.rows)).toBe(true);
        expect(plans.slice(0, -1).every(({ weights }) => weights.every((weight) => weight === 1))).toBe(true);
        expect(plans).toHaveLength(Math.ceil(sizes.length / wanted.rows));
      }),
    );
  });

  it('are long enough for their rows, up to the limit', () => {
    fc.assert(
      fc.property(lengths, options, (sizes, wanted) => {
        for (const { examples, tokens } of planBatches([...sizes.keys()], sizes, wanted)) {
          expect(tokens).toBeLessThanOrEqual(wanted.maxTokens);
          for (const example of examples) {
            expect(tokens).toBeGreaterThanOrEqual(Math.min(sizes[example] ?? 0, wanted.maxTokens));
          }
        }
      }),
    );
  });

  it('have no group that is fillers only, where a model runs them', () => {
    for (const [count, instances] of [
      [512, 7],
      [5, 2],
      [6, 3],
    ] as const) {
      const lengths = Array.from({ length: count }, () => 5);
      const plans = planBatches([...lengths.keys()], lengths, { rows: 4 * instances, maxTokens: 8 }).map((plan) =>
        withoutFillerGroups(plan, instances),
      );
      const rows = plans.flatMap(({ weights }) => weights);
      expect(rows.length).toBe(Math.ceil(count / instances) * instances);
      expect(rows.filter((weight) => weight === 1)).toHaveLength(count);
    }
  });

  it('round a length up to a bucket, and never beyond the limit', () => {
    expect([1, 8, 9, 33, 100, 129].map((length) => bucketOf(length, 512))).toEqual([8, 8, 12, 48, 128, 192]);
    expect(bucketOf(100, 110)).toBe(110);
  });
});
