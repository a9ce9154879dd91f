/**
 * What every execution provider must do alike: each primitive with its gradient against the reference in float64, and one training step of a
 * tiny BERT against the step on the CPU.
 */
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../src/base/index.ts';
import { gradients, type OpName } from '../src/graph/index.ts';
import { compile, cpu, type Placement } from '../src/runtime/index.ts';
import { compileStep, startState, type TrainState } from '../src/train/step.ts';
import { projection, projectionOf, SAMPLES, type Sample } from './op-samples.kit.ts';
import { difference, evaluate, type Values, valuesOf } from './reference.kit.ts';
import { localFeeds, loudParameters, tinyConfig, tinyPlan, tinySet } from './tiny-bert.kit.ts';

const TOLERANCE = 1e-4;

/** The value of a sample and, where any flow, its gradients: computed by the provider, and by the reference. */
async function both(sample: Sample, placement: Placement): Promise<{ actual: Values[]; expected: Values[] }> {
  const flows = sample.flows && sample.sources.length > 0;
  const loss = projection(sample);
  const nodes = [sample.result, loss, ...(flows ? gradients(loss, sample.sources) : [])];
  const given = (feeds: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, valuesOf(tensor)]));
  const [result] = evaluate([sample.result], given(sample.feeds)) as [Values];
  const feeds = { ...sample.feeds, projection: projectionOf(result.shape) };
  const session = await compile({ outputs: Object.fromEntries(nodes.map((node, at) => [`y${at}`, node])) }, placement);
  const results = await session.run(feeds);
  await session.close();
  return {
    actual: nodes.map((_, at) => valuesOf(results[`y${at}`] as Tensor)),
    expected: evaluate(nodes, given(feeds)),
  };
}

async function twoSteps(placement: Placement): Promise<TrainState> {
  const parameters = loudParameters(tinyConfig, 1);
  const state = startState(parameters);
  const step = await compileStep(tinyPlan(parameters), placement);
  for (const at of [1, 2]) await step.run(state, localFeeds(tinySet()), 1, at);
  await step.close();
  return state;
}

/** Registers the tests of one provider; `each` limits the samples of a primitive where a provider is slow. */
export function testBackend(title: string, placement: Placement, each = Number.POSITIVE_INFINITY): void {
  describe(title, () => {
    const samples = (Object.keys(SAMPLES) as OpName[]).flatMap((op) =>
      SAMPLES[op].slice(0, each).map((sample) => [`${op}, ${sample.title}`, sample] as const),
    );

    it.each(samples)('agrees with the reference: %s', async (_, sample) => {
      const { actual, expected } = await both(sample, placement);
      actual.forEach((values, at) => {
        expect(difference(values, expected[at] as Values), `result ${at}`).toBeLessThan(TOLERANCE);
      });
    });

    it('trains a tiny BERT as the CPU does', async () => {
      const [actual, expected] = [await twoSteps(placement), await twoSteps(cpu(1))];
      for (const kind of ['parameters', 'first', 'second'] as const) {
        for (const [name, tensor] of expected[kind]) {
          // The gradient of the key's bias is 0 but for rounding, which Adam makes whole steps of.
          if (name.endsWith('key.bias')) continue;
          const values = valuesOf(actual[kind].get(name) as Tensor);
          expect(difference(values, valuesOf(tensor)), `${kind} ${name}`).toBeLessThan(TOLERANCE);
        }
      }
    });
  });
}
