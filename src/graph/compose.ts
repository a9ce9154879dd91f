/** Functions over primitives: their gradients follow from those of their parts. */
import {
  add,
  cast,
  div,
  equal,
  exp,
  log,
  logSoftmax,
  matmul,
  mul,
  neg,
  range,
  reduceMax,
  reduceMean,
  reduceSum,
  reshape,
  sqrt,
  stopGradient,
  sub,
} from './build.ts';
import { type Dim, fixed, product } from './dims.ts';
import type { Node } from './node.ts';

/** [..., i], [o, i], [o] -> [..., o]: x Wᵀ + b, with weights as Hugging Face stores them. The product runs on rows, as one matrix. */
export function linear(x: Node, weight: Node, bias: Node): Node {
  const rows = product(x.shape.slice(0, -1));
  const flat = reshape(x, [rows, x.shape.at(-1) as Dim]);
  const y = add(matmul(flat, weight, { transposeB: true }), bias);
  return reshape(y, [...x.shape.slice(0, -1), weight.shape[0] as Dim]);
}

/** x / √(mean x² + ε) ⊙ s along the last axis (RMSNorm, Zhang & Sennrich 2019): [..., d], [d] -> [..., d]. Of rows of mean 0 it is `layerNorm` without bias. */
export function rmsNorm(x: Node, scale: Node, epsilon: number): Node {
  const meanSquare = reduceMean(mul(x, x), [x.shape.length - 1], true);
  return mul(div(x, sqrt(add(meanSquare, epsilon))), scale);
}

/** One-hot rows as float32: [...] int64 -> [..., classes]. */
export function oneHot(labels: Node, classes: number): Node {
  return cast(equal(reshape(labels, [...labels.shape, 1]), range(classes)), 'float32');
}

/** log Σ exp x along the last axis: [r, c] -> [r]. The largest is taken out first, and is a constant to the gradient. */
export function logSumExp(x: Node): Node {
  const largest = stopGradient(reduceMax(x, [1], true));
  return reshape(add(log(reduceSum(exp(sub(x, largest)), [1], true)), largest), [x.shape[0] as Dim]);
}

/** -log softmax(logits)[label]: [..., c], [...] -> [...] */
export function crossEntropy(logits: Node, labels: Node): Node {
  const classes = fixed('crossEntropy', logits.shape.at(-1));
  return neg(reduceSum(mul(logSoftmax(logits), oneHot(labels, classes)), [labels.shape.length]));
}

/** Mean over the elements that have a weight: Σ w x / Σ w; both of one shape, the weights not all zero. */
export function weightedMean(values: Node, weights: Node): Node {
  const axes = values.shape.map((_, axis) => axis);
  return div(reduceSum(mul(values, weights), axes), reduceSum(weights, axes));
}
