/** The distance of layers while pruning, where rows become groups on the way and have a prefix, against plain loops in float64. */
import { expect, it } from 'vitest';
import { loudParameters, raggedTexts, tinyConfig } from '../../test/tiny-bert.kit.ts';
import { type FloatTensor, float32, int64, type ParameterTree, sizeOf } from '../base/index.ts';
import { input, type Node, siteOf, sitesOf } from '../graph/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, tokenInputs } from '../model/index.ts';
import { classifier, modelShapes } from '../mux/index.ts';
import { gateShapes, initialMultipliers, initialProjection } from '../prune/index.ts';
import { compile, cpu, type Feeds } from '../runtime/index.ts';
import { pruneObjective, UNPRUNED } from './objectives.ts';

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

/** The metric `layers` of the objective, all gates open. */
async function layersDistance(taughtBy: ParameterTree): Promise<number> {
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
  const objective = pruneObjective(config, { logits: 0.5, layers: 1, labels: 0.5, consistency: 0, retrieval: 0 });
  const { layers } = objective(batch, p, () => undefined).metrics;
  const session = await compile({ outputs: { layers: layers as Node } }, cpu(1));
  const noise = filled(gateShapes(config.encoder, 'noise'), 0.5);
  const results = await session.run({
    ...feeds,
    ...under('', noise),
    ...texts,
    'batch.weights': float32(weights, [R]),
    'batch.labels': int64([0, 1, 2, 0], [R]),
    'batch.teacherLogits': float32(new Float32Array(R * C), [R, C]),
    'prune.target': float32([0], []),
  });
  await session.close();
  return Number(results.layers?.data[0]);
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

it('is that of rows before the mixture plus that of groups after it, over real positions and the prefix', async () => {
  const [mine, theirs] = [await statesOf(student), await statesOf(unpruned)];
  const isReal = (row: number, position: number): boolean =>
    weights[row] === 1 && (position < N || Number(texts.attention_mask?.data[row * T + position - N]) === 1);
  const isRealOfGroup = (group: number, position: number): boolean =>
    Array.from({ length: N }, (_, place) => group * N + place).some((row) => isReal(row, position));
  const expected =
    meanSquare(mine[0] as FloatTensor, theirs[0] as FloatTensor, isReal) +
    meanSquare(mine[1] as FloatTensor, theirs[1] as FloatTensor, isRealOfGroup);
  expect(await layersDistance(unpruned)).toBeCloseTo(expected, 4);
});

it('is 0 where pruning has changed nothing', async () => {
  expect(await layersDistance(student)).toBeLessThan(1e-8);
});
