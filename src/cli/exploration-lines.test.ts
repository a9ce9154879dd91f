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

it('names the folders to serve together: the choice, and before it what is slower and more accurate, if a folder has it', () => {
  expect(explorationLines(found)).toContain('levels      prumux serve models/dense models/n1-s0.6 models/fast\n');
  const frontier = exploration.frontier.map((model) => ({ ...model, precision: 'int8' as const }));
  expect(explorationLines({ ...found, frontier })).not.toContain('levels');
});
