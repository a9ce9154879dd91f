/**
 * Every primitive against plain loops in float64 (`reference.kit.ts`): its values as ONNX Runtime computes them, the rule for its gradient,
 * and the gradient as ONNX Runtime computes it, both against central differences. Driven by the table of primitives.
 */
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../src/base/index.ts';
import { add, gradients, type Node, OPS, type OpName, reduceSum } from '../src/graph/index.ts';
import { compile, cpu } from '../src/runtime/index.ts';
import { projection, projectionOf, SAMPLES, type Sample } from './op-samples.kit.ts';
import { difference, evaluate, finiteDifferences, type Values, type ValuesByName, valuesOf } from './reference.kit.ts';

/** float32 has 7 digits; sums of a few products keep 5. */
const RUNTIME_TOLERANCE = 2e-5;
/** Central differences of float64 with a step of 1e-4 are exact to about 1e-8. */
const RULE_TOLERANCE = 1e-6;

/** Values for the inputs of a sample and of its projection. */
function feedsOf(sample: Sample): Record<string, Tensor> {
  const given = asValues(sample.feeds);
  const [result] = evaluate([sample.result], given) as [Values];
  return { ...sample.feeds, projection: projectionOf(result.shape) };
}

function asValues(feeds: Readonly<Record<string, Tensor>>): ValuesByName {
  return Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, valuesOf(tensor)]));
}

async function run(nodes: readonly Node[], feeds: Readonly<Record<string, Tensor>>): Promise<Values[]> {
  const outputs = Object.fromEntries(nodes.map((node, at) => [`y${at}`, node]));
  const session = await compile({ outputs }, cpu(1));
  const results = await session.run(feeds);
  await session.close();
  return nodes.map((_, at) => valuesOf(results[`y${at}`] as Tensor));
}

function expectClose(actual: readonly Values[], expected: readonly Values[], tolerance: number): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((values, at) => {
    expect(difference(values, expected[at] as Values), `result ${at}`).toBeLessThan(tolerance);
  });
}

const names = Object.keys(OPS) as OpName[];

it('has a sample of every primitive', () => {
  for (const name of names) expect(SAMPLES[name]?.length, name).toBeGreaterThan(0);
});

describe.each(names)('%s', (name) => {
  const samples = (SAMPLES[name] ?? []).map((sample) => [sample.title, sample] as const);

  it.each(samples)('has the values of the reference: %s', async (_, sample) => {
    expect(reached(sample.result)).toContain(name);
    const expected = evaluate([sample.result], asValues(sample.feeds));
    expectClose(await run([sample.result], sample.feeds), expected, RUNTIME_TOLERANCE);
  });

  const flowing = samples.filter(([, { flows, sources }]) => flows && sources.length > 0);
  it.runIf(flowing.length > 0).each(flowing)('has the gradient of central differences: %s', async (_, sample) => {
    const feeds = feedsOf(sample);
    const given = asValues(feeds);
    const loss = projection(sample);
    const expected = sample.sources.map((source) => finiteDifferences(loss, source.attributes.name, given));
    const slopes = gradients(loss, sample.sources);
    // With the loss beside them, as in a training step: all inputs are there, from which symbolic sizes are read.
    const [, ...ruled] = evaluate([loss, ...slopes], given);
    expectClose(ruled, expected, RULE_TOLERANCE);
    const [, ...computed] = await run([loss, ...slopes], feeds);
    expectClose(computed, expected, RUNTIME_TOLERANCE);
  });

  const still = samples.filter(([, { flows, sources }]) => !flows && sources.length > 0);
  it.runIf(still.length > 0).each(still)('lets no gradient through: %s', (_, sample) => {
    const given = asValues(feedsOf(sample));
    const total = (x: Node): Node =>
      reduceSum(
        x,
        x.shape.map((__, axis) => axis),
      );
    // Were anything to flow, it would show beside the ones that the plain sums give.
    const loss = sample.sources.reduce((sum, source) => add(sum, total(source)), projection(sample));
    const [, ...slopes] = evaluate([loss, ...gradients(loss, sample.sources)], given);
    for (const slope of slopes) expect(new Set(slope.data)).toEqual(new Set([1]));
  });
});

/** The primitives in a graph. */
function reached(result: Node): OpName[] {
  return [result.op, ...result.inputs.flatMap(reached)];
}
