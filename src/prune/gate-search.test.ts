/** The choice of heads and units against trying every choice, and exchanges against the whole quadratic form. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FloatTensor, float32 } from '../base/index.ts';
import type { EncoderConfig } from '../model/index.ts';
import { presetConfig } from '../model/index.ts';
import type { Fisher } from './fisher.ts';
import { rearrangeGates, searchGates } from './gate-search.ts';
import type { HardGates } from './hard-gates.ts';
import { realisedSparsity } from './sparsity.ts';

const [D, H, K, F, L] = [4, 2, 2, 3, 2];

const config: EncoderConfig = {
  ...presetConfig('tiny', 10),
  hiddenSize: D,
  headSize: K,
  layers: Array.from({ length: L }, () => ({ heads: H, intermediateSize: F })),
};

/** G Gᵀ of gradients of 5 examples, as information is: [n, n] */
const anyBlock = (n: number): fc.Arbitrary<FloatTensor> =>
  fc
    .array(fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 5, maxLength: 5 }), { minLength: n, maxLength: n })
    .map((rows) => {
      const product = (a: number[], b: number[]): number => a.reduce((sum, x, at) => sum + x * (b[at] ?? 0), 0);
      return float32(
        rows.flatMap((row) => rows.map((other) => product(row, other))),
        [n, n],
      );
    });

const anyFisher: fc.Arbitrary<Fisher> = fc.array(fc.record({ heads: anyBlock(H), intermediate: anyBlock(F) }), {
  minLength: L,
  maxLength: L,
});

function missing(kept: readonly number[], size: number): number[] {
  return Array.from({ length: size }, (_, at) => at).filter((at) => !kept.includes(at));
}

/** Σ over layers of Σ Iᵢⱼ over the cut parts i and j, or of Σ Iᵢᵢ. */
function lossOf({ layers }: HardGates, fisher: Fisher, pairs: (i: number, j: number) => boolean): number {
  const ofBlock = ({ data, shape: [size = 0] }: FloatTensor, kept: readonly number[]): number => {
    const cut = missing(kept, size);
    const counted = cut.flatMap((i) => cut.filter((j) => pairs(i, j)).map((j) => data[i * size + j] as number));
    return counted.reduce((sum, value) => sum + value, 0);
  };
  return fisher.reduce((sum, { heads, intermediate }, at) => {
    const kept = layers[at];
    return sum + ofBlock(heads, kept?.heads ?? []) + ofBlock(intermediate, kept?.intermediate ?? []);
  }, 0);
}

const diagonal = (i: number, j: number): boolean => i === j;
const everyPair = (): boolean => true;

/** Every subset of 0 … size - 1 but the empty one. */
function choices(size: number): number[][] {
  return Array.from({ length: 2 ** size - 1 }, (_, bits) =>
    Array.from({ length: size }, (__, at) => at).filter((at) => ((bits + 1) >> at) % 2 === 1),
  );
}

/** All ways to keep at least a head and a unit of both layers. */
function everyChoice(): HardGates[] {
  const hidden = Array.from({ length: D }, (_, at) => at);
  const ofLayer = choices(H).flatMap((heads) => choices(F).map((intermediate) => ({ heads, intermediate })));
  return ofLayer.flatMap((first) => ofLayer.map((second) => ({ hidden, layers: [first, second] })));
}

const EVERY_CHOICE = everyChoice();

describe('searchGates', () => {
  it('loses as little as the best of all choices that remove as much', () => {
    const property = fc.property(anyFisher, fc.double({ min: 0, max: 0.6, noNaN: true }), (fisher, sparsity) => {
      const allowed = EVERY_CHOICE.filter((gates) => realisedSparsity(config, gates) >= sparsity - 1e-9);
      const least = Math.min(...allowed.map((gates) => lossOf(gates, fisher, diagonal)));
      const found = searchGates(config, fisher, sparsity);
      expect(realisedSparsity(config, found)).toBeGreaterThanOrEqual(sparsity - 1e-9);
      expect(lossOf(found, fisher, diagonal)).toBeCloseTo(least, 6);
    });
    fc.assert(property, { numRuns: 60 });
  });

  it('keeps everything at sparsity 0', () => {
    const fisher = Array.from({ length: L }, () => ({
      heads: float32(new Float32Array(H * H), [H, H]),
      intermediate: float32(new Float32Array(F * F), [F, F]),
    }));
    const all = [
      { heads: [0, 1], intermediate: [0, 1, 2] },
      { heads: [0, 1], intermediate: [0, 1, 2] },
    ];
    expect(searchGates(config, fisher, 0).layers).toEqual(all);
    expect(() => searchGates(config, fisher, 0.9)).toThrow(/sparsity: expected at most 0\.\d+ without training/);
  });
});

