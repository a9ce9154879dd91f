/** Consistency against plain loops in float64 and central differences; and that training by it brings answers together. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { difference, evaluate, finiteDifferences, type ValuesByName, valuesOf } from '../../test/reference.kit.ts';
import { loudParameters, TINY_CLIP_NORM, tinyConfig, tinyGroups, tinySet } from '../../test/tiny-bert.kit.ts';
import { float32, int64, type ParameterTree, random, type Tensor } from '../base/index.ts';
import { gradients, input, type SiteHandler } from '../graph/index.ts';
import { batchFeeds, regroup } from '../infer/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, tokenInputs } from '../model/index.ts';
import { classifier } from '../mux/index.ts';
import { gateNoise, initialLogAlpha, initialMultipliers, initialProjection, weightBudget } from '../prune/index.ts';
import { cpu } from '../runtime/index.ts';
import { drawRegrouping, regroupingFeeds, symmetricDivergence } from './consistency.ts';
import { Dropout } from './dropout.ts';
import { trainingFeeds } from './encoded-set.ts';
import { type BatchNodes, fit, type Phase, type StepReport } from './fit.ts';
import { labelledBatches } from './labelled-batches.ts';
import { distilObjective, pruneObjective, UNPRUNED } from './objectives.ts';
import { type CompressRecipe, compressDefaults } from './recipe.ts';
import { type Objective, startState, type TrainState } from './step.ts';

const [B, N, T, C] = [3, 2, 6, 3];
const R = B * N;
const config: ModelConfig = {
  ...tinyConfig,
  mux: { instances: N, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' },
};
const losses: CompressRecipe['losses'] = compressDefaults.losses;

/** Σ over the reals of p log (p / q). */
function divergence(p: readonly number[], q: readonly number[]): number {
  return p.reduce((sum, share, label) => sum + share * Math.log(share / (q[label] ?? Number.NaN)), 0);
}

