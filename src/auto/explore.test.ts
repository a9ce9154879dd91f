/** The search, with laboratories that pretend to train and to measure; the best is known from training everything. */
import { describe, expect, it } from 'vitest';
import { drawSurface, PLAIN, pretend, QUESTION, SHORT_SECONDS } from '../../test/pretend-laboratory.kit.ts';
import { random } from '../base/index.ts';
import type { Exploration, GridPoint, Trial } from './exploration.ts';
import { explore, gridOf, type Instruments, orderGrid, type Question } from './explore.ts';
import { DENSE, nameOf } from './lattice.ts';
import { autoRecordIn } from './record.ts';
import { replay } from './replay.ts';

const exhaustive = { ...QUESTION, isExhaustive: true };

describe('the grid', () => {
  it('has every combination but the dense model, the gentlest first', () => {
    expect(gridOf([4, 1, 2], [0, 0.5])).toEqual([
      { instances: 1, sparsity: 0.5 },
      { instances: 2, sparsity: 0 },
      { instances: 4, sparsity: 0 },
      { instances: 2, sparsity: 0.5 },
      { instances: 4, sparsity: 0.5 },
    ]);
  });

  it('has each point once', () => {
    const point = { instances: 2, sparsity: 0.5 };
    expect(orderGrid([point, { ...point }])).toEqual([point]);
  });
});

describe('explore', () => {
  it('takes the fastest within the allowed drop', async () => {
    const { chosen, frontier, trials, stop } = await explore(exhaustive, pretend(PLAIN, exhaustive).instruments);
    // By the surface: N=2 at 0.5 loses 1.6 points at 4x, N=4 dense loses 2.0 at 4x, N=4 at 0.5 loses 2.7 at 8x.
    expect(chosen.ratio).toBe(4);
    expect(trials).toHaveLength(5);
    expect(frontier[0]?.name).toBe('dense');
    expect(stop).toBe('all trained');
  });

  it('measures all in one call, the dense model first', async () => {
    const { instruments } = pretend(PLAIN, exhaustive);
    const calls: string[][] = [];
    await explore(
      { ...exhaustive, grid: gridOf([2], [0, 0.5]) },
      {
        ...instruments,
        measure: (models) => {
          calls.push(models.map(({ name }) => name));
          return instruments.measure(models);
        },
      },
    );
    expect(calls).toEqual([['dense', 'n1-s0.5', 'n2-s0', 'n2-s0.5']]);
  });

  it('delivers the dense model where nothing fits, and says so', async () => {
    const question = { ...exhaustive, maxDrop: 0.1 };
    const { chosen, verdict } = await explore(question, pretend(PLAIN, question).instruments);
    expect(chosen.name).toBe('dense');
    expect(verdict).toBe('the dense model: no other has an upper bound of the drop within 0.1 points');
  });

  it('delivers the dense model from an empty grid', async () => {
    const question = { ...QUESTION, grid: [] };
    expect((await explore(question, pretend(PLAIN, question).instruments)).chosen.name).toBe('dense');
  });

  it('takes no model whose drop is within the allowed one but whose upper bound is not', async () => {
    const question = { ...exhaustive, grid: gridOf([2], [0]) };
    // One point is lost, give or take 1.28 times the noise.
    const chosenAt = async (maxDrop: number, evaluationNoise: number): Promise<string> => {
      const { instruments } = pretend({ ...PLAIN, evaluationNoise }, question);
      const { chosen, trials } = await explore({ ...question, maxDrop }, instruments);
      const [trial] = trials;
      expect(trial?.drop.upper).toBeGreaterThanOrEqual(trial?.drop.points ?? Number.NaN);
      return chosen.name;
    };
    expect(await chosenAt(1, 0)).toBe('n2-s0');
    expect(await chosenAt(1, 1)).toBe('dense');
  });

  it('offers every trained point at both precisions, and int8 of the dense model without training', async () => {
    const question: Question = { ...exhaustive, precisions: ['fp32', 'int8'], maxDrop: 0.2 };
    const { trials, chosen } = await explore(question, pretend(PLAIN, question).instruments);
    expect(trials).toHaveLength(11);
    expect(chosen).toMatchObject({ name: 'dense-int8', precision: 'int8', point: DENSE });
  });

  it('trains the multiplexed model before it prunes it, also with several workers', async () => {
    for (const workers of [1, 3]) {
      const question = { ...QUESTION, grid: gridOf([1, 2, 4, 8], [0, 0.6, 0.8, 0.9]), maxDrop: 4 };
      const { instruments, trained } = pretend(drawSurface(3), question);
      await explore(question, { ...instruments, workers: async () => workers });
      for (const [at, name] of trained.entries()) {
        const [start = ''] = name.split('-');
        if (!/^n1-|-s0$/.test(name)) expect(trained.slice(0, at)).toContain(`${start}-s0`);
      }
    }
  });
});

