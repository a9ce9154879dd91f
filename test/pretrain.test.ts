/** Pretraining from end to end: killed and taken up again, the loss on held-out text, and a classifier that starts from the result. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../src/base/index.ts';
import { readModelFolder } from '../src/model/index.ts';
import { expectSameBits } from './killed-run.kit.ts';
import { program } from './program.kit.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

/** Sentences in which the colour decides the noun and the noun the verb, so that neighbours tell a masked word. */
function sentences(count: number): string {
  const draws = random(1, 'pretrain');
  const parts = {
    red: ['apple', 'falls'],
    green: ['river', 'flows'],
    blue: ['whale', 'swims'],
    white: ['cloud', 'drifts'],
  };
  const colours = Object.keys(parts) as (keyof typeof parts)[];
  const sentence = (): string => {
    const colour = draws.pick(colours);
    return `the ${colour} ${parts[colour].join(' ')} ${draws.pick(['slowly', 'quickly'])} .`;
  };
  return `${Array.from({ length: count }, sentence).join('\n')}\n`;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-pretrain-'));
  await writeFile(at('text.txt'), sentences(6000));
  await writeFile(at('more.txt'), sentences(40));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('killed and taken up again ends with the bits of an undisturbed run', async () => {
  const files = ['model.safetensors', 'tokenizer.json'];
  await expectSameBits(
    { child: 'pretrain-until-killed.child.ts', given: [at('text.txt')], phase: 'mlm', files },
    folder,
  );
}, 180_000);

it('learns what neighbours tell: the loss falls far below that of word frequencies', async () => {
  const argv = ['pretrain', '--text', at('text.txt'), at('more.txt'), '--preset', 'tiny', '--vocabulary-size', '100'];
  const shape = ['--steps', '120', '--rows', '16', '--max-tokens', '24', '-o', at('encoder'), '--json'];
  const { code, out, err } = await program([...argv, ...shape]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const document = JSON.parse(out);
  // Six places to a sentence: a fixed word in two, one of 4 in three, one of 2 in one. So word frequencies alone have
  // ln 6 + (3 ln 4 + ln 2) / 6 = 2.60 nats.
  expect(document).toMatchObject({ retrievalAccuracy: null, steps: 120, parameters: expect.any(Number) });
  expect(document.loss).toBeLessThan(1.5);
  expect(document.accuracy).toBeGreaterThan(0.4);
  expect(document.tokensPerSecond).toBeGreaterThan(0);
  const record = JSON.parse(await readFile(join(at('encoder'), 'run.json'), 'utf8'));
  expect(record.data.map(({ name }: { name: string }) => name)).toEqual(['text.txt', 'more.txt']);
  expect(record.curves.mlm[0].values.loss).toBeGreaterThan(2 * record.curves.mlm.at(-1).values.loss);
  expect(existsSync(`${at('encoder')}.run`)).toBe(false);
}, 60_000);

it('the folder is a BertForMaskedLM, and no classifier', async () => {
  const { config, parameters } = await readModelFolder(at('encoder'));
  expect(config.labels).toEqual([]);
  expect(JSON.parse(await readFile(join(at('encoder'), 'config.json'), 'utf8')).architectures).toEqual([
    'BertForMaskedLM',
  ]);
  expect([...parameters.keys()].filter((name) => name.startsWith('cls.'))).toEqual([
    'cls.predictions.transform.dense.weight',
    'cls.predictions.transform.dense.bias',
    'cls.predictions.transform.LayerNorm.weight',
    'cls.predictions.transform.LayerNorm.bias',
    'cls.predictions.bias',
  ]);
  const { code, err } = await program(['predict', at('encoder'), 'the red apple']);
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('expected a classifier, got an encoder') });
});

it('train and pretrain go on from it', async () => {
  const rows = ['red', 'green'].flatMap((colour) => Array.from({ length: 8 }, () => `the ${colour} one\t${colour}`));
  await writeFile(at('rows.tsv'), `sentence\tlabel\n${rows.join('\n')}\n`);
  const data = ['--data', at('rows.tsv'), '--eval', at('rows.tsv'), '--epochs', '10', '--learning-rate', '1e-3'];
  const trained = await program(['train', ...data, '--encoder', at('encoder'), '-o', at('classifier'), '--json']);
  expect(trained).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(trained.out).accuracy).toBe(1);
  const more = ['--encoder', at('encoder'), '--steps', '3', '--rows', '8', '--max-tokens', '24', '-o', at('more')];
  const continued = await program(['pretrain', '--text', at('text.txt'), ...more, '--json']);
  expect(continued).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(continued.out).loss).toBeLessThan(1.5);
}, 60_000);

it('refuses text that is missing or too short before it starts', async () => {
  await writeFile(at('short.txt'), 'a few words\n');
  const run = (name: string) => program(['pretrain', '--text', at(name), '--preset', 'tiny', '-o', at('never')]);
  expect(await run('none.txt')).toMatchObject({
    code: 1,
    err: expect.stringContaining('expected a text file, got no such file'),
  });
  expect(await run('short.txt')).toMatchObject({
    code: 1,
    err: expect.stringContaining('expected text for at least 3 rows'),
  });
  expect(existsSync(`${at('never')}.run`)).toBe(false);
});
