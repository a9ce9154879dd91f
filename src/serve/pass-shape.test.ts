/** Shapes of passes, worked out by hand for models that are as slow as is written here. */
import { expect, it } from 'vitest';
import type { OpenedLevel } from './engine-protocol.ts';
import { fullPass, isMuch, passCost, smallPass } from './pass-shape.ts';
import type { ModelDescription } from './served-model.ts';

function opened(rows: number, passMs: number, instances = 1): OpenedLevel {
  const groupMs = (passMs * instances) / rows;
  return { description: { instances } as ModelDescription, rows, passMs, groupMs };
}

it('are of as many rows as a full pass of short texts, and of fewer longer ones where they would take more than a quarter of a second', () => {
  // 2 ms a row of 16 tokens, 4 of 32, 16 of 128, 64 of 512.
  const groups = [16, 64, 128, 512].map((lengthClass) => fullPass(opened(64, 128), lengthClass).groups);
  expect(groups).toEqual([64, 31, 16, 4]);
});

it('are small for 20 ms, whatever the length', () => {
  const groups = [16, 32, 64, 128].map((lengthClass) => smallPass(opened(64, 128), lengthClass).groups);
  expect(groups).toEqual([10, 5, 3, 1]);
});

it('have at least a group, however slow the model is; and as many rows as fill groups', () => {
  expect(fullPass(opened(64, 20_000), 512)).toEqual({ groups: 1, instances: 1 });
  expect(smallPass(opened(64, 128, 8), 16)).toEqual({ groups: 1, instances: 8 });
  expect(fullPass(opened(64, 128, 10), 16)).toEqual({ groups: 6, instances: 10 });
});

it('are never more than was asked for', () => {
  expect(fullPass(opened(16, 0.1), 16).groups).toBe(16);
  expect(smallPass(opened(16, 0.1), 16).groups).toBe(16);
});

it.each([
  ['a fast model', opened(64, 128), 1],
  ['one whose groups take no longer than a small pass', opened(64, 128, 10), 1],
  ['one that takes 60 ms for a text', opened(64, 3840), 3],
  ['one that takes 60 ms for a group', opened(64, 384, 10), 3],
])('of %s change at five small passes of work, and back at two and a half', (_, level, slowness) => {
  let was = false;
  const seen = [99, 100, 60, 50, 49, 60, 99, 101].map((workMs) => {
    was = isMuch(slowness * workMs, was, level);
    return was;
  });
  expect(seen).toEqual([false, true, true, true, false, false, false, true]);
});

it.each([
  ['for each token alone', 10, 10 / 64, 0, 10 / 64],
  ['by themselves and for each token', 10, 3.7, 3.6, 0.1],
  ['by themselves alone, where a group took longer than all', 10, 12, 10, 0],
  ['for each token alone, where a row in a full pass seems to take longer than by itself', 10, 0.01, 0, 10 / 64],
])('cost %s', (_, passMs, groupMs, fixedMs, slotMs) => {
  const cost = passCost({ ...opened(64, passMs), groupMs });
  expect(cost.fixedMs).toBeCloseTo(fixedMs, 1);
  expect(cost.tokenMs * 16).toBeCloseTo(slotMs, 2);
});

it('cost for each token alone where a full pass has one group', () => {
  expect(passCost(opened(1, 10)).fixedMs).toBe(0);
  expect(passCost(opened(8, 10, 10)).fixedMs).toBe(0);
});
