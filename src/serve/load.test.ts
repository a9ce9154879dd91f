/** Times of passes, against means that are worked out by hand. */
import { describe, expect, it } from 'vitest';
import type { OpenedLevel } from './engine-protocol.ts';
import { SHORTEST_CLASS } from './length-class.ts';
import { PassTimes } from './load.ts';

const SLOTS = 64;
const opened = { description: { instances: 1 }, rows: SLOTS, passMs: 10, groupMs: 10 / SLOTS } as OpenedLevel;
const fullMs = (times: PassTimes): number => times.expectedMs(SLOTS * SHORTEST_CLASS);
const timesAfter = (...passes: readonly (readonly [passMs: number, slots: number])[]): PassTimes => {
  const times = new PassTimes(opened);
  for (const [passMs, slots] of passes) times.ran(passMs, slots, SHORTEST_CLASS);
  return times;
};
const alternating = (first: readonly [number, number], second: readonly [number, number], seconds: number) =>
  Array.from({ length: Math.ceil((2000 * seconds) / (first[0] + second[0])) }, (_, at) => (at % 2 ? first : second));

it('are the guess, until passes ran; it counts as one of them', () => {
  const times = timesAfter();
  expect(fullMs(times)).toBe(10);
  expect(times.ratePerSecond(2)).toBe((2 * 1000) / (10 / SLOTS));
  const kept = Math.exp(-0.04);
  expect(fullMs(timesAfter([40, SLOTS]))).toBeCloseTo((kept * 10 + 40) / (kept + 1), 10);
  expect(timesAfter([40, SLOTS]).ratePerSecond(1)).toBeCloseTo((1000 * SLOTS * (kept + 1)) / (kept * 10 + 40), 8);
});

it('are means of passes, not of the time in them: a level of short and long ones is not thought to be slow', () => {
  const times = timesAfter(...alternating([1, SLOTS], [8, SLOTS], 10));
  expect(fullMs(times)).toBeCloseTo(4.5, 1);
  expect(times.ratePerSecond(1) / (1000 / (4.5 / SLOTS))).toBeCloseTo(1, 1);
});

it('of a full queue are those of full passes, soon after passes were nearly empty', () => {
  const idle = Array.from({ length: 2000 }, () => [2, 1] as const);
  const busy = Array.from({ length: 4 }, () => [350, SLOTS] as const);
  expect(fullMs(timesAfter(...idle, ...busy))).toBeGreaterThan(350 / 2);
  expect(fullMs(timesAfter(...idle, ...busy, ...busy))).toBeGreaterThan(0.8 * 350);
});

it('forget within a second of passes, whether they are many or few', () => {
  for (const passMs of [1, 100]) {
    const before = Array.from({ length: 1000 }, () => [passMs, SLOTS] as const);
    const after = Array.from({ length: Math.round(500 / passMs) }, () => [2 * passMs, SLOTS] as const);
    // After one second of passes that take twice as long, 1 - 1/e of what is remembered is of those, by time; fewer by number.
    const ratio = fullMs(timesAfter(...before, ...after)) / passMs;
    expect(ratio).toBeGreaterThan(1.4);
    expect(ratio).toBeLessThan(1.7);
  }
});

it('of slots are told by passes that are half full; a pass without rows tells nothing', () => {
  expect(timesAfter([8, SLOTS / 4]).ratePerSecond(1)).toBe(1000 / (10 / SLOTS));
  expect(timesAfter([8, SLOTS / 2]).ratePerSecond(1)).toBeLessThan(1000 / (10 / SLOTS));
  expect(fullMs(timesAfter([0.1, 0]))).toBe(10);
});

it('count passes by how full they are for their length: long rows fill one with fewer', () => {
  // A second for 64 rows of 16 tokens, and so for 8 of 128.
  const times = new PassTimes({ ...opened, passMs: 1000, groupMs: 1000 / SLOTS });
  for (let pass = 0; pass < 500; pass++) {
    times.ran(100, 8, 8 * SHORTEST_CLASS);
    times.ran(20, SLOTS, SHORTEST_CLASS);
  }
  // Of each two, the one that is 20 ms older counts e^(-0.02) as much.
  const kept = Math.exp(-0.02);
  const passesMs = 20 + 100 * kept;
  expect(fullMs(times)).toBeCloseTo(passesMs / (1 + kept), 3);
  expect(times.ratePerSecond(1)).toBeCloseTo((1000 * (SLOTS + 8 * kept)) / passesMs, 3);
});

it('of slots are told by few long rows, too, as they are as much work', () => {
  const times = new PassTimes(opened);
  for (let pass = 0; pass < 500; pass++) times.ran(40, SLOTS / 16, 8 * SHORTEST_CLASS);
  expect(times.ratePerSecond(1)).toBeCloseTo(1000 / (40 / (SLOTS / 16)), 0);
});

it('of so many tokens are foreseen by what passes have taken, long and short ones', () => {
  expect(timesAfter().expectedMs(SLOTS * SHORTEST_CLASS)).toBe(10);
  const twiceAsSlow = timesAfter(...Array.from({ length: 500 }, () => [20, SLOTS] as const));
  expect(twiceAsSlow.expectedMs(SLOTS * SHORTEST_CLASS)).toBeCloseTo(20, 3);
  expect(twiceAsSlow.expectedMs(SHORTEST_CLASS)).toBeCloseTo(20 / SLOTS, 3);
});

describe('of a model of four inputs whose passes take 2 ms by themselves', () => {
  // 10 ms of 64 slots: 0.125 ms for each, and 2.5 ms of a group.
  const muxed = { description: { instances: 4 }, rows: SLOTS, passMs: 10, groupMs: 2.5 } as OpenedLevel;

  it('small passes say nothing of full ones', () => {
    const times = new PassTimes(muxed);
    for (let pass = 0; pass < 5000; pass++) times.ran(2.5, 4, SHORTEST_CLASS);
    expect(fullMs(times)).toBeCloseTo(10, 6);
    expect(times.expectedMs(4 * SHORTEST_CLASS)).toBeCloseTo(2.5, 6);
  });

  it('a backlog is full passes, and of every lane one that is hardly filled', () => {
    const backlogOf = (rows: number, lanes: number) =>
      new PassTimes(muxed).backlogMs({ rows, lanes, tokens: rows * SHORTEST_CLASS });
    expect(backlogOf(640, 1)).toBeCloseTo(10 * 10 + 2 + 3 * 0.125, 6);
    // Tenants with a row each that never meet: each costs a pass of a group, which is 2.5 ms, and 10 / 64 in place of 8 / 64 for its row.
    expect(backlogOf(40, 40)).toBeCloseTo(40 * (2.5 + 2 / 64), 6);
  });
});
