/**
 * Reverse-mode differentiation. Walks the graph from the loss to its inputs and applies the rules of `gradient.ts`; this walker alone
 * sums over broadcast axes and accumulates where a node has several users.
 */
import { assert, ShapeError } from '../base/index.ts';
import { add, expand, reduceSum, reshape, scalar } from './build.ts';
import { type Dim, formatShape, type Shape, sameShape } from './dims.ts';
import { GRADIENTS, type GradientRule } from './gradient.ts';
import { type Node, type OpName, topological } from './node.ts';
import { OPS } from './op-table.ts';

/** Sums a gradient over the axes along which its input was broadcast. */
function unbroadcast(gradient: Node, shape: Shape): Node {
  if (sameShape(gradient.shape, shape)) return gradient;
  const offset = gradient.shape.length - shape.length;
  const axes = gradient.shape.flatMap((dim, axis) =>
    axis < offset || (shape[axis - offset] === 1 && dim !== 1) ? [axis] : [],
  );
  const summed = axes.length === 0 ? gradient : reduceSum(gradient, axes, true);
  return reshape(summed, summed.shape.slice(offset));
}

/** Whether a rule may see a gradient that is smaller than its node and broadcasts to it: nothing is summed there. */
function broadcasts(node: Node): boolean {
  return OPS[node.op].elementwise === true && node.inputs.every((input) => sameShape(input.shape, node.shape));
}

/** Nodes that lie on a path from one of `sources`; gradients flow nowhere else. */
function dependents(order: readonly Node[], sources: readonly Node[]): Set<Node> {
  const found = new Set<Node>(sources);
  for (const node of order) if (node.inputs.some((input) => found.has(input))) found.add(node);
  return found;
}

/**
 * The gradients of a scalar with respect to some nodes, in their order. A node that the loss does not depend on is an error: it
 * would silently never be trained.
 */
export function gradients(loss: Node, sources: readonly Node[]): Node[] {
  if (loss.shape.length > 0)
    throw new ShapeError('gradients', { expected: 'a scalar loss', got: formatShape(loss.shape) });
  const order = topological([loss]);
  const relevant = dependents(order, sources);
  const gradient = new Map<Node, Node>([[loss, scalar(1)]]);
  for (const node of order.toReversed()) {
    const dy = gradient.get(node);
    if (dy === undefined || !relevant.has(node)) continue;
    const rule = GRADIENTS[node.op] as GradientRule<OpName>;
    const parts = rule(broadcasts(node) ? dy : expand(dy, node.shape), node);
    node.inputs.forEach((input, at) => {
      const part = parts[at];
      if (part === undefined || !relevant.has(input)) return;
      const fitted = unbroadcast(part, input.shape);
      const sum = gradient.get(input);
      gradient.set(input, sum === undefined ? fitted : add(sum, fitted));
    });
  }
  return sources.map((source) => {
    const found = gradient.get(source);
    assert(found !== undefined, `a loss that depends on ${nameOf(source)}`);
    return expand(found, source.shape as readonly Dim[]);
  });
}

function nameOf(node: Node): string {
  return 'name' in node.attributes ? String(node.attributes.name) : `node ${node.id}`;
}
