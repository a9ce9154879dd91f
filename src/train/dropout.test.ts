/** Dropout from a pool of masks: the share that is dropped, what it leaves, and that a step of a seed always drops the same. */
import { describe, expect, it } from 'vitest';
import { type FloatTensor, float32, sizeOf } from '../base/index.ts';
import { attach, input, type Node, site } from '../graph/index.ts';
import { compile, cpu } from '../runtime/index.ts';
import { Dropout, dropoutPool } from './dropout.ts';

const PROBABILITY = 0.1;
const SHAPE = [64, 50, 20];
const SEED = 5;

/** Two sites that drop and one that does not, over inputs of ones. */
function graph(): { outputs: Record<string, Node>; dropout: Dropout } {
  const dropout = new Dropout();
  const x = input('x', SHAPE);
  const marked = [site(x, 'one.dropout'), site(x, 'other.dropout'), site(x, 'plain')];
  const [one, other, plain] = attach(marked, [dropout.handler]) as [Node, Node, Node];
  return { outputs: { one, other, plain }, dropout };
}

async function dropped(seed: number, step: number): Promise<Record<'one' | 'other' | 'plain', Float32Array>> {
  const { outputs, dropout } = graph();
  const session = await compile({ outputs }, cpu(2));
  const results = await session.run({
    x: float32(new Float32Array(sizeOf(SHAPE)).fill(1), SHAPE),
    'dropout.pool': dropoutPool(PROBABILITY, seed, dropout.poolSize),
    ...dropout.offsets(seed, step),
  });
  await session.close();
  const data = (name: string): Float32Array => (results[name] as FloatTensor).data;
  return { one: data('one'), other: data('other'), plain: data('plain') };
}

const share = (values: Float32Array): number => values.filter((value) => value === 0).length / values.length;

describe('dropout', () => {
  it('drops the asked share and scales the rest so that the mean stays', async () => {
    const { one, other, plain } = await dropped(SEED, 1);
    // 64,000 draws: a deviation of 0.0012.
    expect(share(one)).toBeCloseTo(PROBABILITY, 2);
    expect(share(other)).toBeCloseTo(PROBABILITY, 2);
    expect(new Set(one)).toEqual(new Set([0, Math.fround(1 / (1 - PROBABILITY))]));
    expect(new Set(plain)).toEqual(new Set([1]));
  });

  it('drops the same in the same step of the same seed, and else other elements', async () => {
    const first = await dropped(SEED, 1);
    expect(await dropped(SEED, 1)).toEqual(first);
    expect((await dropped(SEED, 2)).one).not.toEqual(first.one);
    expect((await dropped(SEED + 1, 1)).one).not.toEqual(first.one);
    expect(first.one).not.toEqual(first.other);
  });

  it('reads the same windows from a longer pool, as a resumed run may have', () => {
    const [short, long] = [dropoutPool(PROBABILITY, SEED, 1000), dropoutPool(PROBABILITY, SEED, 5000)];
    expect(long.data.slice(0, 1000)).toEqual(short.data);
  });

  it('keeps its windows inside the pool', () => {
    const { dropout } = graph();
    for (let step = 1; step < 200; step++) {
      for (const offset of Object.values(dropout.offsets(SEED, step))) {
        expect(Number(offset.data[0]) + sizeOf(SHAPE)).toBeLessThanOrEqual(dropout.poolSize);
      }
    }
  });

  it('needs no pool where nothing drops', () => {
    expect(new Dropout().poolSize).toBe(0);
  });
});
