/** Times of passes, against means that are worked out by hand. */
import { expect, it } from 'vitest';
import type { OpenedLevel } from './engine-protocol.ts';
import { PassTimes } from './load.ts';

const opened = { passMs: 10 } as OpenedLevel;

it('are the guess, until passes ran; then the guess counts no more', () => {
  const times = new PassTimes(opened, 4);
  expect(times.meanMs).toBe(10);
  expect(times.ratePerSecond(2)).toBe((2 * 1000) / (10 / 4));
  times.ran(40, 4);
  expect(times.meanMs).toBe(40);
  times.ran(20, 4);
  expect(times.meanMs).toBe(30);
  expect(times.ratePerSecond(1)).toBe(1000 / (30 / 4));
});

it('forget by the time that passes took, whether they are many or few', () => {
  for (const passMs of [1, 100]) {
    const times = new PassTimes(opened, 4);
    for (let pass = 0; pass < 1000; pass++) times.ran(passMs, 4);
    // After one second of passes that take twice as long a mean that forgets within a second has gone 1 - 1/e of the way.
    for (let spent = 0; spent < 1000; spent += 2 * passMs) times.ran(2 * passMs, 4);
    expect(times.meanMs / passMs).toBeGreaterThan(1.6);
    expect(times.meanMs / passMs).toBeLessThan(1.7);
  }
});

it('of slots are told by passes that are half full', () => {
  const times = new PassTimes(opened, 4);
  times.ran(8, 1);
  expect(times.ratePerSecond(1)).toBe(1000 / (10 / 4));
  times.ran(8, 2);
  expect(times.ratePerSecond(1)).toBe(1000 / (8 / 2));
});
