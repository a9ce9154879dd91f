/**
 * May a result be written over an input? A training step writes updated weights where the old ones stand, which saves a copy of the
 * whole model. That is safe where every read of the old value comes before the write, whatever order the runtime chooses.
 */
import { is, type Node, topological } from './node.ts';
import { OPS, solid } from './op-table.ts';

/** Results that may share memory with their input: whoever reads them may read the input's memory later. */
function isView(node: Node): boolean {
  return is(node, 'reshape') || OPS[node.op].transparent === true;
}

function readersOf(source: Node, users: ReadonlyMap<Node, readonly Node[]>): Node[] {
  return (users.get(source) ?? []).flatMap((user) => (isView(user) ? [user, ...readersOf(user, users)] : [user]));
}

/** Whether the value itself is asked for: it is then copied out whenever the runtime likes. */
function isOutput(source: Node, users: ReadonlyMap<Node, readonly Node[]>, outputs: readonly Node[]): boolean {
  const same = (users.get(source) ?? []).filter((user) => OPS[user.op].transparent === true);
  return outputs.includes(source) || same.some((user) => isOutput(user, users, outputs));
}

/**
 * The pairs (input, result) whose result may be written over the input: the result is computed element by element from the input, and
 * depends on every other reader of it.
 */
export function overwritable<Pair extends { readonly source: Node; readonly result: Node }>(
  outputs: readonly Node[],
  pairs: readonly Pair[],
): Pair[] {
  const users = new Map<Node, Node[]>();
  for (const node of topological(outputs)) {
    for (const used of node.inputs) users.set(used, [...(users.get(used) ?? []), node]);
  }
  return pairs.filter(({ source, result }) => {
    const before = new Set(topological([result]));
    // A sum that absorbs a product of matrices would read its operands again while it writes.
    const absorbs = result.inputs.some((part) => is(solid(part), 'matmul'));
    const inPlace = OPS[result.op].elementwise === true && !absorbs;
    const isFree = !isOutput(source, users, outputs) && readersOf(source, users).every((reader) => before.has(reader));
    return inPlace && isFree;
  });
}
