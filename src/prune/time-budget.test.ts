/** Expected times against plain float64 loops, and against the time of the structure where gates leave no doubt. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FloatTensor, float32, random, sizeOf } from '../base/index.ts';
import { gradients, input, type Node } from '../graph/index.ts';
import type { EncoderConfig, KeptStructure } from '../model/index.ts';
import { presetConfig } from '../model/index.ts';
import { compile, cpu, type Session } from '../runtime/index.ts';
import { wholeStructure } from './budget.ts';
import { GATE_FAMILIES, type GateFamily, gateName, gateNodes, gateShapes, keepProbabilityOf } from './gates.ts';
import { gateTensors, hardGatesAt } from './hard-gates.ts';
import { expectedPassTime, interpolation, passTime, type TimeTable, timeBudget } from './time-budget.ts';

const [D, H, F, L] = [32, 4, 48, 3];
const encoder: EncoderConfig = {
  ...presetConfig('tiny'),
  hiddenSize: D,
  headSize: D / H,
  layers: Array.from({ length: L }, () => ({ heads: H, intermediateSize: F })),
};

/** Times that rise with every width, by no rule that interpolation could know. */
const rows = (widths: number, scale: number): number[][] =>
  Array.from({ length: widths }, (_, at) =>
    [8, 16, D].map((size) => scale * at * (1 + Math.sqrt(size)) + 0.1 * at ** 2),
  );

const table: TimeTable = {
  heads: [0, 1, 2, H],
  units: [0, 8, 24, F],
  hidden: [8, 16, D],
  rest: [1, 1.5, 3],
  places: {
    rows: { attention: rows(4, 2), feedForward: rows(4, 3) },
    groups: { attention: rows(4, 1), feedForward: rows(4, 1.5) },
    read: { attention: rows(4, 0.5), feedForward: rows(4, 0.1) },
  },
  prefillLayers: 1,
  isReadInPart: true,
  multiples: { hidden: 1, units: 1 },
};

/** Linear between the two points around x. */
function between(grid: readonly number[], values: readonly number[], x: number): number {
  if (x <= (grid[0] ?? 0)) return values[0] ?? Number.NaN;
  const end = grid.findIndex((point) => point >= x);
  if (end < 0) return values.at(-1) ?? Number.NaN;
  const [a = 0, b = 0] = [grid[end - 1], grid[end]];
  const [from = 0, to = 0] = [values[end - 1], values[end]];
  return from + ((to - from) * (x - a)) / (b - a);
}

it('interpolates linearly, and not beyond the ends', () => {
  fc.assert(
    fc.property(fc.double({ min: -5, max: 60, noNaN: true }), (x) => {
      const weights = interpolation(table.units, x);
      const values = [1, 7, 3, 20];
      const got = weights.reduce((sum, weight, at) => sum + weight * (values[at] ?? 0), 0);
      expect(got).toBeCloseTo(between(table.units, values, x), 9);
      expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
    }),
  );
});

const names = GATE_FAMILIES.map((family) => gateName(family));

