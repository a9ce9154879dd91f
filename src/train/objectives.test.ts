/** The loss of pruning and its distance of layers, where rows become groups on the way and have a prefix, against plain loops in float64. */
import { expect, it } from 'vitest';
import { loudParameters, raggedTexts, tinyConfig } from '../../test/tiny-bert.kit.ts';
import { type FloatTensor, float32, int64, type ParameterTree, sizeOf } from '../base/index.ts';
import { input, type Node, siteOf, sitesOf } from '../graph/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, tokenInputs } from '../model/index.ts';
import { classifier, modelShapes } from '../mux/index.ts';
import {
  gateShapes,
  initialMultipliers,
  initialProjection,
  MATCHINGS,
  type MatchingName,
  weightBudget,
} from '../prune/index.ts';
import { compile, cpu, type Feeds } from '../runtime/index.ts';
import { pruneObjective, UNPRUNED } from './objectives.ts';
import { type CompressRecipe, compressDefaults } from './recipe.ts';

const [N, B, T] = [2, 2, 4];
const R = N * B;
const D = tinyConfig.encoder.hiddenSize;
const C = tinyConfig.labels.length;
const S = N + T; // with the prefix
const config: ModelConfig = {
  ...tinyConfig,
  mux: { instances: N, multiplexer: 'gaussian-hadamard', demultiplexer: 'index', prefillLayers: 1 },
};
const student = loudParameters(config, 1);
const unpruned = loudParameters(config, 2);
const texts = raggedTexts(R, T);
/** The last group is a filler. */
const weights = [1, 1, 0, 0];

const under = (prefix: string, tree: ParameterTree): Feeds =>
  Object.fromEntries(Array.from(tree, ([name, tensor]) => [`${prefix}${name}`, tensor]));

function filled(shapes: ReadonlyMap<string, readonly number[]>, value: number): ParameterTree {
  return new Map(
    Array.from(shapes, ([name, shape]) => [name, float32(new Float32Array(sizeOf(shape)).fill(value), shape)]),
  );
}

const labels = [0, 1, 2, 0];
const teacher = float32([2, -1, 0.5, -0.5, 1, 3, 0, 0, 9, 9, 0, 0], [R, C]);

/** The loss of the objective and its metrics, all gates open and both multipliers 0. */
async function told(
  taughtBy: ParameterTree,
  losses: Partial<CompressRecipe['losses']>,
): Promise<Readonly<Record<string, number>>> {
  const batch = {
    inputs: tokenInputs(R, T),
    labels: input('batch.labels', [R], 'int64'),
    weights: input('batch.weights', [R]),
    teacherLogits: (classes: number) => input('batch.teacherLogits', [R, classes]),
  };
  const open = filled(gateShapes(config.encoder), 10);
  const others = new Map([...open, ...initialMultipliers(), ...initialProjection(D)]);
  const feeds: Feeds = { ...under('', student), ...under(UNPRUNED, taughtBy), ...under('', others) };
  const p = (name: string): Node => input(name, feeds[name]?.shape ?? []);
  const objective = pruneObjective(config, { ...compressDefaults.losses, ...losses }, weightBudget(config.encoder));
  const { loss, metrics } = objective(batch, p, () => undefined);
  const session = await compile({ outputs: { loss, ...metrics } }, cpu(1));
  const noise = filled(gateShapes(config.encoder, 'noise'), 0.5);
  const results = await session.run({
    ...feeds,
    ...under('', noise),
    ...texts,
    'batch.weights': float32(weights, [R]),
    'batch.labels': int64(labels, [R]),
    'batch.teacherLogits': teacher,
    'prune.target': float32([0], []),
  });
  await session.close();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Number(data[0])]));
}

/** The distance of the layers, all gates open. */
async function layersDistance(taughtBy: ParameterTree, matching: MatchingName): Promise<number> {
  return (await told(taughtBy, { layers: 1, matching })).layers ?? Number.NaN;
}

/** States of both layers: of rows [R, S, D], then of groups [B, S, D]. */
async function statesOf(parameters: ParameterTree): Promise<readonly FloatTensor[]> {
  const p = parametersFrom(parameterInputs(modelShapes(config)));
  const sites = sitesOf([classifier(tokenInputs(R, T), config, p, 'all')]);
  const outputs = { rows: siteOf(sites, 'layer.0'), groups: siteOf(sites, 'layer.1') };
  const session = await compile({ outputs, weights: parameters }, cpu(1));
  const { rows, groups } = await session.run(texts);
  await session.close();
  return [rows as FloatTensor, groups as FloatTensor];
}

