/** Times as people write them. */
import { expect, it } from 'vitest';
import { parseDuration } from './duration.ts';

it('reads hours, minutes and seconds', () => {
  const read = ['2h', '90m', '1h30m', '1.5h', '45s', '1h1m1s'].map(parseDuration);
  expect(read).toEqual([7200, 5400, 5400, 5400, 45, 3661]);
});

it('refuses anything else', () => {
  for (const text of ['', '2', 'h', '30m1h', '-1h', 'soon'])
    expect(() => parseDuration(text)).toThrow(/expected hours, minutes/);
});
