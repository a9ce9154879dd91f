/**
 * The ladder in simulated time: rows arrive, a server with the rates of its levels works them off in batches, and the ladder is asked before each.
 * What it does is compared with what the loads and the rates say that it must do.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Random, random } from '../base/index.ts';
import { type LadderSettings, ladderDefaults, openLadder } from './ladder.ts';
import { ArrivalRate, type Observation } from './load.ts';

const settings: LadderSettings = { ...ladderDefaults, targetLatencyMs: 100 };

interface Simulation {
  /** Rows per second of each level. */
  readonly rates: readonly number[];
  /** What the ladder is told of them; the rates themselves if left out. */
  readonly believedRates?: readonly number[];
  /** Rows that arrive per second, by second. */
  readonly load: (second: number) => number;
  readonly seconds: number;
  /** Seconds between two arrivals, of mean 1; evenly spaced if left out. */
  readonly gap?: (draws: Random) => number;
}

interface Batch {
  readonly second: number;
  readonly level: number;
  readonly waitMs: number;
}

const MOST_ROWS = 16;
/** A batch of few rows takes as long as one of so many. */
const LEAST_ROWS = 2;

/** Every batch that the simulated server runs. */
function simulate({ rates, believedRates = rates, load, seconds, gap = () => 1 }: Simulation): Batch[] {
  const draws = random(1, 'ladder');
  const ladder = openLadder(settings);
  const arrivals = new ArrivalRate();
  const queue: number[] = [];
  const batches: Batch[] = [];
  let [now, arrival] = [0, 0];
  while (now < seconds) {
    for (; arrival <= now; arrival += gap(draws) / load(arrival)) {
      queue.push(arrival);
      arrivals.arrived(1, 1000 * arrival);
    }
    const [oldest] = queue;
    if (oldest === undefined) {
      now = arrival;
      continue;
    }
    const oldestWaitMs = 1000 * (now - oldest);
    const level = ladder({
      ...{ nowMs: 1000 * now, oldestWaitMs, ratesPerSecond: believedRates },
      waitsMs: believedRates.map((rate) => (1000 * queue.length) / rate),
      backlogMs: 0,
      arrivalsPerSecond: arrivals.perSecond(1000 * now),
    });
    batches.push({ second: now, level, waitMs: oldestWaitMs });
    const rows = queue.splice(0, MOST_ROWS).length;
    now += Math.max(rows, LEAST_ROWS) / (rates[level] as number);
  }
  return batches;
}

const poisson = (draws: Random): number => -Math.log(1 - draws.uniform());

/** How often the level changes in a stretch of batches. */
function changesOf(batches: readonly Batch[]): number {
  return batches.filter(({ level }, at) => at > 0 && level !== batches[at - 1]?.level).length;
}

const before = (batches: readonly Batch[], second: number): Batch[] => batches.filter((batch) => batch.second < second);
const after = (batches: readonly Batch[], second: number): Batch[] => batches.filter((batch) => batch.second >= second);

/** Two or three levels, each 1.5 to 4 times as fast as the one before. */
const factor = fc.double({ min: 1.5, max: 4, noNaN: true });
const levelRates = fc
  .tuple(fc.integer({ min: 60, max: 150 }), factor, fc.option(factor))
  .map(([first, second, third]) => [first, first * second, ...(third === null ? [] : [first * second * third])]);

describe('under a constant load', () => {
  const shares = fc.double({ min: 0.02, max: 0.8, noNaN: true });

  it('settles: no change after the first seconds, and the wait holds', () => {
    fc.assert(
      fc.property(levelRates, shares, (rates, share) => {
        const load = share * (rates.at(-1) as number);
        const settled = after(simulate({ rates, load: () => load, seconds: 40 }), 20);
        expect(changesOf(settled)).toBe(0);
        expect(Math.max(...settled.map(({ waitMs }) => waitMs))).toBeLessThanOrEqual(settings.targetLatencyMs);
      }),
      { numRuns: 20 },
    );
  });

  it('does not flap where arrivals are random: a handful of changes in a minute at most', () => {
    fc.assert(
      fc.property(levelRates, shares, (rates, share) => {
        const load = share * (rates.at(-1) as number);
        const batches = after(simulate({ rates, load: () => load, seconds: 80, gap: poisson }), 20);
        expect(changesOf(batches)).toBeLessThanOrEqual(8);
      }),
      { numRuns: 10 },
    );
  });

  it('uses the most accurate level that holds it, from the start', () => {
    fc.assert(
      fc.property(levelRates, fc.double({ min: 0.05, max: 0.7, noNaN: true }), (rates, share) => {
        const batches = simulate({ rates, load: () => share * (rates[0] as number), seconds: 10 });
        expect(new Set(batches.map(({ level }) => level))).toEqual(new Set([0]));
      }),
      { numRuns: 20 },
    );
  });

  it('flaps ever more slowly where a rate was measured at twice what it is', () => {
    const batches = simulate({ rates: [100, 1000], believedRates: [200, 1000], load: () => 120, seconds: 300 });
    expect(changesOf(after(batches, 200))).toBeLessThanOrEqual(4);
    expect(after(batches, 200).filter(({ level }) => level === 1).length).toBeGreaterThan(0);
  });
});

