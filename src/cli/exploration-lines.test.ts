/** What `auto` says in the end. */
import { expect, it } from 'vitest';
import { sampleRecord } from '../../test/auto-record.kit.ts';
import { explorationLines } from './exploration-lines.ts';

const { exploration, rows, seconds } = sampleRecord;
const { trials: measured, ...explored } = exploration;
const found = { ...explored, measured, rows, seconds, folder: 'models/fast', report: 'models/fast/report.html' };

it('names the trials that failed, each in a line', () => {
  const lines = explorationLines({
    ...found,
    failures: [{ point: { instances: 4, sparsity: 0.9 }, message: 'a\n b' }],
  });
  expect(lines).toContain('\nfailed      n4-s0.9: a b\n');
  expect(explorationLines({ ...found, failures: [] })).not.toContain('failed');
});

it('names the precision that the folder runs in, and no flag for it', () => {
  const chosen = { ...exploration.chosen, precision: 'int8' as const };
  expect(explorationLines({ ...found, chosen })).toContain('model       models/fast in int8\n');
  expect(explorationLines(found)).toContain('model       models/fast\n');
});

it('has the command that serves levels, if there is one', () => {
  expect(explorationLines({ ...found, serve: 'prumux serve a b' })).toContain('\nlevels      prumux serve a b\n');
  expect(explorationLines(found)).not.toContain('levels');
});
