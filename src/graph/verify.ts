/** The grammar of a graph: every pass ends here, so that a broken rewrite is found where it was made and not in the runtime. */
import { ShapeError } from '../base/index.ts';
import { formatShape, sameShape } from './dims.ts';
import { is, type Node, type OpName, topological } from './node.ts';
import { OPS, type OpDefinition } from './op-table.ts';

/** Throws ShapeError at the first node whose shape or type is not what its inputs give, or for two unlike inputs of one name. */
export function verify(outputs: readonly Node[]): void {
  const inputs = new Map<string, Node>();
  for (const node of topological(outputs)) {
    const definition = OPS[node.op] as OpDefinition<OpName>;
    const { shape, dtype } = definition.infer(node.inputs, node.attributes);
    if (!sameShape(shape, node.shape) || dtype !== node.dtype) {
      throw new ShapeError(`${node.op} (node ${node.id})`, {
        expected: `${dtype} ${formatShape(shape)}`,
        got: `${node.dtype} ${formatShape(node.shape)}`,
      });
    }
    if (is(node, 'input')) {
      const twin = inputs.get(node.attributes.name) ?? node;
      if (!sameShape(twin.shape, node.shape) || twin.dtype !== node.dtype) {
        throw new ShapeError(`input ${node.attributes.name}`, {
          expected: `${twin.dtype} ${formatShape(twin.shape)}, as elsewhere in this graph`,
          got: `${node.dtype} ${formatShape(node.shape)}`,
        });
      }
      inputs.set(node.attributes.name, node);
    }
  }
}
