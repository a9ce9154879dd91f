/** `prumux calibrate` from outside: what it prints, what it leaves in the folder, and what it refuses. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { prunedModel, randomModel, writeModel } from '../../test/model-folder.kit.ts';
import { program } from '../../test/program.kit.ts';
import type { FloatTensor } from '../base/index.ts';
import { OWNER } from '../model/atomic-file.ts';
import type { ModelFiles } from '../model/index.ts';
import { cascadeIn } from '../serve/index.ts';

let folder: string;
const at = (name: string): string => join(folder, name);
const ROWS = 24;

/** Of one label but for every eighth row. */
function rows(count: number, usual: 0 | 1): string {
  const nouns = ['film', 'book', 'story', 'tale'];
  const lines = Array.from({ length: count }, (_, row) => {
    const text = `this ${nouns[row % nouns.length]} was ${row % 3 === 0 ? 'great' : 'long and awful'}`;
    return `${text}\t${row % 8 === 0 ? 1 - usual : usual}`;
  });
  return `sentence\tlabel\n${lines.join('\n')}\n`;
}

/** The accurate one says 1 of every text, the fast one, whose head has the other sign, 0. */
function opposed({ parameters, ...model }: ModelFiles): ModelFiles {
  const turned = Array.from(parameters, ([name, tensor]): [string, FloatTensor] =>
    name.startsWith('classifier.') ? [name, { ...tensor, data: tensor.data.map((value) => -value) }] : [name, tensor],
  );
  return { ...model, parameters: new Map(turned) };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-calibrate-'));
  await writeModel(at('accurate'), randomModel());
  await writeModel(at('fast'), opposed(prunedModel()));
  await writeModel(at('other'), randomModel(['no', 'yes']));
  await writeFile(at('dev.tsv'), rows(ROWS, 1));
  await writeFile(at('harm.tsv'), rows(ROWS, 0));
  await writeFile(at('few.tsv'), rows(6, 1));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const calibrate = (...flags: string[]) =>
  program(['calibrate', at('fast'), '--with', at('accurate'), '--eval', at('dev.tsv'), ...flags]);
const runFile = async (): Promise<object> => JSON.parse(await readFile(join(at('fast'), 'run.json'), 'utf8'));

it('leaves the threshold beside what the run.json had, and says what it does', async () => {
  const before = await runFile();
  const { code, out, err } = await calibrate('--share', '0.25', '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const document = JSON.parse(out);
  const { threshold, share, accuracy, fastAccuracy } = document;
  const after = await runFile();
  expect(after).toMatchObject(before);
  const kept = { threshold, share, accuracy, fastAccuracy, accurate: at('accurate'), precision: 'fp32' };
  expect(cascadeIn(after)).toEqual(kept);
  expect(document).toMatchObject({ examples: ROWS, folder: at('fast'), isReachable: true, isKept: true });
  const [none] = document.shares;
  expect(none).toMatchObject({ share: 0, gain: 0, accuracy: fastAccuracy, ofFast: 1 });
  expect(document.shares.at(-1).share).toBe(1);
});

it('takes the precisions of both from their names, and leaves the threshold in the folder', async () => {
  const argv = ['--with', `${at('accurate')}:int8`, '--eval', at('dev.tsv'), '--json'];
  const { code, out, err } = await program(['calibrate', `${at('fast')}:int8`, ...argv]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(JSON.parse(out)).toMatchObject({ folder: at('fast'), accurate: `${at('accurate')}:int8` });
  expect(cascadeIn(await runFile())).toMatchObject({ accurate: `${at('accurate')}:int8`, precision: 'int8' });
});

it('says where an accuracy is out of reach, and keeps what comes nearest', async () => {
  const { code, out } = await calibrate('--accuracy', '0.99');
  expect(code).toBe(0);
  expect(out).toMatch(/^goal {8}99\.0 % is out of reach; the threshold that comes nearest is marked \*$/m);
  expect(out).toMatch(/^kept {8}margins below/m);
  expect((await calibrate('--accuracy', '0.5')).out).not.toContain('out of reach');
});

it('keeps no threshold where recomputing gains nothing, an earlier one neither', async () => {
  await calibrate();
  expect(cascadeIn(await runFile())).toBeDefined();
  const flags = ['--with', at('accurate'), '--eval', at('harm.tsv')];
  const { code, out } = await program(['calibrate', at('fast'), ...flags]);
  expect(code).toBe(0);
  expect(out).toContain('kept        nothing, as recomputing gains nothing\n');
  expect(await runFile()).not.toHaveProperty('cascade');
});

it('finds out before rows are read that the record cannot be written', async () => {
  await mkdir(join(at('fast'), `run.json.partial-${OWNER}`));
  const ended = await program(['calibrate', at('fast'), '--with', at('accurate'), '--eval', at('missing.tsv')]);
  expect(ended).toMatchObject({ code: 1, err: expect.stringContaining('run.json: expected to write it') });
});

it.each([
  [['--share', '0.1', '--accuracy', '0.9'], 2, '--accuracy: expected either --share or --accuracy'],
  [['--share', '1.5'], 2, '--share: expected at most 1'],
])('refuses %j', async (flags, code, said) => {
  const ended = await calibrate(...flags);
  expect(ended.code).toBe(code);
  expect(ended.err).toContain(said);
});

it('refuses models of other labels, and files of a few rows', async () => {
  const other = await program(['calibrate', at('fast'), '--with', at('other'), '--eval', at('dev.tsv')]);
  expect(other).toMatchObject({ code: 1, err: expect.stringContaining('expected the labels of') });
  const few = await program(['calibrate', at('fast'), '--with', at('accurate'), '--eval', at('few.tsv')]);
  expect(few).toMatchObject({ code: 1, err: expect.stringContaining('few.tsv: expected at least 20 rows, got 6') });
});