it('gives trials to workers that come while it searches', async () => {
  const question = { ...QUESTION, grid: gridOf([1, 2, 4, 8], [0, 0.6, 0.8]), isExhaustive: true };
  const { instruments } = pretend(PLAIN, question);
  const atOnce: number[] = [];
  let asked = 0;
  await explore(question, {
    ...instruments,
    async workers() {
      atOnce.push(0);
      return ++asked === 1 ? 1 : 3;
    },
    train(point, from) {
      atOnce[atOnce.length - 1] = (atOnce.at(-1) ?? 0) + 1;
      return instruments.train(point, from);
    },
  });
  expect(atOnce.slice(0, 2)).toEqual([1, 3]);
});

describe('pruning goes on', () => {
  const question: Question = { ...QUESTION, grid: gridOf([1, 2], [0, 0.6, 0.8, 0.9]), precisions: ['fp32', 'int8'] };

  it('from the point of as many instances that is pruned next less', async () => {
    const all = { ...question, isExhaustive: true };
    const { trials } = await explore(all, pretend(PLAIN, all).instruments);
    const starts = trials.filter(({ precision }) => precision === 'fp32').map(({ name, from }) => [name, from?.name]);
    expect(Object.fromEntries(starts)).toEqual({
      ...{ 'n1-s0.6': undefined, 'n1-s0.8': 'n1-s0.6', 'n1-s0.9': 'n1-s0.8' },
      ...{ 'n2-s0': undefined, 'n2-s0.6': undefined, 'n2-s0.8': 'n2-s0.6', 'n2-s0.9': 'n2-s0.8' },
    });
  });

  it('from the same ones, however many are trained at once, where all are', async () => {
    const startsOf = async (workers: number) => {
      const asked = { ...question, isExhaustive: true };
      const { instruments } = pretend(PLAIN, asked);
      const starts: [string, string | undefined][] = [];
      const { trials } = await explore(asked, {
        ...instruments,
        workers: async () => workers,
        train(point, from) {
          starts.push([nameOf(point), from?.name]);
          return instruments.train(point, from);
        },
      });
      expect(trials.length).toBe(2 * 7 + 1);
      return starts.toSorted();
    };
    expect(await startsOf(3)).toEqual(await startsOf(1));
  });
});

const GRID = gridOf([1, 2, 4, 8], [0, 0.6, 0.8, 0.9]);
const THIRD = 5;
const SECONDS_PER_TRIAL = 100;

/** The choice as a share of the best that fits, and how many points were trained for it. */
async function searchOn(seed: number): Promise<{ share: number; trained: number; exploration: Exploration }> {
  const maxDrop = random(seed, 'budget of the test').pick([1, 2, 3, 5]);
  const question: Question = { ...QUESTION, grid: GRID, precisions: ['fp32', 'int8'], maxDrop };
  const surface = drawSurface(seed);
  const all = await explore({ ...question, isExhaustive: true }, pretend(surface, question).instruments);
  const { instruments, trained } = pretend(surface, question);
  const exploration = await explore({ ...question, budgetSeconds: THIRD * SECONDS_PER_TRIAL }, instruments);
  return { share: exploration.chosen.ratio / all.chosen.ratio, trained: trained.length, exploration };
}