describe('when the load exceeds a level', () => {
  // The rate of arrivals is measured with a half-life of half a second: the smaller the excess, the later it shows.
  it.each([
    { excess: 1.5, seconds: 1 },
    { excess: 1.02, seconds: 4 },
  ])('climbs within $seconds s where it does $excess times', ({ excess, seconds }) => {
    fc.assert(
      fc.property(levelRates, fc.double({ min: 0.5, max: 0.8, noNaN: true }), (rates, share) => {
        const most = share * (rates.at(-1) as number);
        const load = (second: number): number => (second < 10 ? 0.3 * (rates[0] as number) : most);
        const batches = simulate({ rates, load, seconds: 20 });
        const levels = (part: readonly Batch[]): number[] => part.map(({ level }) => level);
        const needed = rates.findIndex((rate) => most <= excess * settings.utilisation * rate);
        expect(Math.max(...levels(before(batches, 10)))).toBe(0);
        expect(Math.min(...levels(after(batches, 10 + seconds)))).toBeGreaterThanOrEqual(needed);
      }),
      { numRuns: 20 },
    );
  });

  it('stays on the fastest when none holds it', () => {
    const batches = simulate({ rates: [100, 300], load: () => 900, seconds: 10 });
    expect(new Set(after(batches, 1).map(({ level }) => level))).toEqual(new Set([1]));
  });
});

describe('when the load falls', () => {
  it('comes down to the most accurate level, one level at a time, not before a hold for each', () => {
    fc.assert(
      fc.property(levelRates, (rates) => {
        const busy = 0.8 * (rates.at(-1) as number);
        const batches = simulate({ rates, load: (second) => (second < 10 ? busy : 20), seconds: 40 });
        const levels = after(batches, 10).map(({ level }) => level);
        expect(levels.at(-1)).toBe(0);
        expect(
          levels.every((level, at) => at === 0 || level === levels[at - 1] || level === (levels[at - 1] ?? 0) - 1),
        ).toBe(true);
        const top = levels[0] as number;
        const atBottom = after(batches, 10).find(({ level }) => level === 0)?.second ?? 0;
        expect(atBottom).toBeGreaterThanOrEqual(10 + (top * settings.holdMs) / 1000);
        expect(atBottom).toBeLessThanOrEqual(10 + 4 + (top * settings.holdMs) / 1000 + 4);
      }),
      { numRuns: 20 },
    );
  });
});

it('has come down after a rest, though nobody asked it meanwhile', () => {
  const batches = simulate({ rates: [100, 500], load: (second) => (second < 5 ? 400 : 0.1), seconds: 30 });
  expect(before(batches, 5).at(-1)?.level).toBe(1);
  expect(after(batches, 8)[0]?.level).toBe(0);
});

it('answers with a level that is there, whatever it sees', () => {
  const finite = fc.double({ min: 0, max: 1e9, noNaN: true });
  const observation = fc.record({
    arrivalsPerSecond: finite,
    waitsMs: fc.array(finite, { minLength: 4, maxLength: 4 }),
    backlogMs: finite,
    oldestWaitMs: finite,
    stepMs: fc.nat(100_000),
  });
  fc.assert(
    fc.property(fc.array(finite, { minLength: 1, maxLength: 4 }), fc.array(observation), (rates, seen) => {
      const ladder = openLadder(settings);
      let nowMs = 0;
      for (const { stepMs, ...rest } of seen) {
        nowMs += stepMs;
        const level = ladder({ ...rest, nowMs, ratesPerSecond: rates } satisfies Observation);
        expect(rates[level]).toBeDefined();
      }
    }),
  );
});
