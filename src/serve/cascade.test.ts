/** What is recomputed, and when there is room: compared with the formulas, and with a plain selection. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cascadeIn } from './calibration.ts';
import { roomToRecompute, rowsToRecompute } from './cascade.ts';

const room = { targetLatencyMs: 100, utilisation: 0.8, workers: 1 };

describe('room to recompute', () => {
  const seen = { arrivalsPerSecond: 100, backlogMs: 0, ratesPerSecond: [50, 1000] };

  it('is what the accurate level does in the time that is left after what waits', () => {
    expect(roomToRecompute(seen, 1, 0, room)).toBe(5); // 0.1 s · 50/s
    expect(roomToRecompute({ ...seen, backlogMs: 40 }, 1, 0, room)).toBe(3); // 40 ms of it are taken
    expect(roomToRecompute(seen, 1, 2, room)).toBe(3);
  });

  it('is what one worker does of it: a pass is recomputed by one, and the others have passes of their own', () => {
    expect(roomToRecompute({ ...seen, ratesPerSecond: [200, 4000] }, 1, 0, { ...room, workers: 4 })).toBe(5);
    expect(roomToRecompute({ ...seen, ratesPerSecond: [30, 4000] }, 1, 0, { ...room, workers: 4 })).toBe(0);
  });

  it('is none at the accurate level itself, and none while answers keep the engine busy', () => {
    expect(roomToRecompute(seen, 0, 0, room)).toBe(0);
    expect(roomToRecompute({ ...seen, arrivalsPerSecond: 801 }, 1, 0, room)).toBe(0);
    expect(roomToRecompute({ ...seen, backlogMs: 200 }, 1, 0, room)).toBe(0);
    expect(roomToRecompute({ ...seen, ratesPerSecond: [] }, 1, 0, room)).toBe(0);
  });
});

it('recomputes the least sure of the unsure rows, as far as there is room', () => {
  const margins = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });
  fc.assert(
    fc.property(margins, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(40), (all, threshold, most) => {
      const chosen = rowsToRecompute(all, threshold, most);
      const unsure = all.filter((margin) => margin < threshold).sort((a, b) => a - b);
      expect(chosen.map((row) => all[row])).toEqual(unsure.slice(0, most));
      expect(new Set(chosen).size).toBe(chosen.length);
    }),
  );
});

it('reads the calibration of a run.json; without one, or with another version of one, there is none', () => {
  const cascade = { threshold: 0.3, share: 0.1, accuracy: 0.9, fastAccuracy: 0.88, accurate: 'models/dense' };
  expect(cascadeIn({ command: 'compress', cascade })).toEqual(cascade);
  for (const other of [{ command: 'compress' }, { cascade: { limit: 0.3 } }, undefined]) {
    expect(cascadeIn(other)).toBeUndefined();
  }
});
