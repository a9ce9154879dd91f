/**
 * Sites: named places in a graph. Techniques attach from outside by rewriting what stands at a site, or by reading it; the model that
 * marks the places knows none of them. An unused site is the identity and is folded away when the graph is emitted.
 */
import { assert } from '../base/index.ts';
import { make } from './build.ts';
import { is, type Node, topological } from './node.ts';

/** What is to stand at a site instead of `x`; undefined leaves it. `x` is the site's input, already rewritten. */
export type SiteHandler = (name: string, x: Node) => Node | undefined;

/** Rebuilds a graph with handlers applied at its sites, in the order given. Nodes that nothing changed are kept as they are. */
export function attach(outputs: readonly Node[], handlers: readonly SiteHandler[]): Node[] {
  const rebuilt = new Map<Node, Node>();
  for (const node of topological(outputs)) {
    const inputs = node.inputs.map((input) => rebuilt.get(input) as Node);
    const unchanged = inputs.every((input, at) => input === node.inputs[at]);
    let result = unchanged ? node : make(node.op, inputs, node.attributes);
    if (is(node, 'site')) {
      let x = inputs[0] as Node;
      for (const handler of handlers) x = handler(node.attributes.name, x) ?? x;
      if (x !== inputs[0]) result = make('site', [x], node.attributes);
    }
    rebuilt.set(node, result);
  }
  return outputs.map((output) => rebuilt.get(output) as Node);
}

/** Every site of a graph by name. A name that stands at two places is a defect of the model. */
export function sitesOf(outputs: readonly Node[]): ReadonlyMap<string, Node> {
  const found = new Map<string, Node>();
  for (const node of topological(outputs)) {
    if (!is(node, 'site')) continue;
    const { name } = node.attributes;
    assert(!found.has(name), `one site named ${name}`);
    found.set(name, node);
  }
  return found;
}

/** The site of that name. */
export function siteOf(sites: ReadonlyMap<string, Node>, name: string): Node {
  const node = sites.get(name);
  assert(node !== undefined, `a site named ${name}; there are ${[...sites.keys()].join(', ')}`);
  return node;
}
