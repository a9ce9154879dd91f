/** Isolation of predictors whose neighbours are known to do what they do, and of a tiny multiplexed BERT against all groups that there are. */
import { describe, expect, it } from 'vitest';
import { type GroupPredictor, groupPredictor, numberedSet, type Seen } from '../../test/group-predictor.kit.ts';
import { ProgressRecord } from '../../test/progress-record.kit.ts';
import { loudParameters, tinyConfig, tinySet } from '../../test/tiny-bert.kit.ts';
import { batchFeeds, closing, openPredictor, type Predictor } from '../infer/index.ts';
import { cpu } from '../runtime/index.ts';
import { marginOf } from './answer-change.ts';
import { type IsolationOptions, measureIsolation } from './isolation.ts';
import { predictions, spreadOf } from './metrics.ts';

const N = 3;
const ROWS = 24;
const set = numberedSet(new Array(ROWS).fill(4)); // whole groups: nothing is filled up
const everyone = { sets: 2, candidates: ROWS };
const options: IsolationOptions = { maxTokens: 8, seed: 7, probes: ROWS, budget: everyone };

/** Answers of the first groupings, by row: the reference and those that are compared with it. */
function answersByGrouping({ seen }: GroupPredictor, answer: (seen: Seen) => boolean, count: number): boolean[][] {
  return Array.from({ length: count }, (_, at) => {
    const answers: boolean[] = [];
    for (const one of seen.slice(at * ROWS, (at + 1) * ROWS)) answers[one.row] = answer(one);
    return answers;
  });
}

/** One row is loud: its neighbours say yes, everybody else no. */
const LOUD = 5;
const hearsLoud = ({ row, group }: Seen): boolean => row !== LOUD && group.includes(LOUD);

describe('of a predictor that listens to one loud row', () => {
  const predictor = groupPredictor(N, (seen) => (hearsLoud(seen) ? [0, 3] : [1, 0]));
  const measured = measureIsolation(predictor, set, options);

  it('finds exactly the flips that 5 other groupings bring', async () => {
    const [reference = [], ...others] = answersByGrouping(predictor, hearsLoud, (await measured).groupings + 1);
    expect(others).toHaveLength(5);
    const rates = others.map((answers) => answers.filter((answer, row) => answer !== reference[row]).length / ROWS);
    const { mean, std } = spreadOf(rates);
    expect(mean).toBeGreaterThan(0);
    expect(await measured).toMatchObject({ randomFlipRate: mean, randomFlipRateStd: std });
  });

  it('finds the loud row for every other one, which only that row changes', async () => {
    expect(await measured).toMatchObject({ adversarialFlipRate: (ROWS - 1) / ROWS, probedRows: ROWS });
    // In each of 3 slots 2 random sets, and 23 others in place of each of 2 neighbours.
    expect((await measured).groupsPerRow).toBe(3 * (2 + 2 * 23));
  });

  it('reports the largest changes: of [1, 0] to [0, 3]', async () => {
    const score = 1 / (1 + Math.exp(-1)) - 1 / (1 + Math.exp(3));
    const { largestLogitChange, largestScoreChange, randomLogitChange, adversarialLogitChange } = await measured;
    expect([largestLogitChange, randomLogitChange, adversarialLogitChange]).toEqual([3, 3, 3]);
    expect(largestScoreChange).toBeCloseTo(score, 6);
  });
});

/** What the neighbours of a row add up to. */
const company = ({ row, group }: Seen): number => group.reduce((sum, other) => sum + (other === row ? 0 : other), 0);

it('finds the two worst neighbours where each takes its share of the margin', async () => {
  const marginAt = (row: number, sum: number): number => row + 0.25 - 0.3 * sum;
  const predictor = groupPredictor(N, (seen) => [marginAt(seen.row, company(seen)), 0]);
  const { adversarialFlipRate } = await measureIsolation(predictor, set, options);
  const expected = predictor.seen.slice(0, ROWS).filter((seen) => {
    const others = [...set.lengths.keys()].filter((other) => other !== seen.row);
    const isYes = marginAt(seen.row, company(seen)) < 0;
    // A neighbour may come twice, as it does where a group is filled up.
    const worst = 2 * (isYes ? Math.min(...others) : Math.max(...others));
    return marginAt(seen.row, worst) < 0 !== isYes;
  });
  expect(expected.length).toBeGreaterThan(0);
  expect(expected.length).toBeLessThan(ROWS);
  expect(adversarialFlipRate).toBe(expected.length / ROWS);
});

