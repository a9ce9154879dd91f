/** Deciding for a speed on a machine that is simulated: its true times are known, and the table that was measured of it is wrong. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConfigError, float32, type ParameterTree, random, sizeOf } from '../base/index.ts';
import { type ModelConfig, presetConfig } from '../model/index.ts';
import {
  gateShapes,
  passTime,
  type SubLayerTimes,
  slicePruned,
  type TimeTable,
  wholeStructure,
} from '../prune/index.ts';
import { cpu } from '../runtime/index.ts';
import { RunFolder } from './checkpoint.ts';
import { type GoalContext, type Stopwatch, speedupGoal } from './pruning-goal.ts';

const encoder = presetConfig('mini', 10);
const config: ModelConfig = { encoder, labels: ['a', 'b'], featureSize: encoder.hiddenSize };
const UNPRUNED = 1.9;

/** Times per layer: each sub-layer so much at full width, in proportion below, and `start` as soon as there is one. */
function tableOf(attention: number, feedForward: number, start: number): TimeTable {
  const proportional = (widths: readonly number[], most: number): number[][] =>
    widths.map((width) =>
      [0.3, 0.55, 1].map((size) => (width === 0 ? 0 : start + (most * size * width) / (widths.at(-1) ?? 1))),
    );
  const heads = [0, 1, 2, 3, 4];
  const units = [0, 32, 64, 128, 256, 512, 1024];
  const times: SubLayerTimes = {
    attention: proportional(heads, attention),
    feedForward: proportional(units, feedForward),
  };
  return {
    ...{ heads, units, hidden: [64, 128, 256], rest: [0.2, 0.3, 0.4] },
    ...{ prefillLayers: 0, isReadInPart: false, places: { groups: times } },
    multiples: { hidden: 1, units: 8 },
  };
}

const measuredTable = tableOf(1, 2, 0.05);

let base: string;
let count = 0;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'prumux-goal-'));
});
afterAll(() => rm(base, { recursive: true, force: true }));

/** A machine of those true times; how often it was asked for a pace. */
function machineOf(truth: TimeTable): Stopwatch & { asked: number } {
  const dense = passTime(truth, wholeStructure(encoder));
  return {
    asked: 0,
    async pace(model) {
      this.asked++;
      const ratio = (UNPRUNED * dense) / passTime(truth, wholeStructure(model.config.encoder));
      return { ratio, groups: 16, streams: 2 };
    },
    times: async () => measuredTable,
  };
}

function contextIn(folder: RunFolder): GoalContext {
  const model = { config, parameters: new Map() };
  const run = { seed: 1, placement: cpu(1), folder, onStep: () => undefined };
  const evaluationSet = { encodings: [], lengths: [], labels: [], positions: [], task: 'sequence', padId: 0 } as const;
  return { teacher: model, teacherSet: evaluationSet, student: model, evaluationSet, maxTokens: 16, run };
}

const freshContext = (): GoalContext => contextIn(new RunFolder(join(base, String(count++)), 'fingerprint'));

function learned(seed: number): ParameterTree {
  const draws = random(seed, 'learned');
  return new Map(
    Array.from(gateShapes(encoder), ([name, shape]) => [
      name,
      float32(
        Float32Array.from({ length: sizeOf(shape) }, () => Math.max(-4.6, Math.min(4.6, 3 * draws.normal()))),
        shape,
      ),
    ]),
  );
}

it('reaches the speed within 10 %, also where the table is up to a third off', async () => {
  const off = fc.double({ min: 0.75, max: 1.35, noNaN: true });
  const property = fc.asyncProperty(off, off, fc.constantFrom(3, 5, 8), fc.nat(1000), async (a, f, level, seed) => {
    const goal = await speedupGoal(freshContext(), machineOf(tableOf(a, 2 * f, 0.05 * f)));
    const logAlpha = learned(seed);
    const slice = (gates: Parameters<typeof slicePruned>[2]) => slicePruned(config, new Map(), gates);
    const model = slice(await goal.decide(level, { logAlpha, slice }));
    const { speedup } = await goal.figures(level, model);
    expect(speedup?.asked).toBe(level);
    expect(Math.abs((speedup?.measured ?? 0) / level - 1)).toBeLessThan(0.1);
  });
  await fc.assert(property, { numRuns: 12, seed: 6 });
});

it('predicts what is measured where the table is right, and decides at once', async () => {
  const machine = machineOf(measuredTable);
  const goal = await speedupGoal(freshContext(), machine);
  const slice = (gates: Parameters<typeof slicePruned>[2]) => slicePruned(config, new Map(), gates);
  const gates = await goal.decide(4, { logAlpha: learned(1), slice });
  expect(machine.asked).toBe(2); // once before pruning
  const { speedup } = await goal.figures(4, slice(gates));
  expect(speedup?.predicted).toBeCloseTo(speedup?.measured ?? 0, 6);
});

it('does not measure or decide again what a run before has', async () => {
  const context = freshContext();
  const slice = (gates: Parameters<typeof slicePruned>[2]) => slicePruned(config, new Map(), gates);
  const first = await (await speedupGoal(context, machineOf(measuredTable))).decide(4, { logAlpha: learned(1), slice });
  const machine = machineOf(measuredTable);
  const goal = await speedupGoal(context, machine);
  expect(await goal.decide(4, { logAlpha: learned(2), slice })).toEqual(first);
  expect(machine.asked).toBe(0);
});

it('keeps the gates of a level where the run goes on elsewhere, and measures that machine anew', async () => {
  const context = freshContext();
  const slice = (gates: Parameters<typeof slicePruned>[2]) => slicePruned(config, new Map(), gates);
  const first = await (await speedupGoal(context, machineOf(measuredTable))).decide(4, { logAlpha: learned(1), slice });
  const elsewhere = { ...context, run: { ...context.run, placement: cpu(2) } };
  const machine = machineOf(tableOf(2, 1, 0.1));
  const goal = await speedupGoal(elsewhere, machine);
  expect(machine.asked).toBe(1);
  expect(await goal.decide(4, { logAlpha: learned(2), slice })).toEqual(first);
  expect(machine.asked).toBe(1);
});

it('says how fast the machine can be where more is asked', async () => {
  const { budget } = await speedupGoal(freshContext(), machineOf(measuredTable));
  expect(() => budget.shareAt(1000)).toThrow(ConfigError);
  // UNPRUNED · (0.4 + 4 · (1.05 + 2.05)) / 0.2
  expect(() => budget.shareAt(1000)).toThrow(/^speedup: expected below 121\.6.*got 1000/);
});