describe('rearrangeGates', () => {
  it('ends where no exchange within a sub-layer would lower the loss, and not above where it began', () => {
    const property = fc.property(anyFisher, fc.nat(EVERY_CHOICE.length - 1), (fisher, chosen) => {
      const before = EVERY_CHOICE[chosen] as HardGates;
      const after = rearrangeGates(before, fisher);
      const counts = ({ layers }: HardGates) => layers.map((l) => [l.heads.length, l.intermediate.length]);
      expect(counts(after)).toEqual(counts(before));
      const loss = lossOf(after, fisher, everyPair);
      expect(loss).toBeLessThanOrEqual(lossOf(before, fisher, everyPair));
      for (const other of EVERY_CHOICE.filter((gates) => isOneExchangeAway(gates, after))) {
        expect(lossOf(other, fisher, everyPair)).toBeGreaterThanOrEqual(loss - 1e-3);
      }
    });
    fc.assert(property, { numRuns: 40 });
  });

  it('ends where nothing is lost, and nothing could be gained', () => {
    const nothing = float32(new Float32Array(F * F), [F, F]);
    // Of three units two are dead.
    const dead = float32([4, 0, 0, 0, 0, 0, 0, 0, 0], [F, F]);
    const none = float32(new Float32Array(H * H), [H, H]);
    for (const intermediate of [nothing, dead]) {
      const kept = { hidden: [0], layers: [{ heads: [0], intermediate: [0, 1] }] };
      expect(rearrangeGates(kept, [{ heads: none, intermediate }])).toEqual(kept);
    }
  });

  it('ends whatever it is told, also of parts that do nothing, and what is no number', () => {
    const value = fc.oneof(fc.constant(0), fc.float({ min: -1, max: 1, noNaN: true }), fc.constant(Number.NaN));
    const size = 5;
    const cells = fc.array(value, { minLength: size * size, maxLength: size * size });
    const property = fc.property(cells, fc.subarray([0, 1, 2, 3, 4], { minLength: 1 }), (data, intermediate) => {
      const blocks = { heads: float32([1], [1, 1]), intermediate: float32(data, [size, size]) };
      const kept = { hidden: [0], layers: [{ heads: [0], intermediate }] };
      const [layer] = rearrangeGates(kept, [blocks]).layers;
      expect(layer?.intermediate).toHaveLength(intermediate.length);
    });
    fc.assert(property, { numRuns: 100 });
  });

  it('keeps one of two parts that do the same, which the diagonal alone takes for worthless', () => {
    const gradients = [1, 1, 1.2]; // cutting the first two would lose (1 + 1)² = 4, one of them and the last (1 - 1.2)²
    const signs = [1, 1, -1];
    const block = float32(
      gradients.flatMap((g, i) => gradients.map((other, j) => g * other * (signs[i] ?? 0) * (signs[j] ?? 0))),
      [F, F],
    );
    const none = float32(new Float32Array(H * H), [H, H]);
    const kept = { hidden: [0], layers: [{ heads: [0, 1], intermediate: [2] }] };
    const [layer] = rearrangeGates(kept, [{ heads: none, intermediate: block }]).layers;
    expect(layer?.intermediate).toHaveLength(1);
    expect(layer?.intermediate).not.toContain(2);
  });
});

function isOneExchangeAway(a: HardGates, b: HardGates): boolean {
  const moved = a.layers.flatMap((layer, at) => {
    const other = b.layers[at];
    const pairs = [
      [layer.heads, other?.heads ?? []],
      [layer.intermediate, other?.intermediate ?? []],
    ] as const;
    return pairs.map(([mine, its]) => [mine.length - its.length, mine.filter((part) => !its.includes(part)).length]);
  });
  const isSameSize = moved.every(([difference]) => difference === 0);
  return isSameSize && moved.reduce((sum, [, count = 0]) => sum + count, 0) === 1;
}
