/** Regrouping and ensembling against plain loops over slots, and by what they promise: every row in every slot once, among others each time. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupPredictor, numberedSet } from '../../test/group-predictor.kit.ts';
import { loudParameters, tinyConfig, tinySet } from '../../test/tiny-bert.kit.ts';
import { type FloatTensor, random } from '../base/index.ts';
import { cpu } from '../runtime/index.ts';
import { planBatches } from './batches.ts';
import { batchFeeds, openPredictor, type Predictor, predictLogits } from './predictor.ts';
import { type Regrouping, regroup, slotCopies } from './regrouping.ts';

const sizes = fc.record({ groups: fc.integer({ min: 1, max: 30 }), instances: fc.integer({ min: 1, max: 10 }) });

describe('regroup', () => {
  const regroupings: fc.Arbitrary<Regrouping> = sizes.chain(({ groups, instances }) =>
    fc.record({
      groups: fc.constant(groups),
      instances: fc.constant(instances),
      rotation: fc.nat(instances - 1),
      shifts: fc.array(fc.nat(groups - 1), { minLength: instances, maxLength: instances }),
    }),
  );

  it('is the plain loop that moves every row', () => {
    fc.assert(
      fc.property(regroupings, ({ groups, instances, rotation, shifts }) => {
        const moved: number[] = [];
        for (let group = 0; group < groups; group++) {
          for (let slot = 0; slot < instances; slot++) {
            const [toGroup, toSlot] = [(group + (shifts[slot] ?? 0)) % groups, (slot + rotation) % instances];
            moved[toGroup * instances + toSlot] = group * instances + slot;
          }
        }
        expect(regroup({ groups, instances, rotation, shifts })).toEqual(moved);
        expect(moved.toSorted((a, b) => a - b)).toEqual([...moved.keys()]);
      }),
    );
  });
});

describe('the copies of a batch', () => {
  const copiesOf = (groups: number, instances: number) => {
    const examples = Array.from({ length: groups * instances }, (_, row) => row);
    return slotCopies({ examples, weights: examples.map(() => 1), tokens: 8 }, instances);
  };

  it('have every row in every slot once; the first is the batch itself', () => {
    fc.assert(
      fc.property(sizes, ({ groups, instances }) => {
        const copies = copiesOf(groups, instances);
        const slots: Set<number>[] = Array.from({ length: groups * instances }, () => new Set());
        for (const { examples } of copies) {
          for (const [place, row] of examples.entries()) slots[row]?.add(place % instances);
          expect(examples.toSorted((a, b) => a - b)).toEqual([...slots.keys()]);
        }
        expect(slots.every(({ size }) => size === instances)).toBe(true);
        expect(copies[0]?.examples).toEqual([...slots.keys()]);
      }),
    );
  });

  it('never bring two rows together twice, where there are groups enough', () => {
    for (const [groups, instances] of [
      [2, 2],
      [10, 4],
      [17, 5],
    ] as const) {
      const met = new Set<string>();
      let pairs = 0;
      for (const { examples } of copiesOf(groups, instances)) {
        for (const [place, row] of examples.entries()) {
          const group = examples.slice(place - (place % instances), place - (place % instances) + instances);
          for (const other of group.filter((member) => member !== row)) {
            met.add(`${row} ${other}`);
            pairs++;
          }
        }
      }
      expect(met.size, `${groups} groups of ${instances}`).toBe(pairs);
    }
  });
});

const N = 3;
const C = tinyConfig.labels.length;
const config = {
  ...tinyConfig,
  mux: { instances: N, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' },
} as const;
const options = { maxTokens: 6, groups: 4, grouping: 5 };

/** The mean over slots: for each, the plan's columns are moved by hand, and every group is run alone. */
async function loopOverSlots(predictor: Predictor): Promise<number[]> {
  const { encodings, lengths, padId } = set;
  const sums = new Array<number>(encodings.length * C).fill(0);
  const order = random(options.grouping, 'grouping').shuffle(encodings.map((_, row) => row));
  for (const { examples, weights, tokens } of planBatches(order, lengths, { rows: 4 * N, maxTokens: 6 })) {
    const groups = Math.ceil(weights.filter((weight) => weight === 1).length / N);
    for (let copy = 0; copy < N; copy++) {
      for (let group = 0; group < groups; group++) {
        const rows = Array.from({ length: N }, (_, slot) => {
          const home = (slot - copy + N) % N;
          return ((group + groups * N - home * copy) % groups) * N + home;
        });
        const plan = { examples: rows.map((row) => examples[row] ?? 0), weights: rows.map(() => 1 as const), tokens };
        const { data } = await predictor.run(batchFeeds(encodings, plan, padId));
        for (const [slot, row] of rows.entries()) {
          if (weights[row] === 0) continue;
          for (let label = 0; label < C; label++) {
            const cell = (examples[row] ?? 0) * C + label;
            sums[cell] = (sums[cell] ?? 0) + (data[slot * C + label] ?? 0) / N;
          }
        }
      }
    }
  }
  return sums;
}

const set = tinySet(29);

describe('ensembling', () => {
  let predictor: Predictor;
  beforeAll(async () => {
    predictor = await openPredictor(config, loudParameters(config, 1), cpu(1));
  });
  afterAll(() => predictor.close());

  const logitsOf = (ensemble: boolean): Promise<readonly FloatTensor[]> =>
    predictLogits(predictor, set.encodings, { ...options, padId: set.padId, ensemble });

  it('is the mean of a plain loop over slots, fillers left out', async () => {
    const [ensembled, expected, single] = [await logitsOf(true), await loopOverSlots(predictor), await logitsOf(false)];
    const worst = (of: readonly FloatTensor[]): number => {
      const values = of.flatMap(({ data }) => [...data]);
      return expected.reduce((most, value, at) => Math.max(most, Math.abs(value - (values[at] ?? Number.NaN))), 0);
    };
    expect(ensembled.map(({ shape }) => shape)).toEqual(Array(29).fill([C]));
    expect(worst(ensembled)).toBeLessThan(1e-5);
    expect(worst(single)).toBeGreaterThan(1e-2);
  });

  it('asks every text in every slot once, for any number of texts, inputs and groups', async () => {
    const texts = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(texts, sizes, async (lengths, { groups, instances }) => {
        // A power of 2 for each slot: their mean says which were counted, and how often.
        const fake = groupPredictor(instances, ({ row, slot }) => [2 ** slot, row]);
        const asked = { padId: 0, maxTokens: 8, groups, ensemble: true };
        const logits = await predictLogits(fake, numberedSet(lengths).encodings, asked);
        for (const [row, { data }] of logits.entries()) {
          expect((data[0] ?? 0) * instances).toBeCloseTo(2 ** instances - 1, 2);
          expect(data[1]).toBeCloseTo(row, 4);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('changes nothing where texts go alone', async () => {
    const alone = await openPredictor(tinyConfig, loudParameters(tinyConfig, 1), cpu(1));
    const plain = { ...options, padId: set.padId };
    const single = await predictLogits(alone, set.encodings, plain);
    expect(await predictLogits(alone, set.encodings, { ...plain, ensemble: true })).toEqual(single);
    await alone.close();
  });
});
