/** Compression without training and with a smaller vocabulary, as commands, on models of random weights. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CheckpointError } from '../src/base/index.ts';
import { openPredictor, predictLogits } from '../src/infer/index.ts';
import { type ModelFiles, readModelFolder } from '../src/model/index.ts';
import { initialModel } from '../src/mux/index.ts';
import { cpu } from '../src/runtime/index.ts';
import { compressWithoutTraining, trainingFreeDefaults } from '../src/train/index.ts';
import { randomModel, writeModel } from './model-folder.kit.ts';
import { program } from './program.kit.ts';
import { worstDifference } from './tiny-bert.kit.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

const TRAIN = [
  'this film was great',
  'that book is awful',
  'a fine story',
  'poor old tale',
  'great and long',
  'awful but short',
];
const UNSEEN = ['a quiet film', 'long and poor'];

const rows = (texts: readonly string[]): string =>
  `sentence\tlabel\n${texts.map((text, row) => `${text}\t${row % 2}`).join('\n')}\n`;

const tagged = (texts: readonly string[]): string =>
  texts
    .map((text) =>
      text
        .split(' ')
        .map((word, place) => `${word}\t${place === 1 ? 'B-x' : 'O'}`)
        .join('\n'),
    )
    .join('\n\n');

function multiplexedModel(): ModelFiles {
  const dense = randomModel();
  const config = { ...dense.config, mux: { instances: 2, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' } };
  return { ...dense, config, parameters: initialModel(config, 1, dense.parameters) };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-no-train-'));
  await writeModel(at('dense'), randomModel());
  await writeModel(at('tagger'), randomModel(['O', 'B-x'], 'tokens'));
  await writeModel(at('two'), multiplexedModel());
  await writeFile(at('train.tsv'), rows(TRAIN));
  await writeFile(at('dev.tsv'), rows([...TRAIN, ...UNSEEN]));
  await writeFile(at('train.conll'), `${tagged(TRAIN)}\n`);
  await writeFile(at('dev.conll'), `${tagged(UNSEEN)}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const data = (suffix: string): string[] => ['--data', at(`train.${suffix}`), '--eval', at(`dev.${suffix}`)];

/** Runs a compression that must succeed; gives its document. */
async function compress(model: string, suffix: string, ...argv: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await program(['compress', at(model), ...data(suffix), ...argv, '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out);
}

async function logitsOf({ config, parameters, tokenizer }: ModelFiles, texts: readonly string[]): Promise<number[]> {
  const predictor = await openPredictor(config, parameters, cpu(1));
  const encodings = texts.map((text) => tokenizer.encode(text));
  const logits = await predictLogits(predictor, encodings, { padId: tokenizer.padId, maxTokens: 32, groups: 4 });
  await predictor.close();
  return logits.flatMap(({ data: row }) => [...row]);
}

const parity = expect.toSatisfy((value: number) => value <= 1e-4);

it.each([
  ['dense', 'tsv', 1],
  ['two', 'tsv', 2],
  ['tagger', 'conll', 1],
])('%s: prunes it as it is, to the sparsity that was asked for', async (model, suffix, instances) => {
  const output = at(`${model}-pruned`);
  const argv = ['--no-train', '--sparsity', '0.4', '-o', output];
  const document = await compress(model, suffix, ...argv);
  expect(document).toMatchObject({ instances, sparsity: expect.closeTo(0.4, 1), parity, folder: output });
  expect(document.bytes).toBeLessThan(document.teacherBytes as number);
  const { config } = await readModelFolder(output);
  expect(config.encoder.hiddenSize).toBe(32);
  for (const { heads, intermediateSize } of config.encoder.layers) expect(heads * intermediateSize).toBeGreaterThan(0);
  const evidence = JSON.parse(await readFile(join(output, 'run.json'), 'utf8'));
  expect(evidence).toMatchObject({ command: 'compress', isTrained: false, recipe: { examples: 2048, instances } });
});

it('stops where it is interrupted while it evaluates', async () => {
  const stopping = new AbortController();
  const run = compressWithoutTraining(
    at('dense'),
    { ...trainingFreeDefaults, sparsity: 0 },
    {
      ...{ source: { data: at('train.tsv'), evaluation: at('dev.tsv') }, output: at('stopped'), seed: 1 },
      ...{ placement: cpu(1), interrupt: stopping.signal, onStep: () => undefined },
      onProgress: () => stopping.abort(new CheckpointError('test', { expected: 'time', got: 'an interrupt' })),
    },
  );
  await expect(run).rejects.toThrow('an interrupt');
  expect(existsSync(at('stopped'))).toBe(false);
});

it('--prune-vocabulary: the same answers to training texts', async () => {
  const argv = ['--no-train', '--sparsity', '0', '--prune-vocabulary', '-o', at('words')];
  const document = await compress('dense', 'tsv', ...argv);
  const [before, after] = [await readModelFolder(at('dense')), await readModelFolder(at('words'))];
  const { tokenizer } = after;
  expect(document.vocabulary).toMatchObject({
    ...{ tokensBefore: before.tokenizer.vocabularySize, tokens: tokenizer.vocabularySize },
  });
  expect(tokenizer.vocabularySize).toBeLessThan(before.tokenizer.vocabularySize);
  expect(worstDifference(await logitsOf(after, TRAIN), await logitsOf(before, TRAIN))).toBeLessThan(1e-5);
  for (const text of UNSEEN) expect(tokenizer.encode(text).ids).not.toContain(tokenizer.unknownId);
});

it('--prune-vocabulary: before training, too, and the teacher keeps its own words', async () => {
  const epochs = ['--prune-epochs', '1', '--recover-epochs', '1', '--groups', '6'];
  const argv = ['--prune-vocabulary', '--instances', '1', '--sparsity', '0.3', ...epochs, '-o', at('trained')];
  const document = await compress('dense', 'tsv', ...argv);
  expect(document).toMatchObject({ instances: 1, parity, vocabulary: expect.anything() });
  const { config, tokenizer } = await readModelFolder(at('trained'));
  expect(config.encoder.vocabularySize).toBe(tokenizer.vocabularySize);
  const { out } = await program(['predict', at('trained'), 'a quiet film']);
  expect(JSON.parse(out)).toMatchObject({ label: expect.any(String) });
});

it.each([
  [['--sparsity', '0.99'], /sparsity: expected at most 0\.\d+ without training/],
  [['--instances', '4'], /instances: expected 1, as .*dense has/],
])('refuses %j', async (argv, message) => {
  const { code, err } = await program([
    'compress',
    at('dense'),
    ...data('tsv'),
    '--no-train',
    ...argv,
    '-o',
    at('none'),
  ]);
  expect(code).toBe(1);
  expect(err).toMatch(message);
});

it.each([
  [['--speedup', '2'], '--speedup: expected --sparsity in its place with --no-train, got 2'],
  [['--sparsity', '0.3,0.5'], '--sparsity: expected one sparsity with --no-train, got 0.3,0.5'],
  [['--primed', 'anything'], '--primed: expected no encoder to start from with --no-train, got anything'],
  [
    ['--consistency', '4', '--multiplexer', 'orthogonal-keys', '--recover-epochs', '2'],
    '--multiplexer, --recover-epochs, --consistency: expected nothing with --no-train, got orthogonal-keys, 2, 4',
  ],
])('refuses %j, which take training', async (argv, message) => {
  const line = ['compress', at('dense'), ...data('tsv'), '--no-train', ...argv, '-o', at('none')];
  expect(await program(line)).toMatchObject({ code: 2, err: expect.stringContaining(message) });
});

it('says what it did', async () => {
  const argv = ['compress', at('dense'), ...data('tsv'), '--no-train', '--prune-vocabulary', '-o', at('said')];
  const { out } = await program([...argv, '--sparsity', '0.3']);
  expect(out).toMatch(/structure {3}1 inputs per pass, sparsity 0\.3\d*\nsize {8}\d+\.\d MB on disk, of \d+\.\d MB\n/);
  expect(out).toMatch(/vocabulary {2}\d+ -> \d+ tokens, .* parameters, accuracy .* by that alone\n$/);
});
