/** Whose a request is, by its headers. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { accessBy, TENANT_HEADER } from './access.ts';

const tenantNamed = (name: string): string => accessBy([])({ [TENANT_HEADER]: name });

it('tells tenants apart by their whole names, however long, and keeps none that is long', () => {
  const name = fc.string({ minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(fc.constantFrom(0, 127, 128, 1000), name, name, (prefix, a, b) => {
      const [first, second] = [a, b].map((end) => tenantNamed('x'.repeat(prefix) + end)) as [string, string];
      expect(first === second).toBe(a === b);
      expect(first.length).toBeLessThanOrEqual(128);
    }),
  );
});

it('is the name as it was given, where that is short', () => {
  expect(tenantNamed('team 7')).toBe('team 7');
  expect(accessBy([])({})).toBe('');
});

it('is the key where there are several, whatever the header says', () => {
  const tenantOf = accessBy(['a', 'b']);
  expect(tenantOf({ authorization: 'Bearer b', [TENANT_HEADER]: 'other' })).toBe('key 2');
  expect(() => tenantOf({ 'x-api-key': 'c' })).toThrow('expected a known key');
});
