import { describe, expect, it } from 'vitest';
import type { Evaluation } from '../train/index.ts';
import { compressedLines } from './result-lines.ts';

const evaluation: Evaluation = {
  ...{ accuracy: 0.8, accuracyStd: 0, macroF1: 0.8, groupings: 1, examples: 872, examplesPerSecond: 100 },
};
const model = { ...evaluation, ...{ folder: 'fast', parameters: 1, instances: 1, bytes: 1, teacherBytes: 2 } };

describe('a compressed model', () => {
  it.each([
    ['sparsity', 0.9, 0.86, true],
    ['sparsity', 0.9, 0.93, true],
    ['sparsity', 0.8, 0.787, false],
    ['sparsity', 0.6, 0.608, false],
    ['speedup', 8, 5, true],
    ['speedup', 8, 7.5, false],
  ] as const)(
    'of %s %s whose gates came to %s: it is told that they had not arrived: %s',
    (measure, level, settled, isTold) => {
      const lines = compressedLines({ ...model, sparsity: level, target: { measure, level }, settled });
      const told = `pruning     had come to ${measure} ${settled} of ${level} when it was decided`;
      expect(lines.includes(told)).toBe(isTold);
    },
  );

  it('says nothing of gates where none were learned', () => {
    const lines = compressedLines({ ...model, sparsity: 0.4, target: { measure: 'sparsity', level: 0.4 } });
    expect(lines).not.toContain('pruning');
  });
});
