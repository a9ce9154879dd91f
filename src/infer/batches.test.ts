import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, planBatches } from './batches.ts';

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

  it('round a length up to a bucket, and never beyond the limit', () => {
    expect([1, 8, 9, 33, 100, 129].map((length) => bucketOf(length, 512))).toEqual([8, 8, 12, 48, 128, 192]);
    expect(bucketOf(100, 110)).toBe(110);
  });
});