it('tells of its progress over groupings and over the search', async () => {
  const record = new ProgressRecord();
  // More candidates than there are, and so many rows that the search takes many passes.
  const budget = { sets: 2, candidates: 2 * ROWS };
  const deaf = groupPredictor(N, () => [0, 1]);
  await measureIsolation(deaf, set, { ...options, budget, onProgress: record.onProgress });
  record.expectPieces('regrouping', 'seeking neighbours');
});

it('is complete where neighbours are not heard', async () => {
  const deaf = groupPredictor(N, ({ row }) => [row, 8]);
  const measured = await measureIsolation(deaf, set, options);
  expect(measured).toMatchObject({ randomFlipRate: 0, randomFlipRateStd: 0, adversarialFlipRate: 0, groupings: 5 });
  expect(measured).toMatchObject({ largestLogitChange: 0, largestScoreChange: 0, probedRows: ROWS });
});

it('is complete by construction where one input goes alone: nothing is run', async () => {
  const alone = groupPredictor(1, ({ row }) => [row, 8]);
  const measured = await measureIsolation(alone, set, options);
  expect(new Set(Object.values(measured))).toEqual(new Set([0]));
  expect(alone.seen).toEqual([]);
});

it('probes a seeded sample, of rows that are close in length', async () => {
  const lengths = Array.from({ length: 400 }, (_, row) => 1 + (row % 50));
  const asked = { maxTokens: 64, seed: 1, probes: 4, budget: { sets: 3, candidates: 5 } };
  const predictor = groupPredictor(N, ({ row }) => [row, 8]);
  const { probedRows, groupsPerRow } = await measureIsolation(predictor, numberedSet(lengths), asked);
  expect({ probedRows, groupsPerRow }).toEqual({ probedRows: 4, groupsPerRow: 3 * (3 + 2 * 5) });
  const searched = predictor.seen.slice(6 * 402); // after 6 groupings of 134 groups
  // There are 8 rows of every length: the 128 nearest ones span 16 or 17 lengths.
  for (const { group } of searched) {
    const own = group.map((row) => lengths[row] ?? 0);
    expect(Math.max(...own) - Math.min(...own)).toBeLessThanOrEqual(17);
  }
  expect(new Set(searched.map(({ row }) => row)).size).toBeGreaterThan(4);
});

describe('of a tiny multiplexed BERT of two inputs', () => {
  const config = {
    ...tinyConfig,
    mux: { instances: 2, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' },
  } as const;
  const rows = tinySet(9);
  const asked: IsolationOptions = { maxTokens: 6, seed: 2, probes: 9, budget: { sets: 1, candidates: 9 } };
  const open = () => openPredictor(config, loudParameters(config, 2), cpu(1));

  /** Logits of each row in each slot beside each other row, one group at a time: [row][company] */
  async function allCompany(predictor: Predictor): Promise<Float32Array[][]> {
    const found: Float32Array[][] = rows.encodings.map(() => []);
    for (const row of rows.encodings.keys()) {
      for (const other of rows.encodings.keys()) {
        if (other === row) continue;
        for (const [slot, examples] of [
          [row, other],
          [other, row],
        ].entries()) {
          const plan = { examples, weights: [1, 1] as const, tokens: 6 };
          const { data } = await predictor.run(batchFeeds(rows.encodings, plan, rows.padId));
          found[row]?.push(data.slice(slot * config.labels.length, (slot + 1) * config.labels.length));
        }
      }
    }
    return found;
  }

  it('finds what trying every neighbour in every slot finds', async () => {
    await closing(await open(), async (predictor) => {
      const measured = await measureIsolation(predictor, rows, asked);
      // Where two companies of a row differ in class, whatever the reference was, one of them is a flip.
      const isChanged = (await allCompany(predictor)).map((all) => new Set(all.map(classOf)).size > 1);
      expect(measured.adversarialFlipRate).toBe(isChanged.filter(Boolean).length / 9);
      expect(measured.adversarialFlipRate).toBeGreaterThan(0);
      expect(measured.adversarialFlipRate).toBeLessThan(1);
      expect(measured.randomFlipRate).toBeLessThanOrEqual(measured.adversarialFlipRate);
    });
  });

  it('is the same for a seed', async () => {
    await closing(await open(), async (predictor) => {
      const first = await measureIsolation(predictor, rows, asked);
      expect(await measureIsolation(predictor, rows, asked)).toEqual(first);
      expect(await measureIsolation(predictor, rows, { ...asked, seed: 3 })).not.toEqual(first);
    });
  });
});

const classOf = (logits: Float32Array): number =>
  predictions({ dtype: 'float32', shape: [1, 3], data: logits })[0] ?? 0;

it('measures the margin to the best other class', () => {
  expect(marginOf(Float32Array.of(1, 4, 2), 1)).toBe(2);
  expect(marginOf(Float32Array.of(1, 4, 2), 0)).toBe(-3);
});
