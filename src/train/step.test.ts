/**
 * The training step against a dense AdamW computed in float64 by plain loops (`test/reference.kit.ts`), and against itself: written in place
 * or not, and again and again.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { evaluate, type ValuesByName, valuesOf } from '../../test/reference.kit.ts';
import {
  globalFeeds,
  localFeeds,
  loudParameters,
  TINY_CLIP_NORM,
  tinyConfig,
  tinyGroups,
  tinyPlan,
  tinySet,
} from '../../test/tiny-bert.kit.ts';
import type { FloatTensor, ParameterTree } from '../base/index.ts';
import { gradients, type Node } from '../graph/index.ts';
import { parameterInputs, parametersFrom } from '../model/index.ts';
import { modelShapes } from '../mux/index.ts';
import { cpu } from '../runtime/index.ts';
import { adamw, clipFactor, momentInputs, scalarInputs, stepScalars } from './adamw.ts';
import { type CompiledStep, compileStep, startState, type TrainState } from './step.ts';

const WORDS = 'bert.embeddings.word_embeddings.weight';
const STEPS = 3;
const scheduled = 0.5;
const set = tinySet();
const initial = loudParameters(tinyConfig, 1);

async function trained(step: CompiledStep, steps = STEPS): Promise<{ state: TrainState; losses: number[] }> {
  const state = startState(initial);
  const losses: number[] = [];
  for (let at = 1; at <= steps; at++) {
    const { loss = Number.NaN } = await step.run(state, localFeeds(set), scheduled, at);
    losses.push(loss);
  }
  return { state, losses };
}

/** The whole step over whole tables, as nodes: every parameter and moment after it. */
function denseStep(): Record<string, Node> {
  const parameters = parameterInputs(modelShapes(tinyConfig));
  const { loss } = tinyPlan(initial).objective(parametersFrom(parameters));
  const names = [...parameters.keys()];
  const slopes = gradients(loss, [...parameters.values()]);
  const outputs: Record<string, Node> = { loss };
  const groupOf = (name: string) => tinyGroups.find(({ has }) => has(name));
  const { factor } = clipFactor(slopes, TINY_CLIP_NORM);
  for (const group of tinyGroups) {
    const members = names.flatMap((name, at) => (groupOf(name) === group ? [{ name, slope: slopes[at] as Node }] : []));
    for (const { name, slope } of members) {
      const before = momentInputs(name, slope.shape);
      const after = adamw(before, slope, scalarInputs(group.name), group, factor);
      Object.assign(outputs, {
        [name]: after.value,
        [`adam.first/${name}`]: after.first,
        [`adam.second/${name}`]: after.second,
      });
    }
  }
  return outputs;
}

function scalarValues(step: number): ValuesByName {
  const entries = tinyGroups.flatMap((group) =>
    Object.entries(stepScalars(group, scheduled, step)).map(([key, value]) => [
      `${group.name}.${key}`,
      { shape: [], data: Float64Array.of(value) },
    ]),
  );
  return Object.fromEntries(entries);
}

/** Parameters after some steps of the dense AdamW, and the losses before each. */
function denseReference(): { values: ValuesByName; losses: number[] } {
  const outputs = denseStep();
  const batch = Object.fromEntries(Object.entries(globalFeeds(set)).map(([name, x]) => [name, valuesOf(x)]));
  const start = startState(initial);
  const named = (prefix: string, tree: ParameterTree) =>
    Array.from(tree, ([name, x]) => [`${prefix}${name}`, valuesOf(x)] as const);
  let values: ValuesByName = Object.fromEntries([
    ...named('', start.parameters),
    ...named('adam.first/', start.first),
    ...named('adam.second/', start.second),
  ]);
  const losses: number[] = [];
  for (let step = 1; step <= STEPS; step++) {
    const results = evaluate(Object.values(outputs), { ...batch, ...values, ...scalarValues(step) });
    const after = Object.fromEntries(Object.keys(outputs).map((name, at) => [name, results[at]]));
    losses.push(after.loss?.data[0] ?? Number.NaN);
    values = after as ValuesByName;
  }
  return { values, losses };
}

function worstDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Array.from(actual).reduce((most, value, at) => Math.max(most, Math.abs(value - (expected[at] as number))), 0);
}

/** Rows of the word table that the batch uses, or does not. */
function wordRows(used: boolean): number[] {
  const words = new Set([...(localFeeds(set)['batch.words']?.data ?? [])].map(Number));
  return Array.from({ length: tinyConfig.encoder.vocabularySize }, (_, row) => row).filter(
    (row) => words.has(row) === used,
  );
}

