/** Masking by its definition (BERT, section 3.1): how many, which never, what becomes of them. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { random } from '../base/index.ts';
import { type Masking, maskBatch, maskedCount, maskRow } from './masking.ts';

const [PAD, CLS, SEP, MASK] = [0, 2, 3, 4];
const masking: Masking = {
  share: 0.15,
  padId: PAD,
  maskId: MASK,
  vocabularySize: 5000,
  specialIds: new Set([CLS, SEP]),
};

const word = fc.integer({ min: 5, max: 4999 });
const row = fc.array(word, { minLength: 1, maxLength: 60 }).map((words) => [CLS, ...words, SEP]);

const shares = fc.constantFrom(0.15, 0.4, 0.9);

it('masks a share of the tokens of a row, rounded, at least one, each once; never [CLS] or [SEP]; the rest stays', () => {
  fc.assert(
    fc.property(row, fc.nat(), shares, (ids, seed, share) => {
      const masked = maskRow(ids, { ...masking, share }, random(seed));
      expect(masked.positions).toHaveLength(Math.max(1, Math.round(share * (ids.length - 2))));
      expect(new Set(masked.positions).size).toBe(masked.positions.length);
      expect(masked.targets).toEqual(masked.positions.map((position) => ids[position]));
      for (const target of masked.targets) expect([CLS, SEP]).not.toContain(target);
      ids.forEach((id, position) => {
        if (!masked.positions.includes(position)) expect(masked.ids[position]).toBe(id);
      });
    }),
  );
});

it('makes batches of one shape, with weights for what is really masked and none in the padding', () => {
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), fc.nat(), shares, (rows, seed, share) => {
      const tokens = 62;
      const encodings = rows.map((ids) => ({ ids, types: ids.map(() => 0) }));
      const batch = maskBatch(encodings, tokens, { ...masking, share }, random(seed));
      const slots = rows.length * maskedCount(tokens - 2, { share });
      for (const { shape } of [batch.positions, batch.targets, batch.weights]) expect(shape).toEqual([slots]);
      const counted = rows.map((ids) => maskedCount(ids.length - 2, { share })).reduce((sum, count) => sum + count, 0);
      expect(batch.weights.data.reduce((sum, weight) => sum + weight, 0)).toBe(counted);
      batch.weights.data.forEach((weight, slot) => {
        if (weight === 0) return;
        const [at, position] = [
          Math.floor(Number(batch.positions.data[slot]) / tokens),
          Number(batch.positions.data[slot]) % tokens,
        ];
        expect(batch.mask.data[at * tokens + position]).toBe(1n);
        expect(Number(batch.targets.data[slot])).toBe(rows[at]?.[position]);
      });
    }),
    { numRuns: 50 },
  );
});

it('hides 80 %, replaces 10 % by random words and leaves 10 %, within 4 standard deviations', () => {
  const draws = random(1, 'shares');
  const count = 20_000;
  const ids = [CLS, ...Array.from({ length: count }, () => 5 + draws.integer(4990)), SEP];
  const { ids: masked, positions, targets } = maskRow(ids, masking, draws);
  const share = (holds: (id: number, target: number) => boolean): number =>
    positions.filter((position, at) => holds(masked[position] ?? 0, targets[at] ?? 0)).length / positions.length;
  const deviation = (probability: number): number =>
    4 * Math.sqrt((probability * (1 - probability)) / positions.length);
  expect(Math.abs(share((id) => id === MASK) - 0.8)).toBeLessThan(deviation(0.8));
  expect(Math.abs(share((id, target) => id === target) - 0.1)).toBeLessThan(deviation(0.1));
  expect(Math.abs(share((id, target) => id !== MASK && id !== target) - 0.1)).toBeLessThan(deviation(0.1));
});

it('follows from its stream alone', () => {
  const ids = [CLS, ...Array.from({ length: 40 }, (_, at) => 5 + at), SEP];
  expect(maskRow(ids, masking, random(1, 'masking', 7))).toEqual(maskRow(ids, masking, random(1, 'masking', 7)));
  expect(maskRow(ids, masking, random(1, 'masking', 8))).not.toEqual(maskRow(ids, masking, random(1, 'masking', 7)));
});
