import { expect, it } from 'vitest';
import { median } from './median.ts';

it('has the mean of the middle two as the median of an even number', () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([2, 2.5]);
});