function rowOf(table: FloatTensor | undefined, row: number): Float32Array {
  const D = tinyConfig.encoder.hiddenSize;
  return (table?.data ?? new Float32Array()).slice(row * D, (row + 1) * D);
}

describe('the training step', () => {
  let step: CompiledStep;

  beforeAll(async () => {
    step = await compileStep(tinyPlan(initial), cpu(2));
  });
  afterAll(() => step.close());

  it('is a dense AdamW in float64, for all weights and for the rows of the batch', async () => {
    const { state, losses } = await trained(step);
    const expected = denseReference();
    expect(worstDifference(losses, expected.losses)).toBeLessThan(1e-5);
    for (const [name, { data }] of state.parameters) {
      // The gradient of the key's bias is 0 but for rounding, and Adam makes whole steps out of the rounding.
      if (name === WORDS || name.endsWith('key.bias')) continue;
      expect(worstDifference(data, expected.values[name]?.data ?? []), name).toBeLessThan(1e-4);
    }
    const D = tinyConfig.encoder.hiddenSize;
    for (const row of wordRows(true)) {
      const dense = expected.values[WORDS]?.data.slice(row * D, (row + 1) * D) ?? [];
      expect(worstDifference(rowOf(state.parameters.get(WORDS), row), dense), `word ${row}`).toBeLessThan(1e-4);
    }
  });

  it('leaves words that are not in the batch as they are, bit for bit', async () => {
    const { state } = await trained(step);
    expect(wordRows(false).length).toBeGreaterThan(5);
    for (const row of wordRows(false)) {
      expect(rowOf(state.parameters.get(WORDS), row)).toEqual(rowOf(initial.get(WORDS), row));
      expect(new Set(rowOf(state.first.get(WORDS), row))).toEqual(new Set([0]));
      expect(new Set(rowOf(state.second.get(WORDS), row))).toEqual(new Set([0]));
    }
    for (const row of wordRows(true)) {
      expect(rowOf(state.parameters.get(WORDS), row)).not.toEqual(rowOf(initial.get(WORDS), row));
    }
  });

  it('gives the same bits every time, with 2 threads', async () => {
    const first = await trained(step);
    for (let repeat = 0; repeat < 5; repeat++) expect(await trained(step)).toEqual(first);
    const again = await compileStep(tinyPlan(initial), cpu(2));
    expect(await trained(again)).toEqual(first);
    await again.close();
  });

  it('leaves the parameters that it starts from alone', async () => {
    const before = loudParameters(tinyConfig, 1);
    await trained(step, 1);
    expect(initial).toEqual(before);
  });

  it('learns the batch by heart', async () => {
    const { losses } = await trained(step, 150);
    expect(losses.at(-1)).toBeLessThan(0.1 * (losses[0] ?? 0));
  });
});

describe('writing in place', () => {
  /** The step of a fresh copy of the module, with what its search for places to overwrite found replaced. */
  async function stepWith(choose: <Pair>(found: Pair[]) => Pair[]): Promise<{ step: CompiledStep; copied: Node[] }> {
    const original = await vi.importActual<typeof import('../graph/overwrite.ts')>('../graph/overwrite.ts');
    const copied: Node[] = [];
    const overwritable: typeof original.overwritable = (outputs, pairs) => {
      const chosen = choose(original.overwritable(outputs, pairs));
      for (const pair of pairs) if (!chosen.includes(pair)) copied.push(pair.source);
      return chosen;
    };
    vi.resetModules();
    vi.doMock('../graph/overwrite.ts', () => ({ ...original, overwritable }));
    try {
      const fresh = await import('./step.ts');
      const kit = await import('../../test/tiny-bert.kit.ts');
      return { step: await fresh.compileStep(kit.tinyPlan(initial), cpu(2)), copied };
    } finally {
      vi.doUnmock('../graph/overwrite.ts');
      vi.resetModules();
    }
  }

  it('gives the bits that copying gives, for every weight and moment', async () => {
    const inPlace = await stepWith((found) => found);
    const copying = await stepWith(() => []);
    // Every update waits for the norm of all gradients, and so for every reader of what it overwrites.
    expect(inPlace.copied).toEqual([]);
    // The rows of words are written by themselves.
    expect(copying.copied).toHaveLength(3 * (initial.size - 1));
    expect(await trained(inPlace.step)).toEqual(await trained(copying.step));
    await Promise.all([inPlace.step.close(), copying.step.close()]);
  });
});