/** Mean of (a - b)² over the positions that count. */
function meanSquare(a: FloatTensor, b: FloatTensor, counts: (row: number, position: number) => boolean): number {
  let [sum, count] = [0, 0];
  a.data.forEach((value, at) => {
    const cell = Math.floor(at / D);
    if (!counts(Math.floor(cell / S), cell % S)) return;
    sum += (value - (b.data[at] ?? Number.NaN)) ** 2;
    count++;
  });
  return sum / count;
}

const matchings = Object.keys(MATCHINGS) as MatchingName[];

// One layer before the mixture and one after it: nothing but itself is the nearest.
it.each(matchings)(
  'of rows before the mixture and groups after it, over real positions and the prefix: %s',
  async (matching) => {
    const [mine, theirs] = [await statesOf(student), await statesOf(unpruned)];
    const isReal = (row: number, position: number): boolean =>
      weights[row] === 1 && (position < N || Number(texts.attention_mask?.data[row * T + position - N]) === 1);
    const isRealOfGroup = (group: number, position: number): boolean =>
      Array.from({ length: N }, (_, place) => group * N + place).some((row) => isReal(row, position));
    const expected =
      meanSquare(mine[0] as FloatTensor, theirs[0] as FloatTensor, isReal) +
      meanSquare(mine[1] as FloatTensor, theirs[1] as FloatTensor, isRealOfGroup);
    expect(await layersDistance(unpruned, matching)).toBeCloseTo(expected, 4);
  },
);

it.each(matchings)('is 0 where pruning has changed nothing: %s', async (matching) => {
  expect(await layersDistance(student, matching)).toBeLessThan(1e-8);
});

/** Rows of the student's logits, or of the teacher's. */
const rowsOf = ({ data }: FloatTensor): number[][] =>
  Array.from({ length: R }, (_, row) => Array.from(data.subarray(row * C, (row + 1) * C)));

function logSoftmaxOf(logits: readonly number[], temperature: number): number[] {
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit / temperature), 0));
  return logits.map((logit) => logit / temperature - total);
}

async function studentLogits(): Promise<number[][]> {
  const p = parametersFrom(parameterInputs(modelShapes(config)));
  const outputs = { logits: classifier(tokenInputs(R, T), config, p) };
  const session = await compile({ outputs, weights: student }, cpu(1));
  const { logits } = await session.run(texts);
  await session.close();
  return rowsOf(logits as FloatTensor);
}

/** Mean over the rows that count. */
function meanOf(term: (row: number) => number): number {
  const counted = weights.flatMap((weight, row) => (weight === 1 ? [term(row)] : []));
  return counted.reduce((sum, value) => sum + value, 0) / counted.length;
}

it.each([
  { labels: 0.2, logits: 0.7, layers: 0.4, temperature: 1 },
  { labels: 1.1, logits: 0.3, layers: 0, temperature: 3 },
])('the loss of pruning weighs labels, answers and layers as it is told: %o', async (asked) => {
  const logits = await studentLogits();
  const right = meanOf((row) => -(logSoftmaxOf(logits[row] ?? [], 1)[labels[row] ?? 0] ?? Number.NaN));
  const distance = meanOf((row) => {
    const mine = logSoftmaxOf(logits[row] ?? [], asked.temperature);
    const its = logSoftmaxOf(rowsOf(teacher)[row] ?? [], asked.temperature);
    const divergence = its.reduce((sum, log, at) => sum + Math.exp(log) * (log - (mine[at] ?? Number.NaN)), 0);
    return asked.temperature ** 2 * divergence;
  });
  const layers = await layersDistance(unpruned, compressDefaults.losses.matching);
  const answers = asked.labels * right + asked.logits * distance;
  const { loss, prediction } = await told(unpruned, asked);
  expect(prediction).toBeCloseTo(answers, 4);
  expect(loss).toBeCloseTo(answers + asked.layers * layers, 4);
  expect(Math.min(right, distance, layers)).toBeGreaterThan(0.1); // none of them is next to nothing
});
