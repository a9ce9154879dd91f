/** Calibration of a cascade: compared with a count over all thresholds, and with what must come out where margins say nothing. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../base/index.ts';
import { type CascadeAnswer, calibrateCascade, isReachable, relativeThroughput, thresholdFor } from './cascade.ts';

/** Some of them equal, as those of very sure answers are. */
const margins = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 0.1, 0.5, 1));

const answers = fc
  .array(fc.record({ margin: margins, fast: fc.boolean(), accurate: fc.boolean() }), {
    minLength: 2,
    maxLength: 60,
  })
  .map((rows) =>
    rows.map(({ margin, fast, accurate }, row) => ({ row, margin, isFastRight: fast, isAccurateRight: accurate })),
  );

/** Counted row by row. */
function accuracyAt(rows: readonly CascadeAnswer[], threshold: number): number {
  const right = rows.filter((each) => (each.margin < threshold ? each.isAccurateRight : each.isFastRight));
  return right.length / rows.length;
}

/** `count` rows whose fast answers are right with probability p(margin), the accurate ones with `accurate`. */
function drawn(count: number, p: (margin: number) => number, accurate: number, seed: number): CascadeAnswer[] {
  const draws = random(seed, 'cascade test');
  return Array.from({ length: count }, (_, row) => {
    const margin = draws.uniform();
    return { row, margin, isFastRight: draws.uniform() < p(margin), isAccurateRight: draws.uniform() < accurate };
  });
}

describe('the threshold', () => {
  it('recomputes the share that was asked for, but for rows of equal margins', () => {
    fc.assert(
      fc.property(answers, fc.double({ min: 0, max: 1, noNaN: true }), (rows, share) => {
        const threshold = thresholdFor(rows, { share });
        const below = rows.filter(({ margin }) => margin < threshold).length;
        const equal = rows.filter(({ margin }) => margin === threshold).length;
        expect(below).toBeLessThanOrEqual(Math.round(share * rows.length));
        expect(below + equal).toBeGreaterThanOrEqual(Math.round(share * rows.length));
      }),
    );
  });

  it('takes the answers of a large evaluation', () => {
    const many = drawn(200_000, () => 0.5, 0.6, 1);
    expect(thresholdFor(many, { accuracy: 1 })).toBeGreaterThan(0);
  });

  it('recomputes as few as reach an accuracy, as a count over all thresholds says', () => {
    fc.assert(
      fc.property(answers, fc.double({ min: 0, max: 1, noNaN: true }), (rows, accuracy) => {
        const sorted = rows.map(({ margin }) => margin).sort((a, b) => a - b);
        const thresholds = [0, ...sorted.slice(1), 2];
        const best = Math.max(...thresholds.map((each) => accuracyAt(rows, each)));
        const expected = thresholds.find((each) => accuracyAt(rows, each) >= Math.min(accuracy, best));
        expect(thresholdFor(rows, { accuracy })).toBe(expected);
        expect(isReachable(rows, { accuracy })).toBe(best >= accuracy);
      }),
    );
  });
});

describe('the calibration', () => {
  it('of no rows is the fast model, of all rows the accurate one', () => {
    fc.assert(
      fc.property(answers, (rows) => {
        const [none, all] = [calibrateCascade(rows, { share: 0 }, 1), calibrateCascade(rows, { share: 1 }, 1)];
        expect(none).toMatchObject({ share: 0, gain: 0, accuracy: accuracyAt(rows, 0) });
        expect(all).toMatchObject({ share: 1, accuracy: accuracyAt(rows, 2) });
      }),
    );
  });

  it('finds the gain that probabilities say: a tenth of the rows, unsure ones, from a half to 0.9', () => {
    const rows = drawn(20_000, (margin) => (margin < 0.1 ? 0.5 : 0.9), 0.9, 1);
    const { share, gain, gainError, threshold } = calibrateCascade(rows, { share: 0.1 }, 1);
    expect(threshold).toBeCloseTo(0.1, 1);
    expect(share).toBeCloseTo(0.1, 2);
    expect(Math.abs(gain - 4)).toBeLessThan(4 * gainError);
  });

  it('reports no gain of rows that chose the threshold: where margins say nothing, it is zero on the average', () => {
    const gains = Array.from({ length: 200 }, (_, seed) => {
      const rows = drawn(60, () => 0.7, 0.7, seed);
      return calibrateCascade(rows, { accuracy: 1 }, seed).gain;
    });
    const mean = gains.reduce((sum, gain) => sum + gain, 0) / gains.length;
    const std = Math.sqrt(gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0) / gains.length);
    expect(Math.abs(mean)).toBeLessThan((4 * std) / Math.sqrt(gains.length));
    // On the rows that choose, the best of all thresholds gains points out of nothing.
    const flattering = Array.from({ length: 200 }, (_, seed) => {
      const rows = drawn(60, () => 0.7, 0.7, seed);
      return 100 * (accuracyAt(rows, thresholdFor(rows, { accuracy: 1 })) - accuracyAt(rows, 0));
    });
    expect(flattering.reduce((sum, gain) => sum + gain, 0) / 200).toBeGreaterThan(3);
  });

  it('keeps the answers of one row in one half, and its error knows that they are one row', () => {
    const once = drawn(400, (margin) => 0.5 + margin / 2, 0.9, 3);
    const fiveTimes = [once, once, once, once, once].flat();
    const [single, repeated] = [
      calibrateCascade(once, { share: 0.2 }, 1),
      calibrateCascade(fiveTimes, { share: 0.2 }, 1),
    ];
    expect(repeated.gain).toBeCloseTo(single.gain, 6);
    expect(repeated.gainError).toBeCloseTo(single.gainError, 6);
  });
});

it('costs 1 / r_fast + s / r_accurate per row', () => {
  expect(relativeThroughput(0, 1000, 100)).toBe(1);
  expect(relativeThroughput(0.1, 1000, 100)).toBeCloseTo(0.5, 12); // 1 ms and a tenth of 10 ms
});