it('finds 95 % of the best that fits by training a third of 4 x 4 points with two precisions, for nine surfaces of ten', async () => {
  const found = [];
  for (let seed = 0; seed < 24; seed++) found.push(await searchOn(seed));
  expect(Math.max(...found.map(({ trained }) => trained))).toBeLessThanOrEqual(THIRD);
  expect(found.filter(({ share }) => share >= 0.95).length).toBeGreaterThanOrEqual(0.9 * found.length);
  expect(found.reduce((sum, { share }) => sum + share, 0) / found.length).toBeGreaterThan(0.97);
  // It ends by itself where there is nothing to gain.
  expect(found.filter(({ exploration }) => exploration.stop === 'nothing to gain').length).toBeGreaterThan(12);
}, 120_000);

it('guesses before it trains, from the sparsities alone, and keeps what it was told', async () => {
  const question: Question = { ...QUESTION, grid: GRID, maxDrop: 3 };
  const { instruments, trained } = pretend(drawSurface(2), question);
  const asked: (readonly number[])[] = [];
  const { guesses } = await explore(question, {
    ...instruments,
    guess(sparsities) {
      expect(trained).toEqual([]);
      asked.push(sparsities);
      return instruments.guess(sparsities);
    },
  });
  expect(asked).toEqual([[0.6, 0.8, 0.9]]);
  const untrained = guesses.filter(({ by }) => by === 'no training');
  expect(untrained).toEqual(await instruments.guess([0.6, 0.8, 0.9]));
});

describe('short runs', () => {
  const question: Question = { ...QUESTION, grid: GRID, precisions: ['fp32', 'int8'], maxDrop: 2, hasShortRuns: true };

  it('come once, before the training of each multiplexed model, and count as guesses and as time', async () => {
    for (const workers of [1, 2]) {
      const { instruments, shortly, trained } = pretend(drawSurface(2), question);
      const trainedAt = new Map<string, number>();
      const { guesses } = await explore(question, {
        ...instruments,
        workers: async () => workers,
        tryShortly(point) {
          trainedAt.set(nameOf(point), trained.length);
          return instruments.tryShortly(point);
        },
      });
      const starts = trained.filter((name) => /^n[248]-s0$/.test(name));
      expect(starts.length).toBeGreaterThan(0);
      for (const name of starts) expect(trainedAt.get(name)).toBeLessThanOrEqual(trained.indexOf(name));
      expect(new Set(shortly).size).toBe(shortly.length);
      const told = guesses.filter(({ by }) => by === 'short run').map(({ point }) => nameOf(point));
      expect(told.toSorted()).toEqual(shortly.toSorted());
      expect(instruments.secondsSpent()).toBe(SECONDS_PER_TRIAL * trained.length + SHORT_SECONDS * shortly.length);
    }
  });

  it.each([{ isExhaustive: true }, { hasShortRuns: false }])('are not made with %s', async (other) => {
    const { instruments, shortly } = pretend(drawSurface(2), question);
    await explore({ ...question, ...other }, instruments);
    expect(shortly).toEqual([]);
  });

  it('are made beside the trainings of other points', async () => {
    let beside = 0;
    for (let seed = 0; seed < 6; seed++) {
      const { instruments } = pretend(drawSurface(seed), question);
      let isTraining = false;
      await explore(question, {
        ...instruments,
        workers: async () => 3,
        async train(point, from) {
          isTraining = true;
          await new Promise(setImmediate);
          isTraining = false;
          return instruments.train(point, from);
        },
        async tryShortly(point) {
          await new Promise(process.nextTick);
          if (isTraining) beside++;
          return instruments.tryShortly(point);
        },
      });
    }
    expect(beside).toBeGreaterThan(0);
  });
});

describe('a budget of time', () => {
  it('begins no training that would go beyond it', async () => {
    const question = { ...exhaustive, budgetSeconds: 2.5 * SECONDS_PER_TRIAL };
    const { instruments, trained } = pretend(PLAIN, question);
    const { stop, decisions } = await explore(question, instruments);
    expect({ stop, trained: trained.length, decisions: decisions.length }).toEqual({
      stop: 'time',
      trained: 2,
      decisions: 2,
    });
  });
});

