/** Pieces in portions, by a clock that is turned by hand: all of them, in their order, and other work between. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Pace } from './pace.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('does a piece at once where there are few', () => {
  const pace = new Pace();
  const done: number[] = [];
  pace.add(() => done.push(0));
  expect(done).toEqual([0]);
  vi.runAllTimers();
  pace.add(() => done.push(1));
  expect(done).toEqual([0, 1]);
});

it('does many in their order, a few at a time, with pauses in which other work is done', () => {
  const pace = new Pace();
  const events: (number | 'other')[] = [];
  for (let piece = 0; piece < 100; piece++) pace.add(() => events.push(piece));
  expect(events.length).toBeLessThan(50);
  const clock = setInterval(() => events.push('other'), 1);
  for (let ms = 0; ms < 40; ms++) vi.advanceTimersByTime(1);
  clearInterval(clock);
  expect(events.filter((event) => event !== 'other')).toEqual(Array.from({ length: 100 }, (_, piece) => piece));
  const longest = events
    .join(' ')
    .split('other')
    .map((run) => run.trim().split(' ').length);
  expect(Math.max(...longest)).toBeLessThan(50);
});
