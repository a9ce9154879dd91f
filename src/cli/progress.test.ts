/** Progress: quiet by default, lines where they are wanted, a bar on a terminal. */
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import type { StepReport } from '../train/index.ts';
import { clock, progressOn } from './progress.ts';

const report = (step: number): StepReport => ({
  ...{ phase: 'prune', step, steps: 100, loss: 0.5, examples: 32, tokens: 320, seconds: 0.1 },
  metrics: { accuracy: 0.75, sparsity: 0.25, target: 0.3, prediction: 0.4, layers: 0.07, gradientNorm: 2 },
});

function shown(isTTY: boolean, isWanted: boolean): string {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 200 });
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  const progress = progressOn(stream, isWanted);
  progress.title('trial 1 of 2');
  progress.step(report(1));
  progress.step(report(50));
  progress.stop();
  return text;
}

it('is quiet where nobody looks', () => {
  expect(shown(false, false)).toBe('');
});

it.each([
  ['a terminal', true, false],
  ['a file, when asked for', false, true],
])('tells %s the phase, what was reached, the rate and the time left', (_, isTTY, isWanted) => {
  const text = shown(isTTY, isWanted);
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

it('tells the time as a clock does', () => {
  expect([0, 75, 3675].map(clock)).toEqual(['0:00', '1:15', '1:01:15']);
});
