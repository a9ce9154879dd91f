/** A graph as text, one node a line in the order of execution, numbered from 0: for reading, and for snapshots in tests. */
import { formatShape } from './dims.ts';
import { is, type Node, topological } from './node.ts';

/** `%3 = matmul(%1, %2) {transposeB: true} : float32 [B, 4]` */
export function print(outputs: readonly Node[]): string {
  const order = topological(outputs);
  const label = new Map(order.map((node, index) => [node, `%${index}`]));
  const lines = order.map((node) => {
    const inputs = node.inputs.map((input) => label.get(input)).join(', ');
    return `${label.get(node)} = ${node.op}(${inputs})${attributesOf(node)} : ${node.dtype} ${formatShape(node.shape)}`;
  });
  return [...lines, `return ${outputs.map((output) => label.get(output)).join(', ')}`].join('\n');
}

function attributesOf(node: Node): string {
  if (is(node, 'constant')) {
    const { data } = node.attributes.value;
    return data.length > 8 ? ` {${data.length} values}` : ` {${[...data].join(', ')}}`;
  }
  const shown = Object.entries(node.attributes).filter(
    ([key, value]) => value !== false && key !== 'dtype' && key !== 'shape',
  );
  if (shown.length === 0) return '';
  const text = shown.map(([key, value]) => `${key}: ${Array.isArray(value) ? formatShape(value) : String(value)}`);
  return ` {${text.join(', ')}}`;
}
