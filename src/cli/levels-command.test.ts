import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sampleRecord } from '../../test/auto-record.kit.ts';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import type { Exploration, Measured } from '../auto/index.ts';
import { cpu } from '../runtime/index.ts';
import { quantizeClassifier } from '../train/index.ts';
import { levelsCommand } from './levels-command.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-levels-'));
  for (const name of ['dense', 'n1-s0.6']) await writeModel(at(name), randomModel());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The sample: on its frontier are dense, n1-s0.6, n2-s0.6 (the choice), and two that are less accurate. */
function sample(more: readonly Measured[] = []): Exploration {
  const { exploration } = sampleRecord;
  const inFolder = (model: Measured): Measured => ({ ...model, folder: at(model.name) });
  const trials = [...exploration.trials.map(inFolder), ...more];
  return { ...exploration, dense: inFolder(exploration.dense), trials };
}

it('names the choice after what is slower and more accurate, and no trial that something beats', async () => {
  expect(await levelsCommand(sample(), 'out')).toBe(`prumux serve ${at('dense')} ${at('n1-s0.6')} out`);
  expect(await levelsCommand(sample(), 'out', 64)).toMatch(/ out --max-tokens 64$/);
});

it('leaves out what no folder has, in int8, unless that was chosen', async () => {
  const [mild] = sample().trials as [Measured];
  const quantized: Measured = {
    ...mild,
    name: 'n1-s0.6-int8',
    precision: 'int8',
    accuracy: 0.84,
    examplesPerSecond: 900,
  };
  const both = `prumux serve ${at('dense')} ${at('n1-s0.6')} out`;
  expect(await levelsCommand(sample([quantized]), 'out')).toBe(both);
  const chosen = { ...sample([quantized]), chosen: quantized };
  expect(await levelsCommand(chosen, 'out')).toBe(`prumux serve ${at('dense')} out`);
});

it('says fp32 of a dense folder that runs in int8, as it was measured', async () => {
  const rows = at('dev.tsv');
  await writeFile(rows, 'sentence\tlabel\ngreat film\t1\nawful film\t0\n');
  await quantizeClassifier(at('dense'), {
    source: { evaluation: rows },
    seed: 1,
    placement: cpu(1),
    output: at('dense'),
  });
  expect(await levelsCommand(sample(), 'out')).toContain(`prumux serve ${at('dense')}:fp32 `);
});

it('is nothing where the dense model is the choice', async () => {
  const { dense } = sample();
  expect(await levelsCommand({ ...sample(), chosen: dense }, 'out')).toBeUndefined();
});
