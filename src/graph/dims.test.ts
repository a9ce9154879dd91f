/** Sizes and shapes against the laws that products and broadcasting obey. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../base/index.ts';
import {
  broadcast,
  type Dim,
  dims,
  fixed,
  formatShape,
  least,
  plus,
  product,
  quotient,
  type Shape,
  sameShape,
  symbolsOf,
} from './dims.ts';

/** Sizes in canonical form, as `product` makes them. */
const size: fc.Arbitrary<Dim> = fc
  .record({
    factor: fc.integer({ min: 1, max: 12 }),
    symbols: fc.array(fc.constantFrom('B', 'N', 'T'), { maxLength: 3 }),
  })
  .map(({ factor, symbols }) => product([factor, ...symbols]));

describe('product and quotient', () => {
  it('undo each other', () => {
    fc.assert(
      fc.property(size, size, (a, b) => {
        expect(quotient(product([a, b]), b)).toBe(a);
        expect(quotient(product([a, b]), a)).toBe(b);
      }),
    );
  });

  it('do not care about order or grouping', () => {
    fc.assert(
      fc.property(size, size, size, (a, b, c) => {
        expect(product([a, b, c])).toBe(product([c, b, a]));
        expect(product([product([a, b]), c])).toBe(product([a, product([b, c])]));
      }),
    );
  });

  it('know 1, 0 and what does not come out even', () => {
    expect(product([])).toBe(1);
    expect(product(['B'])).toBe('B');
    expect(product([0, 'B'])).toBe(0);
    expect(product(['T', 5, 'B'])).toBe('5*B*T');
    expect(quotient('5*B', 5)).toBe('B');
    expect(quotient('5*B', 2)).toBeUndefined();
    expect(quotient('5*B', 'T')).toBeUndefined();
    expect(quotient(6, 0)).toBeUndefined();
  });

  it('name the symbols of a size', () => {
    expect(symbolsOf('5*B*T')).toEqual(['B', 'T']);
    expect(symbolsOf(7)).toEqual([]);
  });
});

describe('plus', () => {
  const count = fc.integer({ min: 0, max: 20 });

  it('undoes itself, and adds up', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(9), fc.constant('T')), count, count, (dim, a, b) => {
        expect(plus(plus(dim, a), -a)).toBe(dim);
        expect(plus(plus(dim, a), b)).toBe(plus(dim, a + b));
      }),
    );
  });

  it('is a symbol of its own in products', () => {
    expect(plus('T', 3)).toBe('(T+3)');
    expect(product(['T', 2, plus('T', 3)])).toBe('2*(T+3)*T');
    expect(quotient('2*(T+3)*B', 'B')).toBe('2*(T+3)');
    expect(quotient('2*(T+3)*B', 'T')).toBeUndefined();
  });

  it('says what is the least', () => {
    expect([4, 'T', '(T+3)', '2*(T+3)*B'].map(least)).toEqual([4, 1, 4, 8]);
  });

  it('refuses products, and less than the symbol', () => {
    expect(() => plus('2*T', 1)).toThrow(ShapeError);
    expect(() => plus('(T+3)', -4)).toThrow('plus: expected a symbol, or a sum that is not below it, got (T+3) and -4');
  });
});

/** Pairs of shapes that broadcast: each made from one shape by 1s and by leaving out leading axes. */
const fitting: fc.Arbitrary<readonly [Shape, Shape, Shape]> = fc.array(size, { maxLength: 4 }).chain((whole) => {
  const part = fc
    .tuple(fc.nat(whole.length), fc.array(fc.boolean(), { minLength: whole.length, maxLength: whole.length }))
    .map(([drop, ones]) => whole.map((dim, axis) => (ones[axis] ? 1 : dim)).slice(drop));
  return fc.tuple(part, part, part);
});

describe('broadcast', () => {
  it('is commutative, associative, idempotent, and leaves a shape alone beside a scalar', () => {
    fc.assert(
      fc.property(fitting, ([a, b, c]) => {
        expect(broadcast('test', a, b)).toEqual(broadcast('test', b, a));
        expect(broadcast('test', broadcast('test', a, b), c)).toEqual(broadcast('test', a, broadcast('test', b, c)));
        expect(broadcast('test', a, a)).toEqual(a);
        expect(broadcast('test', a, [])).toEqual(a);
      }),
    );
  });

  it('refuses what does not fit, and says where and what', () => {
    expect(() => broadcast('add', [2, 3], [4])).toThrow(
      new ShapeError('add', { expected: 'shapes that broadcast', got: '[2, 3] and [4]' }),
    );
    expect(() => broadcast('add', ['B', 3], ['T', 3])).toThrow(
      'add: expected shapes that broadcast, got [B, 3] and [T, 3]',
    );
    expect(() => broadcast('add', ['B', 3], [2, 3])).toThrow(ShapeError);
  });
});

describe('dims', () => {
  it('gives every letter its size', () => {
    const { B, T, D } = dims({ shape: ['5*B', 'T', 8] }, 'B T D');
    expect([B, T, D]).toEqual(['5*B', 'T', 8]);
  });

  it('refuses another rank, and a letter with two sizes', () => {
    expect(() => dims({ shape: [2, 3] }, 'B T D')).toThrow('dims: expected [B, T, D], got [2, 3]');
    expect(() => dims({ shape: [2, 3, 4, 5] }, 'B T D')).toThrow(ShapeError);
    expect(() => dims({ shape: [2, 3] }, 'D D')).toThrow('dims: expected [D, D], got [2, 3]');
    expect(dims({ shape: [3, 3] }, 'D D')).toEqual({ D: 3 });
  });

  it('goes with fixed, formatShape and sameShape', () => {
    expect(fixed('pad', 4)).toBe(4);
    expect(() => fixed('pad', 'B')).toThrow('pad: expected a size that is a number, got B');
    expect(formatShape(['B', 3])).toBe('[B, 3]');
    expect([sameShape([2, 'B'], [2, 'B']), sameShape([2], [2, 1]), sameShape(['B'], ['T'])]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