describe('trials that fail', () => {
  const NOT_A_NUMBER = new Error('expected a finite loss, got NaN');

  /** A laboratory where some points fail, each whenever it is trained. */
  function failing(question: Question, isFailing: (name: string) => boolean) {
    const { instruments, trained } = pretend(PLAIN, question);
    const asked: string[] = [];
    const train: Instruments['train'] = async (point, from) => {
      asked.push(nameOf(point));
      if (isFailing(nameOf(point))) throw NOT_A_NUMBER;
      return instruments.train(point, from);
    };
    return { instruments: { ...instruments, train, endsSearch: () => false }, trained, asked };
  }

  it('are told, with what starts from them left out, and the best of the others is delivered', async () => {
    for (const workers of [1, 3]) {
      const { instruments, trained, asked } = failing(exhaustive, (name) => name === 'n2-s0');
      const said: string[] = [];
      const numbers: number[] = [];
      const found = await explore(exhaustive, {
        ...{ ...instruments, workers: async () => workers },
        onFailure: (point, error, isEnd) => said.push(`${nameOf(point)}: ${error}, ${isEnd}`),
        onDecision: (_, earlier) => numbers.push(earlier),
      });
      expect(said).toEqual([`n2-s0: ${NOT_A_NUMBER}, false`]);
      expect(numbers).toEqual(numbers.map((_, at) => at)); // each has its own, those that begin together, too
      expect(found.failures).toEqual([{ point: { instances: 2, sparsity: 0 }, message: NOT_A_NUMBER.message }]);
      expect(trained.toSorted()).toEqual(['n1-s0.5', 'n4-s0', 'n4-s0.5']);
      expect(asked.filter((name) => name === 'n2-s0')).toHaveLength(1);
      expect(found).toMatchObject({ chosen: { name: 'n4-s0' }, stop: 'the rest failed', predicted: [] });
      expect(found.purchases.some(({ expected }) => expected !== undefined)).toBe(false);
    }
  });

  it('end the search where they say so, but not before the others have ended', async () => {
    const { instruments } = failing(exhaustive, (name) => name === 'n2-s0');
    let hasEnded = false;
    const train: Instruments['train'] = async (point, from) => {
      const trial = await instruments.train(point, from);
      await new Promise((resolve) => setTimeout(resolve, 20));
      hasEnded = true;
      return trial;
    };
    const search = explore(exhaustive, { ...instruments, train, endsSearch: () => true, workers: async () => 3 });
    await expect(search).rejects.toBe(NOT_A_NUMBER);
    expect(hasEnded).toBe(true);
  });

  it('may fail when they are assessed', async () => {
    const { instruments } = failing(exhaustive, () => false);
    const { failures, trials } = await explore(exhaustive, {
      ...instruments,
      assess: (trial) =>
        trial.name === 'n1-s0.5' ? Promise.reject(new Error('no memory')) : instruments.assess(trial),
    });
    expect(failures).toEqual([{ point: { instances: 1, sparsity: 0.5 }, message: 'no memory' }]);
    expect(trials).toHaveLength(4);
  });

  it('are not trained in full where a short run fails', async () => {
    const question: Question = { ...QUESTION, grid: gridOf([1, 2, 4], [0, 0.6]), maxDrop: 4, hasShortRuns: true };
    const { instruments, trained, shortly } = pretend({ ...drawSurface(2), perHalving: 0.5 }, question);
    const { failures } = await explore(question, {
      ...instruments,
      endsSearch: () => false,
      async tryShortly(point) {
        const guess = await instruments.tryShortly(point);
        if (point.instances === 4) throw NOT_A_NUMBER;
        return guess;
      },
    });
    expect(shortly).toContain('n4-s0');
    expect(failures).toEqual([{ point: { instances: 4, sparsity: 0 }, message: NOT_A_NUMBER.message }]);
    expect(trained.filter((name) => name.startsWith('n4'))).toEqual([]);
  });

  it('are the failure of the run where all fail', async () => {
    const { instruments, asked } = failing(exhaustive, () => true);
    await expect(explore(exhaustive, instruments)).rejects.toBe(NOT_A_NUMBER);
    expect(asked).toEqual(['n1-s0.5', 'n2-s0', 'n4-s0']);
  });

  it('end the search where an error is not theirs alone', async () => {
    const { instruments, asked } = failing(exhaustive, (name) => name === 'n2-s0');
    const endsSearch = (error: unknown): boolean => error === NOT_A_NUMBER;
    await expect(explore(exhaustive, { ...instruments, endsSearch })).rejects.toBe(NOT_A_NUMBER);
    expect(asked).toEqual(['n1-s0.5', 'n2-s0']);
  });
});

