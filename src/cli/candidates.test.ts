/** What rows that had no part in a choice say of it. */
import { expect, it } from 'vitest';
import { sampleRecord } from '../../test/auto-record.kit.ts';
import { randomModel } from '../../test/model-folder.kit.ts';
import { verdictWith } from '../auto/index.ts';
import { compressDefaults } from '../train/index.ts';
import { finalFigures } from './candidates.ts';
import type { Laboratory } from './trials.ts';

const ROWS = 200;
const { dense, chosen } = sampleRecord.exploration;

/** The final figures of the choice, or the dense model, where the choice answers so many of the final rows wrong and the dense model none. */
async function figuresOf(model: typeof chosen, wrong: number) {
  const scores = (lost: number) => {
    const one = { hits: Array.from({ length: ROWS }, (_, row) => (row < lost ? 0 : 1)), outOf: Array(ROWS).fill(1) };
    return { ...one, groupings: [one] };
  };
  const kept = async (_: string, name: string) => ({ result: scores(name.startsWith('n1-s0-') ? 0 : wrong) });
  const laboratory = {
    ...{ settings: compressDefaults, config: randomModel().config, teacher: 'teacher', model: dense.folder },
    ...{ data: { train: 'a', evaluation: 'b' }, options: { seed: 1 }, examples: { checksum: 'c' } },
    ...{ notes: { kept }, rows: { choosing: [], final: Array.from({ length: ROWS }, (_, row) => row) } },
  } as unknown as Laboratory;
  return finalFigures(model, { maxDrop: 2, confidence: 0.9 }, laboratory);
}

it('contradict it where their interval is wholly above the allowed drop, and the verdict says so', async () => {
  const within = await figuresOf(chosen, 5); // 2.5 points, from less than 2 on
  expect(within).toMatchObject({ contradictsChoice: false, drop: { points: 2.5 } });
  expect(verdictWith('the fastest', within)).toBe('the fastest');
  const beyond = await figuresOf(chosen, 20);
  expect(beyond).toMatchObject({ contradictsChoice: true, drop: { points: 10 } });
  expect(verdictWith('the fastest', beyond)).toMatch(
    /^the fastest; but rows that had no part in the choice contradict it: on these 200 the drop is \d+\.\d\d to \d+\.\d\d points$/,
  );
  expect(await figuresOf(dense, 20)).toMatchObject({ contradictsChoice: false, interval: { low: 0, high: 0 } });
  expect(verdictWith('the fastest', undefined)).toBe('the fastest');
});
