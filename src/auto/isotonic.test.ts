/** Isotonic regression: against the conditions that only the nearest rising table meets. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { rising, risingTable } from './isotonic.ts';

const COLUMNS = 4;
const tables = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 12, maxLength: 12 });
const ones = Array.from({ length: 12 }, () => 1);

it('pools neighbours that fall to their weighted mean', () => {
  expect(rising([1, 3, 2, 4], [1, 1, 3, 1])).toEqual([1, 2.25, 2.25, 4]);
  expect(rising([3, 2, 1], [1, 1, 1])).toEqual([2, 2, 2]);
});

it('leaves a rising table as it is', () => {
  const table = ones.map((_, place) => (place % COLUMNS) + Math.floor(place / COLUMNS));
  expect(risingTable(table, ones, COLUMNS)).toEqual(table);
});

it('falls along neither axis, and no rising table is nearer', () => {
  fc.assert(
    fc.property(tables, tables, (table, other) => {
      const nearest = risingTable(table, ones, COLUMNS);
      for (const [place, value] of nearest.entries()) {
        if (place % COLUMNS > 0) expect(value).toBeGreaterThan((nearest[place - 1] ?? 0) - 1e-3);
        if (place >= COLUMNS) expect(value).toBeGreaterThan((nearest[place - COLUMNS] ?? 0) - 1e-3);
      }
      const distance = (one: readonly number[]): number =>
        one.reduce((sum, value, at) => sum + (value - (table[at] ?? 0)) ** 2, 0);
      expect(distance(nearest)).toBeLessThan(distance(risingTable(other, ones, COLUMNS)) + 1e-2);
    }),
    { numRuns: 50 },
  );
});
