/** Final measurements of many models: a few at a time, each few beside the dense one. */
import { expect, it } from 'vitest';
import { sampleRecord } from '../../test/auto-record.kit.ts';
import { randomModel } from '../../test/model-folder.kit.ts';
import type { Candidate } from '../auto/index.ts';
import { cpu } from '../runtime/index.ts';
import { compressDefaults } from '../train/index.ts';
import { measureCandidates } from './speed-measurements.ts';
import type { Laboratory } from './trials.ts';

const { dense } = sampleRecord.exploration;

/** The rates of so many models beside the dense one, where runs measure these. */
async function ratesOf(count: number, runs: readonly number[][]): Promise<{ rates: number[]; names: string[] }> {
  const names: string[] = [];
  const kept = async (_: string, name: string) => ({ result: runs[names.push(name) - 1] });
  const laboratory = {
    ...{ settings: compressDefaults, config: randomModel().config, teacher: 'teacher', notes: { kept } },
    ...{ data: { train: 'a', evaluation: 'b' }, options: { placement: cpu(1), seed: 1 } },
  } as unknown as Laboratory;
  const others = Array.from({ length: count }, (_, at): Candidate => {
    return { ...dense, name: `n${at + 2}-s0`, point: { instances: at + 2, sparsity: 0 } };
  });
  return { rates: await measureCandidates([dense, ...others], laboratory), names };
}

it('has six open beside the dense one at most, and takes ratios from the run that they are of', async () => {
  const first = [100, 110, 120, 130, 140, 150, 160];
  const { rates, names } = await ratesOf(8, [first, [50, 90, 95]]);
  expect(rates).toEqual([...first, 180, 190]);
  expect(new Set(names).size).toBe(2);
});

it('takes few as they are, in one run', async () => {
  for (const run of [[100.1], [100.1, 33.3, 7.7]]) {
    expect(await ratesOf(run.length - 1, [run])).toEqual({ rates: run, names: [expect.any(String)] });
  }
});
