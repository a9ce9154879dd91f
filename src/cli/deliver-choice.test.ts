/** What `auto` delivers: the folder runs in the precision that was chosen. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sampleRecord } from '../../test/auto-record.kit.ts';
import { randomModel, writeModel } from '../../test/model-folder.kit.ts';
import type { Exploration } from '../auto/index.ts';
import { PRECISIONS, type Precision } from '../base/index.ts';
import { readTextClassifier } from '../infer/index.ts';
import { cpu } from '../runtime/index.ts';
import { quantizeClassifier, RunFolder } from '../train/index.ts';
import { deliverChoice } from './deliver-choice.ts';
import type { Laboratory } from './trials.ts';
import { WorkNotes } from './work-notes.ts';

let folder: string;
const at = (name: string): string => join(folder, name);
const options = () => ({ source: { data: at('dev.tsv'), evaluation: at('dev.tsv') }, seed: 1, placement: cpu(1) });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-deliver-choice-'));
  await writeFile(at('dev.tsv'), 'sentence\tlabel\ngreat film\t1\nawful film\t0\n');
  await writeModel(at('dense'), randomModel());
  await rm(at('dense/run.json'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function exploration(precision: Precision): Exploration {
  const dense = { ...sampleRecord.exploration.dense, folder: at('dense') };
  return { ...sampleRecord.exploration, dense, trials: [], chosen: { ...dense, precision } };
}

it('the precision of the choice is what runs, also where the model that was compressed ran in int8', async () => {
  const laboratory = {
    ...{ options: options(), data: sampleRecord.data, rows: { choosing: [0, 1], final: [] }, setAside: 0 },
    notes: new WorkNotes(new RunFolder(at('auto.run'), 'auto')),
  } as unknown as Laboratory;
  const delivered = async (precision: Precision): Promise<Precision> => {
    const finding = { exploration: exploration(precision), final: undefined, commandLine: 'prumux auto' };
    await deliverChoice(at(precision), finding, laboratory);
    return (await readTextClassifier(at(precision))).precision;
  };
  const runs = async () => [await delivered('fp32'), await delivered('int8')];
  expect(await runs()).toEqual(PRECISIONS);
  await quantizeClassifier(at('dense'), { ...options(), output: at('dense') });
  expect((await readTextClassifier(at('dense'))).precision).toBe('int8');
  expect(await runs()).toEqual(PRECISIONS);
});