/** Instruments that remember what they trained, and are killed in the middle of the training after `alive`. */
function mortal(instruments: Instruments, finished: Set<string>, alive: number): Instruments {
  let left = alive;
  return {
    ...instruments,
    async train(point: GridPoint, from?: Trial) {
      const name = JSON.stringify([point, from?.name]);
      if (!finished.has(name) && left-- <= 0) throw new DOMException('killed', 'AbortError');
      finished.add(name);
      return instruments.train(point, from);
    },
  };
}

it('goes on where it was killed, takes the same decisions, and trains nothing twice', async () => {
  const question: Question = { ...QUESTION, grid: GRID, maxDrop: 3 };
  const surface = drawSurface(4);
  const whole = await explore(question, pretend(surface, question).instruments);
  expect(whole.decisions.length).toBeGreaterThan(2);
  const finished = new Set<string>();
  const run = (alive: number) => explore(question, mortal(pretend(surface, question).instruments, finished, alive));
  await expect(run(2)).rejects.toThrow('killed');
  const rest = whole.decisions.length - 2;
  expect(await run(rest)).toEqual(whole);
});

it('is the same when it is played again on the grid that was trained in full', async () => {
  const question: Question = { ...QUESTION, grid: GRID, precisions: ['fp32', 'int8'], maxDrop: 3 };
  const surface = drawSurface(6);
  const { instruments, trained } = pretend(surface, question);
  const searched = await explore(question, instruments);
  const known = await explore({ ...question, isExhaustive: true }, pretend(surface, question).instruments);
  const { share, trained: part, chosen, best } = await replay(question, known, instruments.rows);
  expect({ chosen, best }).toEqual({ chosen: searched.chosen.name, best: known.chosen.name });
  expect(part).toBeCloseTo(trained.length / GRID.length);
  expect(share).toBeCloseTo(searched.chosen.ratio / known.chosen.ratio);
  const other = { ...question, grid: gridOf([1, 3], [0, 0.6]) };
  await expect(replay(other, known, instruments.rows)).rejects.toThrow(/n3-s0: expected a point that was trained/);
});

it('predicts what it did not train, tells its errors, and what other allowed drops would buy', async () => {
  const question: Question = { ...QUESTION, grid: GRID, precisions: ['fp32', 'int8'], maxDrop: 3 };
  const { trials, predicted, errors, purchases, decisions } = await explore(
    question,
    pretend(drawSurface(4), question).instruments,
  );
  expect(trials.length + predicted.length).toBe(2 * 16 - 1);
  expect(decisions.length).toBeLessThan(GRID.length);
  // The pretended models are as fast as their shapes.
  expect(errors.throughput.trials).toBeCloseTo(0);
  expect(purchases.map(({ maxDrop }) => maxDrop)).toEqual([0.5, 1, 2, 3, 5]);
  for (const [at, { ratio }] of purchases.entries())
    expect(ratio).toBeGreaterThanOrEqual(purchases[at - 1]?.ratio ?? 1);
  for (const { probability } of predicted) expect(probability >= 0 && probability <= 1).toBe(true);
});

it('finds its record in a run.json, and says what is wrong with one that has none', async () => {
  const exploration = await explore(exhaustive, pretend(PLAIN, exhaustive).instruments);
  const told = { rows: 'all', seconds: { train: 1 }, machine: {}, commands: ['prumux auto'] };
  const auto = { exploration, models: {}, examples: 10, seed: 1, data: {}, ...told };
  expect(autoRecordIn(JSON.parse(JSON.stringify({ auto, command: 'compress' })), 'run.json')).toEqual(auto);
  expect(() => autoRecordIn({}, 'run.json')).toThrow(/run.json: expected the record of an auto run/);
});
