/** When a result may be written over its input: only if every reader of the input comes before the write, in any order of execution. */
import { expect, it } from 'vitest';
import { add, input, matmul, mul, type Node, neg, reshape, site, slice, softmax } from './index.ts';
import { overwritable } from './overwrite.ts';

const w = input('w', [4, 4]);
const slope = input('slope', [4, 4]);
const updated = add(w, mul(slope, -0.1));

/** Whether `result` may be written over `w` in a graph of these outputs. */
function mayReplace(result: Node, others: readonly Node[] = []): boolean {
  return overwritable([result, ...others], [{ source: w, result }]).length === 1;
}

it('allows an elementwise update that nothing else reads', () => {
  expect(mayReplace(updated)).toBe(true);
});

it('allows readers that the update depends on', () => {
  expect(mayReplace(add(w, neg(matmul(w, w))))).toBe(true);
  expect(mayReplace(add(w, neg(matmul(neg(w), softmax(w)))))).toBe(true);
});

it('refuses a sum that may become one operator with a product that reads the input', () => {
  expect(mayReplace(add(w, matmul(w, w)))).toBe(false);
  expect(mayReplace(add(site(matmul(w, w), 'product'), w))).toBe(false);
});

it('refuses a reader that might come after the write', () => {
  expect(mayReplace(updated, [matmul(w, slope)])).toBe(false);
});

it('refuses an input that is asked for as it is', () => {
  expect(mayReplace(updated, [w])).toBe(false);
  const marked = site(site(w, 'inner'), 'outer');
  expect(mayReplace(add(marked, slope), [marked])).toBe(false);
});

it('counts who reads through views, which may share the memory', () => {
  const views: readonly [string, Node][] = [
    ['a reshape', reshape(w, [16])],
    ['a site', site(w, 'here')],
    ['a reshape of a site', reshape(site(w, 'here'), [2, 8])],
  ];
  for (const [name, view] of views) {
    expect(mayReplace(updated, [neg(view)]), name).toBe(false);
    expect(mayReplace(updated, [view]), name).toBe(false);
  }
  expect(mayReplace(add(w, reshape(neg(reshape(w, [16])), [4, 4])))).toBe(true);
});

it('refuses results that are not computed element by element', () => {
  expect(mayReplace(matmul(w, slope))).toBe(false);
  expect(mayReplace(softmax(w))).toBe(false);
  expect(mayReplace(slice(w, 0, 0, 4))).toBe(false);
});

it('judges every pair by itself', () => {
  const v = input('v', [4, 4]);
  const pairs = [
    { source: w, result: updated },
    { source: v, result: add(v, mul(w, 2)) },
  ] as const;
  // v's update reads w, and might do so after w's update was written.
  expect(overwritable([pairs[0].result, pairs[1].result], pairs)).toEqual([pairs[1]]);
});
