/** Pretraining from end to end: killed and taken up again, the loss on held-out text, priming, and classifiers that start from the results. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parameterOf, random } from '../src/base/index.ts';
import { type ModelFiles, readModelFolder } from '../src/model/index.ts';
import { expectSameBits } from './killed-run.kit.ts';
import { program } from './program.kit.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

/** The embedding of a word that is a token. */
function rowOf({ tokenizer, parameters }: ModelFiles, word: string): number[] {
  const { data, shape } = parameterOf(parameters, 'bert.embeddings.word_embeddings.weight');
  const [, D = 0] = shape;
  const [, id = 0] = tokenizer.encode(word).ids; // after [CLS]
  return [...data.subarray(id * D, (id + 1) * D)];
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const product = a.reduce((sum, value, at) => sum + value * (b[at] as number), 0);
  return product / Math.hypot(...a) / Math.hypot(...b);
}

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

it('killed in either phase and taken up again ends with the bits of an undisturbed run', async () => {
  const files = ['model.safetensors', 'tokenizer.json'];
  const phases = [{ name: 'prime', steps: 20 }, { name: 'mlm' }] as const;
  await expectSameBits({ child: 'pretrain-until-killed.child.ts', given: [at('text.txt')], phases, files }, folder);
}, 400_000);

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
});

it('words begin as what counts in the text say, and stay so where no step is taken', async () => {
  const argv = [
    'pretrain',
    '--text',
    at('text.txt'),
    '--preset',
    'tiny',
    '--vocabulary-size',
    '100',
    '--max-tokens',
    '24',
  ];
  for (const start of ['counts', 'random']) {
    const run = await program([
      ...argv,
      '--word-vectors',
      start,
      '--steps',
      start === 'counts' ? '0' : '1',
      '-o',
      at(start),
    ]);
    expect({ code: run.code, err: run.err }).toEqual({ code: 0, err: '' });
  }
  const counted = await readModelFolder(at('counts'));
  const drawn = await readModelFolder(at('random'));
  // Both adverbs are found after any verb; a colour has a noun of its own. Sixteen words fill few of the dimensions, the largest first.
  const leading = (model: ModelFiles, word: string): number[] => rowOf(model, word).slice(0, 12);
  expect(cosine(leading(counted, 'slowly'), leading(counted, 'quickly'))).toBeGreaterThan(0.9);
  expect(cosine(leading(counted, 'slowly'), leading(counted, 'whale'))).toBeLessThan(0.5);
  expect(Math.abs(cosine(leading(drawn, 'slowly'), leading(drawn, 'quickly')))).toBeLessThan(0.5);
  expect(await readFile(join(at('counts'), 'README.md'), 'utf8')).toContain('| Word vectors | begun from counts');
  const settled = await program([
    'pretrain',
    '--text',
    at('text.txt'),
    '--encoder',
    at('counts'),
    '--word-vectors',
    'counts',
    '-o',
    at('never'),
  ]);
  expect(settled).toMatchObject({ code: 2, err: expect.stringContaining('--word-vectors: expected nothing') });
  for (const more of [
    ['--word-vectors', 'random'],
    ['--instances', '2'],
  ]) {
    const idle = await program([...argv, ...more, '--steps', '0', '-o', at('never')]);
    expect(idle).toMatchObject({ code: 1, err: expect.stringContaining('steps: expected') });
  }
});

it('multiplexed: primed, it tells the tokens of each slot far better than word frequencies do', async () => {
  const argv = ['pretrain', '--text', at('text.txt'), '--encoder', at('encoder'), '--instances', '2'];
  const sizes = [
    '--prime-steps',
    '90',
    '--steps',
    '10',
    '--rows',
    '8',
    '--max-tokens',
    '24',
    '--learning-rate',
    '2e-3',
  ];
  const { code, out, err } = await program([...argv, ...sizes, '-o', at('primed'), '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const { retrievalAccuracy, retrievalAccuracyBySlot, ...document } = JSON.parse(out);
  expect(document).toMatchObject({ instances: 2, primeSteps: 90, steps: 10 });
  // A token that is in every sentence is one of six; after steps of masked words it is a little less than when primed.
  expect(retrievalAccuracy).toBeGreaterThan(0.5);
  expect(retrievalAccuracyBySlot).toHaveLength(2);
  for (const accuracy of retrievalAccuracyBySlot) expect(accuracy).toBeGreaterThan(0.4);
  const { config, parameters } = await readModelFolder(at('primed'));
  expect(config).toMatchObject({ labels: [], mux: { instances: 2, multiplexer: 'gaussian-hadamard' } });
  expect([...parameters.keys()]).toEqual(
    expect.arrayContaining(['mux.keys', 'demux.instances.weight', 'cls.predictions.bias']),
  );
  const { curves } = JSON.parse(await readFile(join(at('primed'), 'run.json'), 'utf8'));
  expect(Object.keys(curves)).toEqual(['prime', 'mlm']);
  expect(curves.prime.at(-1).values.retrievalAccuracy).toBeGreaterThan(0.9);
});

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
  expect({ code, err }).toEqual({
    code: 1,
    err: expect.stringContaining('expected a classifier of two classes or more, got an encoder'),
  });
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
  // Of a checkpoint the words stay what they are.
  const recipes = ['encoder', 'more'].map(async (name) => {
    const { recipe } = JSON.parse(await readFile(join(at(name), 'run.json'), 'utf8'));
    return recipe.wordVectors;
  });
  expect(await Promise.all(recipes)).toEqual(['counts', undefined]);
});

