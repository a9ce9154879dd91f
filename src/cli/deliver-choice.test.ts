/** What `auto` delivers: the folder runs in the precision that was chosen. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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

const laboratoryOn = (evaluation: string): Laboratory =>
  ({
    ...{ options: { ...options(), source: { data: evaluation, evaluation } }, data: sampleRecord.data },
    ...{ rows: { choosing: [0, 1], final: [] }, setAside: 0 },
    notes: new WorkNotes(new RunFolder(at('auto.run'), 'auto')),
  }) as unknown as Laboratory;

function deliver(name: string, precision: Precision, evaluation = at('dev.tsv')): Promise<unknown> {
  const finding = { exploration: exploration(precision), final: undefined, commandLine: 'prumux auto' };
  return deliverChoice(at(name), finding, laboratoryOn(evaluation));
}

it('the precision of the choice is what runs, also where the model that was compressed ran in int8', async () => {
  const delivered = async (precision: Precision): Promise<Precision> => {
    await deliver(precision, precision);
    return (await readTextClassifier(at(precision))).precision;
  };
  const runs = async () => [await delivered('fp32'), await delivered('int8')];
  expect(await runs()).toEqual(PRECISIONS);
  await quantizeClassifier(at('dense'), { ...options(), output: at('dense') });
  expect((await readTextClassifier(at('dense'))).precision).toBe('int8');
  expect(await runs()).toEqual(PRECISIONS);
});

it('a folder of int8 appears with the record of the run, or not at all', async () => {
  await expect(deliver('broken-off', 'int8', at('gone.tsv'))).rejects.toThrow(/gone.tsv/);
  expect(existsSync(at('broken-off'))).toBe(false);
  await deliver('whole', 'int8');
  const { auto, quantization } = JSON.parse(await readFile(at('whole/run.json'), 'utf8'));
  expect(auto.exploration.chosen.precision).toBe('int8');
  expect(quantization).toHaveProperty('int8');
});
