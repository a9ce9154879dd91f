/** The training loop: schedules and epochs by their definitions, reports by what they add up to, and a run taken up in the middle by itself. */
import { describe, expect, it } from 'vitest';
import { loudParameters, TINY_BATCHES, tinyConfig, tinyPhase, tinySet } from '../../test/tiny-bert.kit.ts';
import { float32 } from '../base/index.ts';
import { add, input, mul, reduceSum } from '../graph/index.ts';
import { cpu } from '../runtime/index.ts';
import { planEpoch } from './epoch.ts';
import { countSteps, type FitOptions, fit, type Phase, type StepReport, schedule } from './fit.ts';
import { labelObjective } from './objectives.ts';
import { startState, type TrainState } from './step.ts';

const set = tinySet(22);
const initial = loudParameters(tinyConfig, 1);
const options: FitOptions = { seed: 3, placement: cpu(2) };

const phase = tinyPhase(set);

/** Runs a phase, or its first steps. */
async function trained(
  what: Phase = phase,
  {
    state = startState(initial),
    limit = Number.POSITIVE_INFINITY,
    ...more
  }: Partial<FitOptions> & { state?: TrainState; limit?: number } = {},
): Promise<{ state: TrainState; reports: StepReport[] }> {
  const reports: StepReport[] = [];
  for await (const report of fit(what, state, { ...options, ...more })) {
    reports.push(report);
    if (report.step === limit) break;
  }
  return { state, reports };
}

describe('schedule', () => {
  it('climbs to 1 over the warm-up and falls to next to nothing at the end', () => {
    const rates = Array.from({ length: 10 }, (_, at) => schedule(at + 1, 10, 0.4));
    const expected = [1 / 4, 2 / 4, 3 / 4, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6];
    for (const [at, rate] of rates.entries()) expect(rate).toBeCloseTo(expected[at] ?? Number.NaN, 12);
  });

  it('starts at its height without a warm-up, and only climbs where that is all', () => {
    expect(schedule(1, 4, 0)).toBe(1);
    expect(schedule(4, 4, 0)).toBe(1 / 4);
    expect([1, 2, 3, 4].map((step) => schedule(step, 4, 1))).toEqual([1 / 4, 2 / 4, 3 / 4, 1]);
  });
});

describe('planEpoch', () => {
  const plan = (seed: number, epoch: number) => planEpoch(set.lengths, TINY_BATCHES, seed, epoch);

  it('is the same for a seed and an epoch, and another for others', () => {
    expect(plan(1, 0)).toEqual(plan(1, 0));
    expect(plan(1, 1)).not.toEqual(plan(1, 0));
    expect(plan(2, 0)).not.toEqual(plan(1, 0));
  });

  it('has every example once, in batches that are long enough and full', () => {
    const batches = plan(1, 0);
    const counted = batches.flatMap(({ examples, weights }) => examples.filter((_, row) => weights[row] === 1));
    expect(counted.toSorted((a, b) => a - b)).toEqual(set.lengths.map((_, at) => at));
    for (const { examples, tokens } of batches) {
      expect(examples).toHaveLength(TINY_BATCHES.rows);
      for (const example of examples) expect(set.lengths[example]).toBeLessThanOrEqual(tokens);
    }
  });

  it('has as many batches in every epoch, so that steps can be counted beforehand', () => {
    expect(new Set(Array.from({ length: 20 }, (_, epoch) => plan(1, epoch).length)).size).toBe(1);
    expect(countSteps(phase)).toBe(2 * plan(9, 9).length);
    expect(countSteps(tinyPhase(set, 0.5))).toBe(Math.ceil(plan(9, 9).length / 2));
  });
});

describe('fit', () => {
  it('reports every step; examples add up to the epochs', async () => {
    const { reports } = await trained();
    const steps = countSteps(phase);
    expect(reports.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, at) => at + 1));
    expect(reports.reduce((sum, { examples }) => sum + examples, 0)).toBe(2 * set.labels.length);
    for (const report of reports) {
      expect(report).toMatchObject({ phase: phase.name, steps });
      expect(Number.isFinite(report.loss)).toBe(true);
      expect(report.metrics.accuracy).toBeGreaterThanOrEqual(0);
      expect(report.metrics.accuracy).toBeLessThanOrEqual(1);
      expect(report.metrics.gradientNorm).toBeGreaterThan(0);
      expect(report.tokens % TINY_BATCHES.rows).toBe(0);
      expect(report.seconds).toBeGreaterThan(0);
    }
  });

  it('taken up in the middle ends with the bits of an undisturbed run, dropout and all', async () => {
    const whole = await trained();
    for (const done of [1, countSteps(phase) / 2, countSteps(phase) - 1]) {
      const { state } = await trained(phase, { limit: done });
      const rest = await trained(phase, { state, done });
      expect(rest.state).toEqual(whole.state);
      const losses = (reports: readonly StepReport[]) => reports.map(({ loss }) => loss);
      expect(losses(rest.reports)).toEqual(losses(whole.reports.slice(done)));
    }
  });

  it('depends on the seed', async () => {
    const [one, other] = [await trained(), await trained(phase, { seed: 4 })];
    expect(other.state).not.toEqual(one.state);
  });

  it('drops nothing where the probability is 0', async () => {
    const still = { ...phase, dropout: 0 };
    const [one, other] = [await trained(still, { limit: 1 }), await trained(phase, { limit: 1 })];
    expect(one.reports[0]?.loss).not.toBe(other.reports[0]?.loss);
  });

  it('stops at a step whose gradients overflow, though its loss does not: a slope of 1e20 has no square in float32', async () => {
    const steep: Phase = {
      ...phase,
      objective: (batch, p, dropout) => {
        const { loss, metrics } = labelObjective(tinyConfig)(batch, p, dropout);
        return { loss: add(loss, mul(reduceSum(p('classifier.bias'), [0]), 1e20)), metrics };
      },
    };
    const reports = fit(steep, startState(initial), options);
    await expect(reports.next()).rejects.toThrow(
      'phase tiny, step 1: expected a finite norm of the gradients, got Infinity. Lower the learning rate',
    );
  });

  it('feeds what changes with the step, and constrains the state after it', async () => {
    const asked: number[][] = [];
    const constrained: number[] = [];
    const fed: Phase = {
      ...tinyPhase(set, 0.5),
      objective: (batch, p, dropout) => {
        const { loss, metrics } = labelObjective(tinyConfig)(batch, p, dropout);
        const extra = input('extra', []);
        return { loss, metrics: { ...metrics, seen: add(extra, 0) } };
      },
      feeds: (step, steps) => {
        asked.push([step, steps]);
        return { extra: float32([step * 10], []) };
      },
      constrain: ({ parameters }) => {
        parameters.get('classifier.bias')?.data.fill(7);
        constrained.push(parameters.size);
      },
    };
    const { state, reports } = await trained(fed);
    const steps = countSteps(fed);
    expect(asked).toEqual(Array.from({ length: steps }, (_, at) => [at + 1, steps]));
    expect(reports.map(({ metrics }) => metrics.seen)).toEqual(asked.map(([step = 0]) => 10 * step));
    expect(constrained).toHaveLength(steps);
    expect(new Set(state.parameters.get('classifier.bias')?.data)).toEqual(new Set([7]));
  });
});
