/** Properties of the frontier and the choice, against their definitions, over random models. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Drop } from './exploration.ts';
import { choose, dominates, fits, frontierOf } from './frontier.ts';

/** Lost for sure, so many points. */
function dropOf(points: number): Drop {
  return { points, standardError: 0, upper: points };
}

/** Few distinct values, so that ties are common. */
const model = fc.record({
  accuracy: fc.integer({ min: 0, max: 20 }).map((twentieths) => twentieths / 20),
  examplesPerSecond: fc.integer({ min: 1, max: 20 }),
  drop: fc.integer({ min: -2, max: 20 }).map(dropOf),
});
const models = fc.array(model, { maxLength: 12 });

it('keeps no dominated model on the frontier, and leaves out only dominated ones', () => {
  fc.assert(
    fc.property(models, (all) => {
      const frontier = frontierOf(all);
      for (const one of all) expect(frontier.includes(one)).toBe(!all.some((other) => dominates(other, one)));
    }),
  );
});

it('orders the frontier: throughput rises, accuracy does not', () => {
  fc.assert(
    fc.property(models, (all) => {
      const frontier = frontierOf(all);
      for (const [at, one] of frontier.slice(1).entries()) {
        expect(one.examplesPerSecond).toBeGreaterThanOrEqual(frontier[at]?.examplesPerSecond ?? Number.NaN);
        expect(one.accuracy).toBeLessThanOrEqual(frontier[at]?.accuracy ?? Number.NaN);
      }
    }),
  );
});

it('chooses what fits, never slower than another that fits, and never slower than the dense model', () => {
  fc.assert(
    fc.property(models, model, fc.integer({ min: 0, max: 20 }), (trials, other, maxDrop) => {
      const dense = { ...other, drop: dropOf(0) };
      const { chosen } = choose(trials, dense, maxDrop);
      expect([dense, ...trials]).toContain(chosen);
      expect(fits(chosen, maxDrop)).toBe(true);
      for (const one of [dense, ...trials].filter((one) => fits(one, maxDrop))) {
        expect(chosen.examplesPerSecond).toBeGreaterThanOrEqual(one.examplesPerSecond);
      }
    }),
  );
});

const DENSE_MODEL = { accuracy: 0.9, examplesPerSecond: 10, drop: dropOf(0) };

it('takes the dense model where no other fits, and says so', () => {
  const { chosen, verdict } = choose([{ accuracy: 0.8, examplesPerSecond: 100, drop: dropOf(10) }], DENSE_MODEL, 2);
  expect(chosen).toBe(DENSE_MODEL);
  expect(verdict).toBe('the dense model: no other has an upper bound of the drop within 2 points');
});

it('takes the dense model where nothing that fits is faster', () => {
  const { chosen, verdict } = choose([{ accuracy: 0.91, examplesPerSecond: 9, drop: dropOf(-1) }], DENSE_MODEL, 2);
  expect(chosen).toBe(DENSE_MODEL);
  expect(verdict).toContain('none of 1 of 1 models whose upper bound of the drop is within 2 points is faster');
});

it('counts a bound of exactly the allowed drop as within it, and the bound, not the drop itself', () => {
  expect(fits({ drop: dropOf(100 * (0.9 - 0.88)) }, 2)).toBe(true); // 2.0000000000000018 in floating point
  expect(fits({ drop: { points: 1, standardError: 1, upper: 2.28 } }, 2)).toBe(false);
});
