/** The division of rows: every row once, a third for the final figures, the same for the same seed. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { divideRows } from './row-division.ts';

it('has every row on one side, a third of them kept', () => {
  fc.assert(
    fc.property(fc.nat(500), fc.nat(50), fc.nat(), (count, more, seed) => {
      const { choosing, final } = divideRows(count, more, seed);
      expect([...choosing, ...final].sort((a, b) => a - b)).toEqual(
        Array.from({ length: count + more }, (_, row) => row),
      );
      for (const row of final) expect(row).toBeLessThan(count);
      expect(final).toHaveLength(Math.floor(count / 3));
      expect(divideRows(count, more, seed)).toEqual({ choosing, final });
    }),
  );
});
