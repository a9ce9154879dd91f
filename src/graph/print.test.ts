/** The printed form of a small graph and of its gradient, as snapshots: they show every change of a rule or of the walker. */
import { expect, it } from 'vitest';
import { add, input, matmul, range, reduceMean, site, tanh } from './build.ts';
import { crossEntropy } from './compose.ts';
import { gradients } from './differentiate.ts';
import { print } from './print.ts';

const x = input('x', [2, 4]);
const w = input('w', [3, 4]);
const b = input('b', [3]);
const hidden = site(tanh(add(matmul(x, w, { transposeB: true }), b)), 'hidden');

it('prints a graph, one node a line', () => {
  expect(print([hidden])).toMatchInlineSnapshot(`
    "%0 = input() {name: x} : float32 [2, 4]
    %1 = input() {name: w} : float32 [3, 4]
    %2 = matmul(%0, %1) {transposeB: true} : float32 [2, 3]
    %3 = input() {name: b} : float32 [3]
    %4 = add(%2, %3) : float32 [2, 3]
    %5 = tanh(%4) : float32 [2, 3]
    %6 = site(%5) {name: hidden} : float32 [2, 3]
    return %6"
  `);
});

it('prints the gradient of a loss', () => {
  const loss = reduceMean(crossEntropy(hidden, input('labels', [2], 'int64')), [0]);
  expect(print(gradients(loss, [w, b]))).toMatchInlineSnapshot(`
    "%0 = constant() {1} : float32 []
    %1 = reshape(%0) : float32 [1]
    %2 = constant() {0.5} : float32 []
    %3 = mul(%1, %2) : float32 [1]
    %4 = neg(%3) : float32 [1]
    %5 = expand(%4) : float32 [2]
    %6 = reshape(%5) : float32 [2, 1]
    %7 = input() {name: labels} : int64 [2]
    %8 = reshape(%7) : int64 [2, 1]
    %9 = constant() {0, 1, 2} : int64 [3]
    %10 = equal(%8, %9) : bool [2, 3]
    %11 = cast(%10) {to: float32} : float32 [2, 3]
    %12 = mul(%6, %11) : float32 [2, 3]
    %13 = input() {name: x} : float32 [2, 4]
    %14 = input() {name: w} : float32 [3, 4]
    %15 = matmul(%13, %14) {transposeB: true} : float32 [2, 3]
    %16 = input() {name: b} : float32 [3]
    %17 = add(%15, %16) : float32 [2, 3]
    %18 = tanh(%17) : float32 [2, 3]
    %19 = site(%18) {name: hidden} : float32 [2, 3]
    %20 = softmax(%19) : float32 [2, 3]
    %21 = reduceSum(%12) {axes: [1], keep: true} : float32 [2, 1]
    %22 = mul(%20, %21) : float32 [2, 3]
    %23 = sub(%12, %22) : float32 [2, 3]
    %24 = mul(%18, %18) : float32 [2, 3]
    %25 = mul(%23, %24) : float32 [2, 3]
    %26 = sub(%23, %25) : float32 [2, 3]
    %27 = matmul(%26, %13) {transposeA: true} : float32 [3, 4]
    %28 = reduceSum(%26) {axes: [0], keep: true} : float32 [1, 3]
    %29 = reshape(%28) : float32 [3]
    return %27, %29"
  `);
});

it('prints long constants by their length, and several results', () => {
  expect(print([range(20), range(3)])).toMatchInlineSnapshot(`
    "%0 = constant() {20 values} : int64 [20]
    %1 = constant() {0, 1, 2} : int64 [3]
    return %0, %1"
  `);
});
