/**
 * What every execution provider must do alike: each primitive with its gradient against the reference in float64, and training steps of a tiny
 * BERT against the same steps on the CPU. A case gives the largest difference, so that a child process can run it too.
 */
import type { Tensor } from '../src/base/index.ts';
import { gradients, type OpName } from '../src/graph/index.ts';
import { compile, cpu, type Feeds, type Placement } from '../src/runtime/index.ts';
import { compileStep, startState, type TrainState } from '../src/train/step.ts';
import { projection, projectionOf, SAMPLES, type Sample } from './op-samples.kit.ts';
import { difference, evaluate, type Values, type ValuesByName, valuesOf } from './reference.kit.ts';
import { localFeeds, loudParameters, tinyConfig, tinyPlan, tinySet } from './tiny-bert.kit.ts';

export const TOLERANCE = 1e-4;

export interface BackendCase {
  readonly title: string;
  /** The largest difference between what the provider computes and what is expected, relative where values are above 1. */
  readonly run: (placement: Placement) => Promise<number>;
}

/** The largest of some differences; NaN, a result of another shape or none, wins. */
const worst = (differences: readonly number[]): number => Math.max(...differences);

const given = (feeds: Feeds): ValuesByName =>
  Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, valuesOf(tensor)]));

/** The value of a sample and, where any flow, its gradients, in one session. */
async function runSample(sample: Sample, placement: Placement): Promise<number> {
  const loss = projection(sample);
  const flows = sample.flows && sample.sources.length > 0;
  const nodes = [sample.result, loss, ...(flows ? gradients(loss, sample.sources) : [])];
  const [result] = evaluate([sample.result], given(sample.feeds)) as [Values];
  const feeds = { ...sample.feeds, projection: projectionOf(result.shape) };
  const session = await compile({ outputs: Object.fromEntries(nodes.map((node, at) => [`y${at}`, node])) }, placement);
  const results = await session.run(feeds);
  await session.close();
  return worst(
    evaluate(nodes, given(feeds)).map((expected, at) => difference(valuesOf(results[`y${at}`] as Tensor), expected)),
  );
}

async function stepTwice(placement: Placement): Promise<TrainState> {
  const parameters = loudParameters(tinyConfig, 1);
  const state = startState(parameters);
  const step = await compileStep(tinyPlan(parameters), placement);
  for (const at of [1, 2]) await step.run(state, localFeeds(tinySet()), 1, at);
  await step.close();
  return state;
}

async function runTraining(placement: Placement): Promise<number> {
  const [actual, expected] = [await stepTwice(placement), await stepTwice(cpu(1))];
  const kinds = ['parameters', 'first', 'second'] as const;
  const differences = kinds.flatMap((kind) =>
    Array.from(expected[kind])
      // The gradient of the key's bias is 0 but for rounding, which Adam makes whole steps of.
      .filter(([name]) => !name.endsWith('key.bias'))
      .map(([name, tensor]) => difference(valuesOf(actual[kind].get(name) as Tensor), valuesOf(tensor))),
  );
  return worst(differences);
}

/** At most `count` of the items, evenly spread. */
function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, (items.length - 1) / (count - 1));
  const places = Array.from({ length: Math.min(count, items.length) }, (_, at) => Math.round(at * step));
  return places.map((place) => items[place] as T);
}

/** The cases; `perPrimitive` (2 or more) limits the samples of each, where a provider is slow. */
export function backendCases(perPrimitive = 1000): BackendCase[] {
  const primitives = (Object.keys(SAMPLES) as OpName[]).flatMap((op) =>
    spread(SAMPLES[op], perPrimitive).map(
      (sample): BackendCase => ({
        title: `${op}, ${sample.title}`,
        run: (placement) => runSample(sample, placement),
      }),
    ),
  );
  return [...primitives, { title: 'two training steps of a tiny BERT', run: runTraining }];
}