it('compress starts from the primed encoder, and says in what one differs that does not fit', async () => {
  const data = ['--data', at('rows.tsv'), '--eval', at('rows.tsv'), '--max-tokens', '24', '--groups', '4'];
  const short = ['--multiplex-epochs', '40', '--prune-epochs', '2', '--recover-epochs', '2', '--sparsity', '0.3'];
  const run = (name: string, ...more: string[]) =>
    program(['compress', at('classifier'), ...data, '--primed', at('primed'), ...more, '-o', at(name), '--json']);
  const { code, out, err } = await run('fast', ...short, '--instances', '2', '--retrieval', '0.1');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const document = JSON.parse(out);
  expect(document.sparsity).toBeGreaterThan(0.2);
  expect(document.accuracy).toBeGreaterThan(0.8);
  const { curves } = JSON.parse(await readFile(join(at('fast'), 'run.json'), 'utf8'));
  expect(curves.multiplex.at(-1).values.retrievalAccuracy).toBeGreaterThan(0.5);
  expect(Object.keys(curves.recover.at(-1).values)).not.toContain('retrievalAccuracy');
  const { parameters } = await readModelFolder(at('fast'));
  expect([...parameters.keys()].filter((name) => name.startsWith('cls.'))).toEqual([]);
  // Frozen keys are those of the primed encoder, and not this seed's.
  const primed = await readModelFolder(at('primed'));
  const unpruned = ['--sparsity', '0', '--multiplex-epochs', '1', '--multiplex-learning-rate', '1e-30'];
  const seeded = await run('seeded', '--instances', '2', '--seed', '7', ...unpruned, '--prune-vocabulary');
  expect(seeded.code).toBe(0);
  expect((await readModelFolder(at('seeded'))).parameters.get('mux.keys')).toEqual(primed.parameters.get('mux.keys'));
  // So are its words, of those that are left.
  const found = await readModelFolder(at('seeded'));
  expect(found.tokenizer.vocabularySize).toBeLessThan(primed.tokenizer.vocabularySize);
  expect(rowOf(found, 'the')).toEqual(rowOf(primed, 'the'));
  const evidence = JSON.parse(await readFile(join(at('seeded'), 'run.json'), 'utf8'));
  expect(evidence.primed.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  const refusals = [
    [['--instances', '3'], "primed: expected an encoder with instances 3, as the student's, got 2"],
    [['--instances', '2', '--demultiplexer', 'rsa'], "with demultiplexer rsa, as the student's, got mlp"],
    [['--instances', '2', '--prefill-layers', '1'], "with prefillLayers 1, as the student's, got 0"],
  ] as const;
  for (const [flags, message] of refusals) {
    expect(await run('never', ...short, ...flags)).toMatchObject({ code: 1, err: expect.stringContaining(message) });
  }
}, 120_000);

it('what starts from one text per pass refuses a primed encoder, and so does what wants a classifier', async () => {
  const { code, err } = await program(['train', '--encoder', at('primed'), '-o', at('never')]);
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('which takes 2 inputs per pass') });
  const predicted = await program(['predict', at('primed'), 'the red apple']);
  expect(predicted).toMatchObject({ code: 1, err: expect.stringContaining('prumux compress MODEL --primed FOLDER') });
  const alone = await program(['pretrain', '--text', at('text.txt'), '--prime-steps', '3', '-o', at('never')]);
  expect(alone).toMatchObject({ code: 2, err: expect.stringContaining('--prime-steps: expected nothing') });
});

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
  // About 1,300 bytes in blocks of 120, one of which is held out.
  const few = await program([
    ...['pretrain', '--text', at('more.txt'), '--preset', 'tiny', '--vocabulary-size', '100', '--instances', '2'],
    ...['--max-tokens', '24', '-o', at('never')],
  ]);
  expect(few).toMatchObject({ code: 1, err: expect.stringContaining('expected text that leaves 2 rows of 24 tokens') });
  expect(existsSync(`${at('never')}.run`)).toBe(false);
});
