/**
 * A node of the tensor graph: one operator applied to nodes. Nodes are immutable, know their shape, and hold no data but small
 * constants. A graph is whatever a list of output nodes reaches.
 */
import type { DType, Tensor } from '../base/index.ts';
import type { Dim, Shape } from './dims.ts';

type None = Readonly<Record<never, never>>;

/** The primitives and what each needs besides its inputs. */
export interface Attributes {
  // Sources.
  input: { readonly name: string; readonly shape: Shape; readonly dtype: DType };
  constant: { readonly value: Tensor };
  // Elementwise.
  add: None;
  sub: None;
  mul: None;
  div: None;
  neg: None;
  exp: None;
  log: None;
  sqrt: None;
  erf: None;
  tanh: None;
  sigmoid: None;
  gelu: None;
  clip: { readonly min: number; readonly max: number };
  cast: { readonly to: DType };
  equal: None;
  greater: None;
  where: None;
  site: { readonly name: string };
  stopGradient: None;
  // Linear algebra.
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean };
  // Movement.
  reshape: { readonly shape: Shape };
  transpose: { readonly permutation: readonly number[] };
  expand: { readonly shape: Shape };
  concat: { readonly axis: number };
  /** A symbolic end is the axis's own size. */
  slice: { readonly axis: number; readonly start: number; readonly end: Dim };
  pad: { readonly axis: number; readonly before: number; readonly after: number };
  /** The first rows. Unlike `slice`, up to a symbolic size. */
  prefix: { readonly size: Dim };
  window: { readonly size: number };
  // Reduction.
  reduceSum: { readonly axes: readonly number[]; readonly keep: boolean };
  reduceMean: { readonly axes: readonly number[]; readonly keep: boolean };
  reduceMax: { readonly axes: readonly number[]; readonly keep: boolean };
  sumSquares: None;
  argMax: None;
  softmax: None;
  logSoftmax: None;
  // Normalisation: three results of one operator.
  layerNorm: { readonly epsilon: number };
  layerNormMean: { readonly epsilon: number };
  layerNormInverseDeviation: { readonly epsilon: number };
  // Indexing.
  gather: None;
  scatterAdd: { readonly rows: Dim };
}

export type OpName = keyof Attributes;

export interface Node<O extends OpName = OpName> {
  readonly id: number;
  readonly op: O;
  readonly inputs: readonly Node[];
  readonly attributes: Attributes[O];
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Whether a node is of that operator; narrows its attributes. */
export function is<O extends OpName>(node: Node, op: O): node is Node<O> {
  return (node.op as OpName) === op;
}

/** Every node that the outputs reach, inputs before users. Iterative: graphs are deeper than the call stack likes. */
export function topological(outputs: readonly Node[]): Node[] {
  const order: Node[] = [];
  const state = new Map<Node, 'open' | 'done'>();
  const stack: Node[] = [...outputs].reverse();
  while (stack.length > 0) {
    const node = stack[stack.length - 1] as Node;
    if (state.get(node) === undefined) {
      state.set(node, 'open');
      for (const input of [...node.inputs].reverse()) if (state.get(input) === undefined) stack.push(input);
    } else {
      stack.pop();
      if (state.get(node) === 'open') order.push(node);
      state.set(node, 'done');
    }
  }
  return order;
}