function shares(logits: readonly number[]): number[] {
  const weights = logits.map(Math.exp);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** The weighted mean over rows of ½ (KL(p ‖ q) + KL(q ‖ p)). */
function plainDivergence(one: readonly number[][], other: readonly number[][], weights: readonly number[]): number {
  const each = one.map((logits, row) => {
    const [p, q] = [shares(logits), shares(other[row] ?? [])];
    return 0.5 * (divergence(p, q) + divergence(q, p)) * (weights[row] ?? 0);
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return each.reduce((sum, value) => sum + value, 0) / total;
}

const byRow = (data: ArrayLike<number>): number[][] =>
  Array.from({ length: data.length / C }, (_, row) => Array.from(data).slice(row * C, (row + 1) * C));

describe('the divergence of two answers', () => {
  const draws = random(1, 'consistency');
  const logits = (): Tensor => float32(Float32Array.from({ length: R * C }, draws.normal), [R, C]);
  const weights = [1, 1, 0, 1, 1, 0];
  const given = Object.fromEntries(
    Object.entries({ one: logits(), other: logits(), weights: float32(weights, [R]) }).map(([name, x]) => [
      name,
      valuesOf(x),
    ]),
  );
  const [one, other] = [input('one', [R, C]), input('other', [R, C])];
  const loss = symmetricDivergence(one, other, input('weights', [R]));

  it('is the plain formula', () => {
    const expected = plainDivergence(byRow(given.one?.data ?? []), byRow(given.other?.data ?? []), weights);
    expect(evaluate([loss], given)[0]?.data[0]).toBeCloseTo(expected, 10);
    expect(expected).toBeGreaterThan(0.1);
  });

  it('has the gradients of central differences, on both sides', () => {
    const slopes = evaluate(gradients(loss, [one, other]), given);
    for (const [at, name] of ['one', 'other'].entries()) {
      const expected = finiteDifferences(loss, name, given);
      expect(difference(slopes[at] ?? expected, expected), name).toBeLessThan(1e-6);
    }
  });

  it('is 0 of equal answers', () => {
    expect(evaluate([symmetricDivergence(one, one, input('weights', [R]))], given)[0]?.data[0]).toBe(0);
  });
});

describe('a second grouping', () => {
  it('puts every row into another slot and group, and parts neighbours where there are groups enough', () => {
    const sizes = { groups: fc.integer({ min: 1, max: 20 }), instances: fc.integer({ min: 2, max: 10 }) };
    fc.assert(
      fc.property(fc.record({ ...sizes, seed: fc.nat() }), ({ groups, instances, seed }) => {
        const order = regroup(drawRegrouping(groups, instances, random(seed, 'test')));
        const groupOf = (row: number): number => Math.floor(row / instances);
        expect(order.toSorted((a, b) => a - b)).toEqual([...order.keys()]);
        for (const [place, row] of order.entries()) {
          expect(place % instances).not.toBe(row % instances);
          if (groups > 1) expect(groupOf(place)).not.toBe(groupOf(row));
          if (groups <= instances) continue;
          const company = order.filter((_, at) => groupOf(at) === groupOf(place));
          expect(company.filter((other) => groupOf(other) === groupOf(row))).toEqual([row]);
        }
      }),
    );
  });

  it('is another one in another step', () => {
    const drawn = (step: number) => drawRegrouping(32, 4, random(1, 'regrouping', step));
    expect(drawn(3)).toEqual(drawn(3));
    expect(drawn(4)).not.toEqual(drawn(3));
  });
});

const batch: BatchNodes = {
  inputs: tokenInputs(R, T),
  labels: input('batch.labels', [R], 'int64'),
  weights: input('batch.weights', [R]),
  teacherLogits: (classes) => input('batch.teacherLogits', [R, classes]),
};
const set = tinySet(R);
const plan = { examples: [...set.lengths.keys()], weights: [1, 1, 1, 1, 1, 0] as const, tokens: T };
const teacherDraws = random(2, 'teacher');
const teacher = Array.from({ length: R }, () => float32(Float32Array.from({ length: C }, teacherDraws.normal), [C]));
const order = regroup(drawRegrouping(B, N, random(5, 'test')));

/** Everything that prune and distil read. */
const parameters: ParameterTree = new Map([
  ...loudParameters(config, 1),
  ...Array.from(loudParameters(config, 3), ([name, x]) => [`${UNPRUNED}${name}`, x] as const),
  ...initialLogAlpha(config.encoder, 1),
  ...initialMultipliers(),
  ...initialProjection(config.encoder.hiddenSize),
]);

/** What a step is fed, its rows in that order, and the second grouping as another one. */
function feedsOf(rows: readonly number[], second: readonly number[]): ValuesByName {
  const ordered = { ...plan, examples: rows, weights: rows.map((row) => plan.weights[row] as 0 | 1) };
  const feeds = {
    ...trainingFeeds(set, ordered, teacher),
    ...batchFeeds(set.encodings, ordered, set.padId), // ids of the whole vocabulary, as its table is whole
    ...Object.fromEntries(parameters),
    ...Object.fromEntries(gateNoise(config.encoder, random(1, 'gates', 1))),
    'prune.target': float32([0.3], []),
    'batch.regrouped': int64(second, [R]),
  };
  return Object.fromEntries(Object.entries(feeds).map(([name, x]) => [name, valuesOf(x)]));
}

const identity = [...order.keys()];
const p = parametersFrom(parameterInputs(new Map(Array.from(parameters, ([name, { shape }]) => [name, shape]))));
const silent: SiteHandler = () => undefined;

function valuesIn({ loss, metrics }: Objective, given: ValuesByName): Record<string, number> {
  const names = ['loss', ...Object.keys(metrics)];
  const values = evaluate([loss, ...Object.values(metrics)], given);
  return Object.fromEntries(names.map((name, at) => [name, values[at]?.data[0] ?? Number.NaN]));
}

const budget = weightBudget(config.encoder);

describe.each([
  ['distilling', distilObjective],
  ['pruning', pruneObjective],
])('the objective of %s', (_, objective) => {
  const at = (consistency: number, layers = 0) =>
    objective(config, { ...losses, layers, consistency }, budget)(batch, p, silent);
  const W = 3;

  it('is the mean of both groupings, each as a batch of its own, plus the weighted divergence', () => {
    const { loss, consistency } = valuesIn(at(W), feedsOf(identity, order));
    const [first, second] = [valuesIn(at(0), feedsOf(identity, order)), valuesIn(at(0), feedsOf(order, order))];
    expect(first.loss).not.toBeCloseTo(second.loss ?? 0, 4);
    expect(consistency).toBeGreaterThan(1e-3);
    expect(loss).toBeCloseTo(((first.loss ?? 0) + (second.loss ?? 0)) / 2 + W * (consistency ?? 0), 8);
  });

  it('is the one without consistency where both groupings agree', () => {
    const [both, one] = [valuesIn(at(W), feedsOf(identity, identity)), valuesIn(at(0), feedsOf(identity, identity))];
    expect(both.consistency).toBe(0);
    expect(both.loss).toBeCloseTo(one.loss ?? 0, 12);
  });

  it('compares the layers of the first grouping alone', () => {
    const lossAt = (consistency: number, layers: number): number =>
      valuesIn(at(consistency, layers), feedsOf(identity, order)).loss ?? Number.NaN;
    expect(lossAt(W, 0.5) - lossAt(W, 0)).toBeCloseTo(lossAt(0, 0.5) - lossAt(0, 0), 8);
  });

  it('reports nothing of consistency at weight 0', () => {
    expect(at(0).metrics).not.toHaveProperty('consistency');
  });

  it('drops other elements in the second pass', () => {
    const countOf = (consistency: number): number => {
      const dropout = new Dropout();
      objective(config, { ...losses, consistency }, budget)(batch, p, dropout.handler);
      return Object.keys(dropout.offsets(1, 1)).length;
    };
    expect(countOf(W)).toBe(2 * countOf(0));
  });
});

it('reports the divergence of the logits in both groupings, brought back to the same rows', () => {
  const logits = classifier(batch.inputs, config, p);
  const [first, second] = [feedsOf(identity, order), feedsOf(order, order)].map((given) =>
    byRow(evaluate([logits], given)[0]?.data ?? []),
  ) as [number[][], number[][]];
  const back = identity.map((row) => second[order.indexOf(row)] ?? []);
  const { consistency } = valuesIn(
    distilObjective(config, { ...losses, consistency: 1 })(batch, p, silent),
    feedsOf(identity, order),
  );
  expect(consistency).toBeCloseTo(plainDivergence(first, back, plan.weights), 10);
});

describe('training', () => {
  const rows = tinySet(24);
  const teacherLogits = rows.labels.map(() => float32(new Float32Array(C), [C]));
  const phase = (consistency: number): Phase => ({
    name: 'multiplex',
    batches: labelledBatches(rows, { epochs: 25, rows: 4 * N, maxTokens: 16, teacherLogits }),
    warmup: 0.1,
    dropout: 0.1,
    parameterGroups: tinyGroups,
    clipNorm: TINY_CLIP_NORM,
    frozen: new Map(),
    feeds: (step) => regroupingFeeds(drawRegrouping(4, N, random(1, 'regrouping', step))),
    objective: distilObjective(config, { ...losses, logits: 0, consistency }),
  });
  const start = (): TrainState => startState(loudParameters(config, 2));

  async function reportsOf(what: Phase, state = start(), done = 0, limit = Infinity): Promise<StepReport[]> {
    const reports: StepReport[] = [];
    for await (const report of fit(what, state, { seed: 1, placement: cpu(1), done })) {
      reports.push(report);
      if (report.step === limit) break;
    }
    return reports;
  }

  it('brings answers together, and more so the more it weighs', async () => {
    const curves = [await reportsOf(phase(1e-9)), await reportsOf(phase(4))].map((reports) =>
      reports.map(({ metrics }) => metrics.consistency ?? Number.NaN),
    );
    const mean = (values: readonly number[] = []): number => values.reduce((sum, x) => sum + x, 0) / values.length;
    const [free, held] = curves.map((curve) => mean(curve.slice(-15)));
    expect(held).toBeLessThan(0.5 * mean(curves[1]?.slice(0, 5)));
    expect(held).toBeLessThan(0.5 * (free ?? 0));
  });

  it('taken up in the middle ends with the bits of an undisturbed run', async () => {
    const short = { ...phase(2), epochs: 2 };
    const [whole, halved] = [start(), start()];
    const reports = await reportsOf(short, whole);
    const done = Math.floor(reports.length / 2);
    await reportsOf(short, halved, 0, done);
    const rest = await reportsOf(short, halved, done);
    expect(halved).toEqual(whole);
    expect(rest.map(({ loss }) => loss)).toEqual(reports.slice(done).map(({ loss }) => loss));
  });
});
