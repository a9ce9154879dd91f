/** Bounds of drops: against closed forms, against the exact Poisson bound, and by how often they hold in exact and simulated trials. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Random, random } from '../base/index.ts';
import { dropInterval, pairedDrop, scoreOf } from './confidence.ts';
import { normalCdf, normalQuantile } from './normal.ts';

/** Scores of texts: 1 where the answer is right. */
const texts = (hits: readonly number[]) => ({ hits, outOf: hits.map(() => 1) });

/** Answers of which so many are lost and so many won, of n. */
function answers(lost: number, won: number, n: number) {
  const dense = Array.from({ length: n }, (_, row) => (row < lost ? 1 : row < lost + won ? 0 : 1));
  const model = Array.from({ length: n }, (_, row) => (row < lost ? 0 : 1));
  return [texts(dense), texts(model)] as const;
}

it('knows the normal distribution', () => {
  // Abramowitz and Stegun, table 26.1 and 26.5.
  for (const [x, p] of [
    [0, 0.5],
    [1, 0.8413447],
    [2, 0.9772499],
    [-1.5, 0.0668072],
  ] as const) {
    expect(normalCdf(x)).toBeCloseTo(p, 6);
  }
  expect(normalQuantile(0.9)).toBeCloseTo(1.2815516, 5);
  expect(normalQuantile(0.025)).toBeCloseTo(-1.959964, 5);
});

it('counts only the rows that differ', () => {
  const { points } = pairedDrop(...answers(7, 4, 200), 0.9);
  expect(points).toBeCloseTo(1.5); // 3 of 200
  // The variance of b - c discordant rows is (b + c) - (b - c)²/n (McNemar), plus the 11/18 of an unseen one.
  expect(pairedDrop(...answers(7, 4, 200), 0.9).standardError).toBeCloseTo(
    (100 * Math.sqrt(11 - 9 / 200 + 11 / 18)) / 200,
    8,
  );
});

it('is 0 of tags where neither the rows nor the answers have any', () => {
  const none = { hits: [0, 0, 0], outOf: [0, 0, 0] };
  expect(scoreOf(none)).toBe(0);
  expect(pairedDrop(none, none, 0.9)).toMatchObject({ points: 0, upper: expect.toSatisfy(Number.isFinite) });
  const some = { hits: [2, 0, 0], outOf: [4, 0, 0] }; // F1 of 0.5 in all
  expect(pairedDrop(some, none, 0.9).points).toBeCloseTo(50);
});

it('is the exact bound of a Poisson mean where rows are lost only', () => {
  // χ²(0.9; 2k + 2)/2, as tables of the chi-square distribution have it.
  for (const [k, exact] of [
    [0, Math.LN10],
    [1, 3.89],
    [2, 5.322],
    [5, 9.275],
    [10, 15.407],
  ] as const) {
    const n = 20_000; // so that binomial is Poisson
    const { upper } = pairedDrop(...answers(k, 0, n), 0.9);
    expect((upper * n) / 100 / exact).toBeCloseTo(1, 1.7);
  }
});

/** ln n! */
function logFactorial(n: number): number {
  let sum = 0;
  for (let factor = 2; factor <= n; factor++) sum += Math.log(factor);
  return sum;
}

/** How often the bound holds, over all outcomes of n rows of which each is lost or won with those probabilities. */
function coverage(n: number, lost: number, won: number, confidence: number): number {
  const truth = 100 * (lost - won);
  let covered = 0;
  for (let b = 0; b <= n; b++) {
    for (let c = 0; c <= n - b; c++) {
      const logs = [logFactorial(n) - logFactorial(b) - logFactorial(c) - logFactorial(n - b - c)];
      logs.push(b * Math.log(lost), c * Math.log(won), (n - b - c) * Math.log(1 - lost - won));
      const probability = Math.exp(logs.reduce((sum, log) => sum + log, 0));
      if (probability > 1e-9 && pairedDrop(...answers(b, c, n), confidence).upper >= truth) covered += probability;
    }
  }
  return covered;
}

it('holds as often as it says, over all outcomes of small evaluations', () => {
  for (const [lost, won] of [
    [0.02, 0.001],
    [0.05, 0.01],
    [0.06, 0.06],
    [0.15, 0.05],
  ] as const) {
    expect(coverage(40, lost, won, 0.9)).toBeGreaterThan(0.9 - 0.01);
  }
});

/** So many rows as one model and another would answer them: each is lost, won, or the same for both. */
function drawAnswers(draw: Random, n: number, lost: number, won: number) {
  const rows = Array.from({ length: n }, () => {
    const chance = draw.uniform();
    return chance < lost ? [1, 0] : chance < lost + won ? [0, 1] : [1, 1];
  });
  return [texts(rows.map(([dense = 0]) => dense)), texts(rows.map(([, model = 0]) => model))] as const;
}

it('holds in at least 90 % of simulated evaluations of 600 rows, and is not wider than it must be', () => {
  const draw = random(5, 'coverage');
  const rounds = 1000;
  let held = 0;
  for (let round = 0; round < rounds; round++)
    if (pairedDrop(...drawAnswers(draw, 600, 0.05, 0.03), 0.9).upper >= 2) held++;
  expect(held / rounds).toBeGreaterThan(0.88); // two standard errors below 0.9
  expect(held / rounds).toBeLessThan(0.96);
});

describe('span F1', () => {
  /** Sentences with up to four entities, of which the models find some. */
  function sentences(draw: Random, n: number, found: number) {
    const rows = Array.from({ length: n }, () => {
      const [entities, extra] = [draw.integer(4), draw.integer(2)];
      const hits = Array.from({ length: entities }, () => (draw.uniform() < found ? 1 : 0)).reduce(
        (a: number, b) => a + b,
        0,
      );
      return { hits: 2 * hits, outOf: entities + hits + extra };
    });
    return { hits: rows.map(({ hits }) => hits), outOf: rows.map(({ outOf }) => outOf) };
  }

  it('has the standard error that resampling sentences gives', () => {
    const draw = random(1, 'sentences');
    const [dense, model] = [sentences(draw, 300, 0.9), sentences(draw, 300, 0.8)];
    const drops = Array.from({ length: 1000 }, () => {
      const rows = Array.from({ length: 300 }, () => draw.integer(300));
      const at = ({ hits, outOf }: typeof dense) => ({
        hits: rows.map((row) => hits[row] ?? 0),
        outOf: rows.map((row) => outOf[row] ?? 0),
      });
      return 100 * (scoreOf(at(dense)) - scoreOf(at(model)));
    });
    const mean = drops.reduce((sum, drop) => sum + drop, 0) / drops.length;
    const std = Math.sqrt(drops.reduce((sum, drop) => sum + (drop - mean) ** 2, 0) / drops.length);
    const { points, standardError } = pairedDrop(dense, model, 0.9);
    expect(points).toBeCloseTo(100 * (scoreOf(dense) - scoreOf(model)), 8);
    expect(standardError / std).toBeGreaterThan(0.9);
    expect(standardError / std).toBeLessThan(1.1);
  });
});

it('gives an interval around the drop that grows with the confidence', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 30 }), (lost, won) => {
      const [dense, model] = answers(lost, won, 300);
      const [narrow, wide] = [dropInterval(dense, model, 0.8), dropInterval(dense, model, 0.95)];
      const { points } = pairedDrop(dense, model, 0.9);
      expect(narrow.low).toBeLessThan(points);
      expect(narrow.high).toBeGreaterThan(points);
      expect(wide.low).toBeLessThan(narrow.low);
      expect(wide.high).toBeGreaterThan(narrow.high);
    }),
  );
});
