/** Attaching to sites: what is rewritten, what stays the very same node, and in which order handlers come. */
import { describe, expect, it } from 'vitest';
import { add, exp, input, mul, type Node, neg, site } from './index.ts';
import { attach, type SiteHandler, siteOf, sitesOf } from './sites.ts';

const x = input('x', ['B', 4]);
const lower = site(exp(x), 'lower');
const upper = site(neg(lower), 'upper');
const beside = exp(input('y', [4]));

const doubling: SiteHandler = (name, at) => (name === 'lower' ? mul(at, 2) : undefined);

describe('attach', () => {
  it('keeps a graph that nothing changed, node for node', () => {
    expect(attach([upper, beside], [])).toEqual([upper, beside]);
    const [one, other] = attach([upper, beside], [() => undefined, (_, at) => at]);
    expect(one).toBe(upper);
    expect(other).toBe(beside);
  });

  it('rebuilds only what lies above a change', () => {
    const [changed, unchanged] = attach([upper, beside], [doubling]) as [Node, Node];
    expect(unchanged).toBe(beside);
    expect(changed).not.toBe(upper);
    const below = sitesOf([changed]).get('lower')?.inputs[0] as Node;
    expect(below.op).toBe('mul');
    expect(below.inputs[0]).toBe(lower.inputs[0]);
    expect(upper.inputs[0]?.inputs[0]).toBe(lower);
  });

  it('applies handlers in their order, each to what the last one left', () => {
    const plus: SiteHandler = (name, at) => (name === 'lower' ? add(at, 1) : undefined);
    const standing = (handlers: SiteHandler[]): string[] => {
      const sum = siteOf(sitesOf(attach([upper], handlers)), 'lower').inputs[0] as Node;
      return [sum.op, (sum.inputs[0] as Node).op];
    };
    expect(standing([doubling, plus])).toEqual(['add', 'mul']);
    expect(standing([plus, doubling])).toEqual(['mul', 'add']);
  });

  it('hands a handler its input as rewritten below', () => {
    const seen: string[] = [];
    const reading: SiteHandler = (name, at) => {
      seen.push(`${name} on ${at.op} of ${at.inputs[0]?.inputs[0]?.op ?? 'an input'}`);
      return undefined;
    };
    attach([upper], [doubling, reading]);
    expect(seen).toEqual(['lower on mul of input', 'upper on neg of mul']);
  });

  it('leaves the sites in place, so that others may attach later', () => {
    const twice = attach(attach([upper], [doubling]), [doubling]);
    const outer = siteOf(sitesOf(twice), 'lower').inputs[0] as Node;
    expect([outer.op, outer.inputs[0]?.op]).toEqual(['mul', 'mul']);
  });
});

describe('sitesOf', () => {
  it('finds every site by name', () => {
    expect([...sitesOf([upper])]).toEqual([
      ['lower', lower],
      ['upper', upper],
    ]);
  });

  it('refuses a name that stands twice, and names what is missing', () => {
    expect(() => sitesOf([add(site(x, 'here'), site(neg(x), 'here'))])).toThrow('one site named here');
    expect(() => siteOf(sitesOf([upper]), 'middle')).toThrow('a site named middle; there are lower, upper');
  });
});