describe('the expected time of a pass', () => {
  let session: Session;

  beforeAll(async () => {
    const shapes = gateShapes(encoder);
    const logAlpha = gateNodes((name) => input(name, shapes.get(name) ?? []));
    const time = expectedPassTime(table, logAlpha);
    const slopes = gradients(
      time,
      GATE_FAMILIES.map((family) => logAlpha[family]),
    );
    const named = Object.fromEntries(names.map((name, at) => [`d ${name}`, slopes[at] as Node]));
    session = await compile({ outputs: { time, ...named } }, cpu(1));
  });
  afterAll(() => session.close());

  function drawn(seed: number, spread: number): Record<string, FloatTensor> {
    const draws = random(seed, 'logAlpha');
    return Object.fromEntries(
      Array.from(gateShapes(encoder), ([name, shape]) => {
        const data = Float32Array.from({ length: sizeOf(shape) }, () => spread * draws.normal());
        return [name, float32(data, shape)];
      }),
    );
  }

  /** In float64, layer by layer. */
  function expectedOf(logAlpha: Record<string, FloatTensor>): number {
    const p = (family: GateFamily, from: number, count: number): number[] =>
      Array.from(logAlpha[gateName(family)]?.data.slice(from, from + count) ?? [], keepProbabilityOf);
    const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
    const dimensions = sum(p('hidden', 0, D));
    const of = (grid: readonly number[], times: readonly (readonly number[])[], width: number): number =>
      between(
        table.hidden,
        [0, 1, 2].map((at) =>
          between(
            grid,
            times.map((row) => row[at] ?? 0),
            width,
          ),
        ),
        dimensions,
      );
    let time = between(table.hidden, table.rest, dimensions);
    for (const [at, place] of (['rows', 'groups', 'read'] as const).entries()) {
      const times = table.places[place];
      const [attention = 0, ffn = 0] = [...p('attention', at, 1), ...p('ffn', at, 1)];
      time += attention * of(table.heads, times?.attention ?? [], sum(p('heads', at * H, H)));
      time += ffn * of(table.units, times?.feedForward ?? [], sum(p('intermediate', at * F, F)));
    }
    return time;
  }

  it('is that of plain loops, and so are its gradients', async () => {
    const property = fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), async (seed) => {
      const logAlpha = drawn(seed, 2);
      const got = await session.run(logAlpha);
      expect(Number(got.time?.data[0]) / expectedOf(logAlpha)).toBeCloseTo(1, 5);
      for (const name of names) {
        const data = logAlpha[name]?.data ?? new Float32Array();
        const at = seed % data.length;
        const moved = (by: number): number => {
          const other = Float32Array.from(data);
          other[at] = (other[at] ?? 0) + by;
          return expectedOf({ ...logAlpha, [name]: float32(other, logAlpha[name]?.shape ?? []) });
        };
        const step = 2 ** -10;
        const slope = (moved(step) - moved(-step)) / (2 * step);
        expect(Math.abs(Number(got[`d ${name}`]?.data[at]) - slope)).toBeLessThan(1e-3 * Math.max(1, Math.abs(slope)));
      }
    });
    await fc.assert(property, { numRuns: 40, seed: 2 });
  });

  it('is that of the structure where every gate is surely open or shut', async () => {
    const property = fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), async (seed) => {
      const draws = random(seed, 'kept');
      const some = (count: number): number[] => [...Array(count).keys()].filter(() => draws.uniform() < 0.5);
      const layers = Array.from({ length: L }, () => ({ heads: some(H), intermediate: some(F) }));
      const kept: KeptStructure = { hidden: [0, ...some(D - 1).map((at) => at + 1)], layers };
      fc.pre((layers.at(-1)?.heads.length ?? 0) > 0); // or an earlier attention is the last, which nobody expects
      const hard = gateTensors(encoder, kept);
      const sure = GATE_FAMILIES.map((family): [string, FloatTensor] => {
        const { data, shape } = hard.get(gateName(family, 'hard')) as FloatTensor;
        return [
          gateName(family),
          float32(
            data.map((gate) => 80 * (2 * gate - 1)),
            shape,
          ),
        ];
      });
      const { time } = await session.run(Object.fromEntries(sure));
      expect(Number(time?.data[0]) / passTime(table, kept)).toBeCloseTo(1, 5);
    });
    await fc.assert(property, { numRuns: 40, seed: 4 });
  });
});

describe('the time of a structure', () => {
  const whole = wholeStructure(encoder);
  const layer = (heads: number, units: number) => ({
    heads: [...Array(heads).keys()],
    intermediate: [...Array(units).keys()],
  });

  it('takes the last attention that is left for the one that reads in part, and what follows it', () => {
    const kept = { hidden: whole.hidden, layers: [layer(0, 0), layer(2, 8), layer(0, 24)] };
    const at = (place: 'groups' | 'read', family: 'attention' | 'feedForward', row: number): number =>
      table.places[place]?.[family][row]?.[2] ?? Number.NaN;
    expect(passTime(table, kept)).toBeCloseTo(
      3 + at('read', 'attention', 2) + at('read', 'feedForward', 1) + at('read', 'feedForward', 2),
      9,
    );
    expect(passTime({ ...table, isReadInPart: false }, kept)).toBeCloseTo(
      3 + at('groups', 'attention', 2) + at('groups', 'feedForward', 1) + at('groups', 'feedForward', 2),
      9,
    );
  });

  it('is nothing but the rest where no layer is left', () => {
    expect(passTime(table, { hidden: whole.hidden, layers: encoder.layers.map(() => layer(0, 0)) })).toBe(3);
  });
});

describe('a budget of time', () => {
  const budget = timeBudget(encoder, { ...table, multiples: { hidden: 4, units: 8 } }, 1.6);

  it('counts from what multiplexing makes of it: levels and shares are each other', () => {
    expect(budget.saved(wholeStructure(encoder))).toBeCloseTo(0, 12);
    expect(budget.levelAt(0)).toBe(1.6);
    expect(budget.shareAt(1.6)).toBe(0);
    expect(budget.levelAt(budget.shareAt(5))).toBeCloseTo(5, 12);
  });

  it('is met by the gates that are decided for it, in widths that kernels like', () => {
    const draws = random(1, 'gates');
    const logAlpha = new Map(
      Array.from(gateShapes(encoder), ([name, shape]) => [
        name,
        float32(
          Float32Array.from({ length: sizeOf(shape) }, () => 2 * draws.normal()),
          shape,
        ),
      ]),
    );
    for (const speedup of [2, 3, 4]) {
      const share = budget.shareAt(speedup);
      const { hidden, layers } = hardGatesAt(encoder, logAlpha, budget, share);
      expect(budget.saved({ hidden, layers })).toBeGreaterThanOrEqual(share);
      expect(hidden.length % 4).toBe(0);
      for (const { intermediate } of layers) expect(intermediate.length % 8).toBe(0);
    }
  });
});
