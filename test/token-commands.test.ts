/** Token classification through the commands: a rule that one word's look decides is learned, compressed, measured, predicted. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../src/base/index.ts';
import type { Entity } from '../src/infer/index.ts';
import { cpu } from '../src/runtime/index.ts';
import { openServedModel } from '../src/serve/served-model.ts';
import { program } from './program.kit.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

/** Names of cities are places, of one word or two; everything else is noise. */
function sentences(count: number, seed: number): string {
  const draws = random(seed, 'token commands');
  const blocks = Array.from({ length: count }, () => {
    const [first = '', ...others] = draws.pick([['paris'], ['rome'], ['new', 'york'], ['los', 'angeles']]);
    const before = Array.from({ length: 1 + draws.integer(3) }, () => draws.pick(['they', 'came', 'from']));
    const words = [
      ...before.map((word) => `${word}\tO`),
      `${first}\tB-place`,
      ...others.map((word) => `${word}\tI-place`),
      ...Array.from({ length: draws.integer(3) }, () => `${draws.pick(['today', 'again', '.'])}\tO`),
    ];
    return words.join('\n');
  });
  return `${blocks.join('\n\n')}\n`;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-tokens-'));
  await writeFile(at('train.conll'), sentences(48, 1));
  await writeFile(at('dev.conll'), sentences(24, 2));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a command that must succeed; gives its document. */
async function documentOf(...argv: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await program([...argv, '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out);
}

const data = (): string[] => ['--data', at('train.conll'), '--eval', at('dev.conll')];
const fraction = expect.toSatisfy((value: number) => value >= 0 && value <= 1);
const above = (least: number) => expect.toSatisfy((value: number) => value > least);
/** Without scores, which a pass with other neighbours rounds in other ways. */
const places = (found: readonly Entity[]) => found.map(({ score, ...rest }) => rest);
const parity = expect.toSatisfy((value: number) => value <= 1e-4);

it('train: learns which words are places', async () => {
  const argv = ['train', '--task', 'tokens', ...data(), '--encoder', 'tiny', '--epochs', '10', '--rows', '16'];
  expect(await documentOf(...argv, '-o', at('dense'))).toMatchObject({
    ...{ spanF1: above(0.95), spanF1Std: 0, accuracy: above(0.95), macroF1: above(0.95) }, // each word has one tag
    ...{ examples: 24, parity },
  });
  const config = JSON.parse(await readFile(join(at('dense'), 'config.json'), 'utf8'));
  expect(config).toMatchObject({
    architectures: ['BertForTokenClassification'],
    id2label: { 0: 'O', 1: 'B-place', 2: 'I-place' },
  });
  expect(await readFile(join(at('dense'), 'README.md'), 'utf8')).toMatch(
    /pipeline_tag: token-classification[\s\S]*\| Span F1 \| (100\.0|9\d\.\d) % \|/,
  );
});

it('compress: takes the task from the teacher', async () => {
  const epochs = ['--multiplex-epochs', '12', '--prune-epochs', '3', '--recover-epochs', '3', '--groups', '8'];
  const argv = ['compress', at('dense'), ...data(), '--instances', '2', '--sparsity', '0.3', ...epochs];
  expect(await documentOf(...argv, '-o', at('fast'))).toMatchObject({
    ...{ spanF1: above(0.5), spanF1Std: fraction, teacherSpanF1: above(0.95) }, // a model that tags every word O has 0
    ...{ sparsity: expect.closeTo(0.3, 1), groupings: 5, parity },
  });
});

it('compress: prunes a tagger that takes one sentence at a time', async () => {
  const epochs = ['--prune-epochs', '3', '--recover-epochs', '1', '--groups', '16'];
  const argv = ['compress', at('dense'), ...data(), '--instances', '1', '--sparsity', '0.3', ...epochs];
  expect(await documentOf(...argv, '-o', at('alone'))).toMatchObject({
    ...{ spanF1: above(0.5), spanF1Std: 0, teacherSpanF1: above(0.95) },
    ...{ instances: 1, sparsity: expect.closeTo(0.3, 1), groupings: 1, parity },
  });
});

it('compress --no-train --prune-vocabulary: tells what dropping words does by the span F1', async () => {
  const argv = ['compress', at('dense'), ...data(), '--no-train', '--sparsity', '0.1', '--prune-vocabulary'];
  const { code, out } = await program([...argv, '-o', at('seen')]);
  expect(code).toBe(0);
  expect(out).toMatch(/^vocabulary .* span F1 (100\.0|9\d\.\d) % -> (100\.0|9\d\.\d) % by that alone$/m);
});

it('eval: span F1 with its spread over groupings', async () => {
  const argv = ['eval', at('fast'), '--data', at('dev.conll')];
  const { folder: _, ...figures } = await documentOf(...argv, '--groupings', '3');
  expect(figures).toMatchObject({ spanF1: fraction, spanF1Std: fraction, groupings: 3, examples: 24 });
  const { out } = await program(argv);
  expect(out).toMatch(/^span F1 +\d+\.\d % ± \d+\.\d % over 5 groupings\n/);
});

it('eval: averages over slots, and refuses what is not measured of tokens', async () => {
  const argv = ['eval', at('fast'), '--data', at('dev.conll'), '--groupings', '2'];
  expect(await documentOf(...argv, '--ensemble')).toMatchObject({
    ensembleSpanF1: fraction,
    ensembleAccuracy: fraction,
  });
  const isolation = await program([...argv, '--isolation']);
  expect(isolation).toMatchObject({ code: 1, err: expect.stringContaining('got one that classifies tokens') });
});

it('predict: entities with their places in the text', async () => {
  const { out } = await program(['predict', at('dense'), 'They came from New York again.', 'again']);
  const lines = out.trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    {
      text: 'They came from New York again.',
      entities: [{ label: 'place', text: 'New York', start: 15, end: 23, score: above(0.5) }],
    },
    { text: 'again', entities: [] },
  ]);
});

it('serve: the same entities as predict', async () => {
  const texts = [
    'They came (from New York), @paris and Rome-today.',
    "U.S. rome, 'paris'!!! los-angeles",
    '東京 rome。',
  ];
  const { predictions } = (await documentOf('predict', at('dense'), ...texts)) as {
    predictions: { entities: unknown }[];
  };
  const served = await openServedModel({ model: at('dense'), precision: undefined }, cpu(1), undefined);
  const { entities } = await served.run(texts.map((text) => ({ text, isCut: true })));
  await served.close();
  expect(entities).toMatchObject(predictions.map((each) => each.entities as Entity[]).map(places));
  expect(entities?.flat().map(({ text }) => text)).toContain('New York');
});

it('bench: side by side on the sentences of a file', async () => {
  const argv = ['bench', at('fast'), '--baseline', at('dense'), '--data', at('dev.conll'), '--rounds', '1'];
  expect(await documentOf(...argv)).toMatchObject({ examples: 24, results: [{ ratio: 1 }, { ratio: above(0) }] });
});

it('auto: the span F1 is what may be lost', async () => {
  const grid = ['--instances', '2', '--sparsities', '0', '--exhaustive', '--precisions', 'fp32', '--max-drop', '100'];
  const epochs = ['--multiplex-epochs', '4', '--groups', '8'];
  const { dense, measured, final } = await documentOf(
    'auto',
    at('dense'),
    ...data(),
    ...grid,
    ...epochs,
    '-o',
    at('auto'),
  );
  expect(dense).toMatchObject({ accuracy: above(0.95), drop: { points: 0 } });
  expect(measured).toMatchObject([{ name: 'n2-s0', accuracy: fraction, drop: { points: expect.any(Number) } }]);
  expect(final).toMatchObject({ examples: 8, denseAccuracy: above(0.9) });
});

it('refuses what does not go with tokens', async () => {
  const builtin = await program(['train', '--task', 'tokens', '-o', at('none')]);
  expect(builtin).toMatchObject({ code: 1, err: expect.stringContaining('expected a file of tagged sentences') });
  const texts = await program(['train', ...data(), '-o', at('none')]);
  expect(texts).toMatchObject({ code: 1, err: expect.stringContaining('--task tokens') });
});
