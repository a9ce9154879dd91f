/** Properties of the frontier and the choice, against their definitions, over random models. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { choose, dominates, dropOf, fits, frontierOf } from './frontier.ts';

/** Few distinct values, so that ties are common. */
const model = fc.record({
  accuracy: fc.integer({ min: 0, max: 20 }).map((twentieths) => twentieths / 20),
  examplesPerSecond: fc.integer({ min: 1, max: 20 }),
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
    fc.property(models, model, fc.integer({ min: 0, max: 100 }), (trials, dense, maxDrop) => {
      const { chosen } = choose(trials, dense, maxDrop);
      expect([dense, ...trials]).toContain(chosen);
      expect(fits(chosen, dense, maxDrop)).toBe(true);
      for (const other of [dense, ...trials].filter((one) => fits(one, dense, maxDrop))) {
        expect(chosen.examplesPerSecond).toBeGreaterThanOrEqual(other.examplesPerSecond);
      }
    }),
  );
});

it('takes the dense model where no trial fits, and says so', () => {
  const dense = { accuracy: 0.9, examplesPerSecond: 10 };
  const { chosen, verdict } = choose([{ accuracy: 0.8, examplesPerSecond: 100 }], dense, 2);
  expect(chosen).toBe(dense);
  expect(verdict).toBe('the dense model: no trial is within 2 points');
});

it('takes the dense model where nothing that fits is faster', () => {
  const dense = { accuracy: 0.9, examplesPerSecond: 10 };
  const { chosen, verdict } = choose([{ accuracy: 0.91, examplesPerSecond: 9 }], dense, 2);
  expect(chosen).toBe(dense);
  expect(verdict).toContain('none of 1 of 1 trials within 2 points is faster');
});

it('counts a drop of exactly the budget as within it', () => {
  // 100 * (0.9 - 0.88) is 2.0000000000000018 in floating point.
  expect(fits({ accuracy: 0.88, examplesPerSecond: 1 }, { accuracy: 0.9, examplesPerSecond: 1 }, 2)).toBe(true);
  expect(dropOf({ accuracy: 0.9, examplesPerSecond: 1 }, { accuracy: 0.8, examplesPerSecond: 1 })).toBeCloseTo(-10);
});
