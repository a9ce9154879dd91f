/** Progress: quiet by default, lines where they are wanted, a bar on a terminal. */
import { PassThrough } from 'node:stream';
import { afterEach, expect, it, vi } from 'vitest';
import type { StepReport } from '../train/index.ts';
import { clock, type Progress, progressOn } from './progress.ts';

const report = (step: number): StepReport => ({
  ...{ phase: 'prune', step, steps: 100, loss: 0.5, examples: 32, tokens: 320, seconds: 0.1 },
  metrics: { accuracy: 0.75, sparsity: 0.25, target: 0.3, prediction: 0.4, layers: 0.07, gradientNorm: 2 },
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** What is written of the reports that `tell` makes. */
function shown(isTTY: boolean, isWanted: boolean, tell: (progress: Progress) => void): string {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 200 });
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  const progress = progressOn(stream, isWanted);
  tell(progress);
  progress.stop();
  return text;
}

function tellOfTraining(progress: Progress): void {
  progress.title('trial 1 of 2');
  progress.step(report(1));
  progress.step(report(50));
}

/** Parts of other work, at these seconds by the clock. */
function tellOfWork({ work }: Progress): void {
  const clockNow = vi.spyOn(performance, 'now');
  for (const [seconds, name, done, total] of [
    [100, 'evaluating', 2, 9],
    [101, 'evaluating', 3, 9],
    [104, 'evaluating', 5, 9],
    [105, 'measuring', 1, 7],
  ] as const) {
    clockNow.mockReturnValue(1000 * seconds);
    work(name, done, total);
  }
}

it('is quiet where nobody looks', () => {
  expect(shown(false, false, tellOfTraining)).toBe('');
  expect(shown(false, false, tellOfWork)).toBe('');
});

it('leaves a terminal with line breaks, and shows nothing more, once it is at its end', () => {
  const before = shown(true, false, (progress) => {
    tellOfTraining(progress);
    progress.end();
  });
  expect(before).toContain('\x1b[?7l');
  expect(before.lastIndexOf('\x1b[?7h')).toBeGreaterThan(before.lastIndexOf('\x1b[?7l'));
  const after = shown(true, false, (progress) => {
    tellOfTraining(progress);
    progress.end();
    progress.step(report(51));
    progress.work('evaluating', 1, 2);
    progress.title('more');
  });
  expect(after).toBe(before);
});

it.each([
  ['a terminal', true, false],
  ['a file, when asked for', false, true],
])('tells %s the phase, what was reached, the rate and the time left', (_, isTTY, isWanted) => {
  const text = shown(isTTY, isWanted, tellOfTraining);
  // 32 examples in 0.1 s, and 50 steps of 0.1 s to go.
  for (const part of [
    'trial 1 of 2',
    'prune',
    '50/100',
    'loss 0.500, ',
    'prediction 0.400, layers 0.070, accuracy 0.75, sparsity 0.250 of 0.300',
  ]) {
    expect(text).toContain(part);
  }
  expect(text).toContain('320 examples/s, 0:05 left');
});

it('tells the speed that pruning has come to, and the one that it aims at', () => {
  const { metrics, ...rest } = report(50);
  const { sparsity: _, ...others } = metrics;
  const text = shown(false, true, ({ step }) => step({ ...rest, metrics: { ...others, speedup: 3.256, target: 8 } }));
  expect(text).toContain('accuracy 0.75, speedup 3.26 of 8.00');
});

it('tells how long all phases take together, where more are to come', () => {
  const text = shown(false, true, (progress) => progress.step({ ...report(50), stepsAhead: 700 }));
  expect(text).toContain('0:05 left, about 1:15 left in all');
});

it.each([
  ['a terminal', true, false],
  ['a file, when asked for', false, true],
])('tells %s how far other work is, and the time left', (_, isTTY, isWanted) => {
  const text = shown(isTTY, isWanted, tellOfWork);
  for (const part of ['evaluating', '5/9', 'measuring', '1/7']) expect(text).toContain(part);
  // Three parts in 4 s, the older one counting 0.95: (0.95 · 1 + 3) / (0.95 · 1 + 2) s for each of 4 more.
  expect(text.match(/\d:\d\d left/g)?.at(-1)).toBe('0:05 left');
});

it('forgets a trial that ended in the middle of a phase', () => {
  const trial = (name: string, step: number) => ({ trial: name, phase: 'prune', step, steps: 10 });
  const text = shown(false, true, (progress) => {
    progress.trial(trial('n2-s0', 3));
    progress.trial(trial('n4-s0', 4));
    progress.ended('n2-s0');
    progress.trial(trial('n4-s0', 5));
    progress.stop();
  });
  expect(text).toContain('5/10 n4-s0 prune 5/10');
});

it('tells the time as a clock does', () => {
  expect([0, 75, 3675].map(clock)).toEqual(['0:00', '1:15', '1:01:15']);
});
