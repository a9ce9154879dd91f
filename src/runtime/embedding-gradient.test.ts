/**
 * The gradient of an embedding with many duplicate ids, against a plain loop. ONNX Runtime's `ScatterND` with reduction `add` loses updates
 * there as soon as it has several threads: with these very ids, 7 rows, it was off by 30.
 */
import { expect, it } from 'vitest';
import { type FloatTensor, float32, int64, random } from '../base/index.ts';
import { gather, gradients, input, mul, type Node, reduceSum, scatterAdd } from '../graph/index.ts';
import { compile, cpu } from './index.ts';

const [TOKENS, D] = [4096, 64];
const THREADS = 4;
const REPEATS = 20;

const draws = random(1, 'embedding gradient');
const updates = Float32Array.from({ length: TOKENS * D }, () => draws.normal());

/** Every update added to the row of its id, in float64. */
function addedByLoop(ids: Int32Array, rows: number): Float64Array {
  const sums = new Float64Array(rows * D);
  ids.forEach((id, token) => {
    for (let d = 0; d < D; d++) sums[id * D + d] = (sums[id * D + d] as number) + (updates[token * D + d] as number);
  });
  return sums;
}

type Build = (ids: Node, updates: Node, rows: number) => Node;

/** Σ updates ⊙ table[ids], whose gradient for the table is the sum of the updates by id. */
const ofGather: Build = (ids, updates, rows) => {
  const table = input('table', [rows, D]);
  return gradients(reduceSum(mul(gather(table, ids), updates), [0, 1]), [table])[0] as Node;
};

const CASES: readonly (readonly [title: string, rows: number, build: Build])[] = [
  ['scatterAdd into 7 rows', 7, scatterAdd],
  ['the gradient of 7 gathered rows', 7, ofGather],
  ['the gradient of 40 gathered rows', 40, ofGather],
];

it.each(CASES)(`is a loop's sum, ${THREADS} threads, ${REPEATS} times the same bits: %s`, async (_, rows, build) => {
  const ids = Int32Array.from({ length: TOKENS }, () => draws.integer(rows));
  const sum = build(input('ids', [TOKENS], 'int64'), input('updates', [TOKENS, D]), rows);
  const session = await compile({ outputs: { sum } }, cpu(THREADS));
  const feeds = {
    ids: int64(ids, [TOKENS]),
    updates: float32(updates, [TOKENS, D]),
    table: float32(new Float32Array(rows * D), [rows, D]),
  };
  const expected = addedByLoop(ids, rows);
  const runs: Float32Array[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const { data } = (await session.run(feeds)).sum as FloatTensor;
    runs.push(data);
    const worst = expected.reduce((most, value, at) => Math.max(most, Math.abs(value - (data[at] as number))), 0);
    expect(worst).toBeLessThan(1e-4);
  }
  for (const run of runs) expect(run).toEqual(runs[0]);
  await session.close();
});
