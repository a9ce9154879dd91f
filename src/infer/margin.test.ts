/** Margins: compared with the difference of two softmax scores written out. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { marginOf } from './margin.ts';

it('is the difference of the two largest scores', () => {
  const [one, two, three] = [Math.exp(1), Math.exp(2), Math.exp(0.5)];
  expect(marginOf(Float32Array.of(1, 2, 0.5))).toBeCloseTo((two - one) / (one + two + three), 6);
});

it('of two classes is tanh of half the difference of the logits', () => {
  const logit = fc.double({ min: -20, max: 20, noNaN: true }).map(Math.fround);
  fc.assert(
    fc.property(logit, logit, (a, b) => {
      expect(marginOf(Float32Array.of(a, b))).toBeCloseTo(Math.tanh(Math.abs(a - b) / 2), 6);
    }),
  );
});

it('is all where there is no other class, and nothing where two are equal', () => {
  expect(marginOf(Float32Array.of(3))).toBe(1);
  expect(marginOf(Float32Array.of(3, 3, 1))).toBe(0);
});
