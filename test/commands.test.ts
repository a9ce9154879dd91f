/** The commands one after the other on a few rows: train, compress, quantize, eval, predict, bench, auto, report; the shapes of what they print. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { random } from '../src/base/index.ts';
import { program } from './program.kit.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

/** The adjective is the label; everything else is noise. */
function rows(count: number, seed: number): string {
  const draws = random(seed, 'commands');
  const lines = Array.from({ length: count }, (_, row) => {
    const adjective = draws.pick(row % 2 === 0 ? ['bad', 'awful', 'poor'] : ['good', 'great', 'fine']);
    return `this ${draws.pick(['film', 'book', 'play'])} was ${adjective} and ${draws.pick(['long', 'short'])}\t${row % 2}`;
  });
  return `sentence\tlabel\n${lines.join('\n')}\n`;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-commands-'));
  await writeFile(at('train.tsv'), rows(48, 1));
  await writeFile(at('dev.tsv'), rows(20, 2));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a command that must succeed; gives its document. Nothing but the document may be on standard output. */
async function documentOf(...argv: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await program([...argv, '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out);
}

const data = (): string[] => ['--data', at('train.tsv'), '--eval', at('dev.tsv')];
const fraction = expect.toSatisfy((value: number) => value >= 0 && value <= 1);
const above0 = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0);
const short = ['--multiplex-epochs', '1', '--prune-epochs', '2', '--recover-epochs', '1', '--groups', '8'];

it('train: a dense model', async () => {
  const argv = ['train', ...data(), '--encoder', 'tiny', '--epochs', '15', '--rows', '16', '--set-aside', '8'];
  argv.push('-o', at('dense'));
  expect(await documentOf(...argv)).toMatchObject({
    accuracy: expect.toSatisfy((value: number) => value > 0.9), // one word decides
    ...{ macroF1: fraction, examples: 20, examplesPerSecond: above0, parameters: above0 },
    parity: expect.toSatisfy((value: number) => value <= 1e-4),
  });
  const files = ['config.json', 'tokenizer.json', 'model.safetensors', 'onnx/model.onnx', 'README.md', 'run.json'];
  for (const file of files) expect(existsSync(join(at('dense'), file)), file).toBe(true);
  expect(existsSync(`${at('dense')}.run`)).toBe(false);
});

it('compress: a multiplexed and pruned one', async () => {
  const argv = [
    'compress',
    at('dense'),
    ...data(),
    '--instances',
    '2',
    '--sparsity',
    '0.5',
    ...short,
    '--consistency',
    '0.5',
    '-o',
    at('fast'),
  ];
  const document = await documentOf(...argv);
  expect(document).toMatchObject({
    ...{ accuracy: fraction, teacherAccuracy: fraction, sparsity: expect.closeTo(0.5, 1), parameters: above0 },
    parity: expect.toSatisfy((value: number) => value <= 1e-4),
  });
  expect(document.parameters).toBeLessThan(document.teacherParameters as number);
  const config = JSON.parse(await readFile(join(at('fast'), 'config.json'), 'utf8'));
  expect(config.prumux.instances).toBe(2);
  const { curves } = JSON.parse(await readFile(join(at('fast'), 'run.json'), 'utf8'));
  const point = expect.objectContaining({ values: expect.objectContaining({ consistency: above0 }) });
  for (const phase of ['multiplex', 'prune', 'recover']) expect(curves[phase], phase).toContainEqual(point);
});

it('compress: to several sparsities in one run', async () => {
  const levels = ['--instances', '2', '--sparsity', '0.7,0,0.5'];
  const document = await documentOf('compress', at('dense'), ...data(), ...levels, ...short, '-o', at('levels'));
  const model = { accuracy: fraction, parameters: above0, parity: fraction };
  expect(document).toMatchObject({
    teacherAccuracy: fraction,
    models: [
      { ...model, sparsity: 0, folder: at('levels/s0') },
      { ...model, sparsity: expect.closeTo(0.5, 1), settled: fraction, folder: at('levels/s50') },
      { ...model, sparsity: expect.closeTo(0.7, 1), settled: fraction, folder: at('levels/s70') },
    ],
  });
  expect(document).not.toHaveProperty('accuracy'); // of which?
  const { curves, target } = JSON.parse(await readFile(at('levels/s70/run.json'), 'utf8'));
  expect(Object.keys(curves)).toEqual(['multiplex', 'prune-s50', 'prune-s70', 'recover-s70']);
  expect(target).toEqual({ measure: 'sparsity', level: 0.7 });
  expect(existsSync(`${at('levels')}.run`)).toBe(false);
});

it('eval: mean and spread over groupings', async () => {
  const document = await documentOf('eval', at('fast'), '--data', at('dev.tsv'), '--groupings', '3');
  const numbers = { accuracy: fraction, accuracyStd: fraction, macroF1: fraction, examplesPerSecond: above0 };
  expect(document).toMatchObject({ ...numbers, examples: 20, groupings: 3 });
  expect(document).not.toHaveProperty('spanF1'); // that of token classification
});

it('eval: what ensembling gains, and how far neighbours change answers', async () => {
  const argv = ['eval', at('fast'), '--data', at('dev.tsv'), '--ensemble', '--isolation', '--probes', '3'];
  const { isolation, ...document } = await documentOf(...argv);
  const gain = expect.toSatisfy((points: number) => Math.abs(points) <= 100);
  expect(document).toMatchObject({ ensembleAccuracy: fraction, ensembleAccuracyStd: fraction, ensembleGain: gain });
  expect(isolation).toMatchObject({
    ...{ randomFlipRate: fraction, randomFlipRateStd: fraction, adversarialFlipRate: fraction },
    ...{ largestLogitChange: above0, largestScoreChange: fraction, groupings: 5, probedRows: 3 },
    groupsPerRow: 2 * (16 + 19), // in 2 slots 16 random neighbours, then each of the 19 other rows
  });
  const { out } = await program(argv);
  expect(out).toMatch(/^ensemble .* points/m);
  expect(out).toMatch(/^isolation .* over 5 groupings$/m);
});

it('eval: isolation is complete where texts go alone, and ensembling says that it changes nothing', async () => {
  const argv = ['eval', at('dense'), '--data', at('dev.tsv'), '--ensemble', '--isolation'];
  const { out, err } = await program([...argv, '--json']);
  const { ensembleGain, isolation } = JSON.parse(out);
  expect({ ensembleGain, ...isolation }).toMatchObject({ ensembleGain: 0, randomFlipRate: 0, adversarialFlipRate: 0 });
  expect(err).toBe('--ensemble changes nothing: the model takes one text per pass.\n');
  expect((await program(argv)).out).toContain('isolation   complete: one text per pass has no neighbours\n');
});

it('predict: JSON lines in the order of the texts, from arguments or standard input', async () => {
  const texts = ['this film was awful', 'this play was great', ''];
  const fromArguments = await program(['predict', at('fast'), ...texts]);
  const fromLines = await program(['predict', at('fast')], { stdin: `${texts.join('\n')}\n` });
  const marked = await program(['predict', at('fast')], { stdin: 'one\rline\r\nanother' });
  const textsOf = marked.out
    .trimEnd()
    .split('\n')
    .map((answer) => JSON.parse(answer).text);
  expect(textsOf).toEqual(['one\rline', 'another']);
  expect(fromLines).toEqual(fromArguments);
  const lines = fromLines.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ text }) => text)).toEqual(texts);
  for (const { label, score, scores } of lines) {
    expect(scores[label]).toBe(score);
    expect(scores['0'] + scores['1']).toBeCloseTo(1, 6);
  }
  expect(await documentOf('predict', at('fast'), ...texts)).toEqual({ predictions: lines });
});

it('predict: averaged over slots', async () => {
  const texts = ['this film was awful', 'this play was great', 'this book was fine and long'];
  const [single, averaged] = [
    await documentOf('predict', at('fast'), ...texts),
    await documentOf('predict', at('fast'), '--ensemble', ...texts),
  ];
  expect(averaged.predictions).toMatchObject(texts.map((text) => ({ text, score: fraction })));
  expect(averaged).not.toEqual(single);
});

it('predict: many lines, and pairs', async () => {
  const many = Array.from({ length: 600 }, (_, line) => `line ${line}`);
  const { out } = await program(['predict', at('dense')], { stdin: many.join('\n') });
  expect(
    out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).text),
  ).toEqual(many);
  const pairs = await program(['predict', at('dense'), '--pairs', 'a film\ta book']);
  expect(JSON.parse(pairs.out)).toMatchObject({ text: 'a film', pair: 'a book' });
});

it('bench: side by side, the baseline first', async () => {
  const argv = ['bench', at('fast'), '--baseline', at('dense'), '--data', at('dev.tsv'), '--rounds', '3'];
  const { baseline, results } = await documentOf(...argv);
  expect(baseline).toBe(at('dense'));
  const common = { examplesPerSecond: above0, groups: above0, parameters: above0 };
  expect(results).toMatchObject([
    { model: at('dense'), ratio: 1, instances: 1, ...common },
    { model: at('fast'), ratio: above0, instances: 2, ...common },
  ]);
});

it('eval and bench: tell how far they are, where that is asked for', async () => {
  const rest = ['--data', at('dev.tsv'), '--progress'];
  const evaluated = await program(['eval', at('fast'), ...rest, '--ensemble', '--isolation', '--probes', '3']);
  for (const piece of ['evaluating', 'ensembling', 'regrouping', 'seeking neighbours']) {
    expect(evaluated.err).toContain(piece);
  }
  const measured = await program(['bench', at('fast'), ...rest, '--rounds', '2']);
  for (const piece of ['choosing batch sizes', 'measuring']) expect(measured.err).toContain(piece);
});

it('quantize: the int8 model beside the fp32 one, both measured', async () => {
  const argv = ['quantize', at('fast'), '--eval', at('dev.tsv'), '-o', at('fast-int8')];
  const quality = { accuracy: fraction, accuracyStd: fraction, examples: 20, groupings: 5 };
  const document = await documentOf(...argv);
  expect(document).toMatchObject({ ...quality, int8: quality, onnxBytes: { fp32: above0, int8: above0 } });
  const evaluated = await documentOf('eval', at('fast-int8'), '--data', at('dev.tsv'));
  const { accuracy, accuracyStd } = document.int8 as { accuracy: number; accuracyStd: number };
  expect(evaluated).toMatchObject({ accuracy, accuracyStd, precision: 'int8' });
  const record = JSON.parse(await readFile(at('fast-int8/run.json'), 'utf8'));
  expect(record).toMatchObject({ command: 'compress', quantization: { int8: { accuracy }, fp32: quality } });
  const card = await readFile(at('fast-int8/README.md'), 'utf8');
  expect(card).toContain(await titleOf(at('fast')));
  expect(card).toContain(`| Accuracy, int8 | ${(100 * accuracy).toFixed(1)} % of 20 rows`);
});

/** The first heading of a model card. */
async function titleOf(model: string): Promise<string> {
  const card = await readFile(join(model, 'README.md'), 'utf8');
  return card.split('\n').find((line) => line.startsWith('# ')) ?? '';
}

it('compress: in int8, too', async () => {
  const free = ['--no-train', '--sparsity', '0.2', '--precision', 'int8'];
  const document = await documentOf('compress', at('dense'), ...data(), ...free, '-o', at('free'));
  expect(document).toMatchObject({ accuracy: fraction, int8: { accuracy: fraction, examples: 20 } });
  expect(existsSync(at('free/onnx/model_quantized.onnx'))).toBe(true);
  expect(await documentOf('eval', at('free'), '--data', at('dev.tsv'))).toMatchObject({ precision: 'int8' });
  expect(await documentOf('eval', `${at('free')}:fp32`, '--data', at('dev.tsv'))).toMatchObject({ precision: 'fp32' });
});

it('predict and bench: int8 answers are near, and both models of a folder run side by side', async () => {
  const [text, model] = ['this film was awful', at('fast-int8')];
  const scoresIn = async (...asked: string[]): Promise<Record<string, number>> => {
    const { predictions } = await documentOf('predict', ...asked, text);
    return (predictions as [{ scores: Record<string, number> }])[0].scores;
  };
  const [floats, integers] = [await scoresIn(model, '--precision', 'fp32'), await scoresIn(model)];
  expect(await scoresIn(`${model}:fp32`)).toEqual(floats);
  expect(await scoresIn(model, '--precision', 'int8')).toEqual(integers);
  expect(integers).not.toEqual(floats);
  expect(integers['0']).toBeCloseTo(floats['0'] as number, 1);
  const { results } = await documentOf('bench', `${model}:fp32`, model, '--data', at('dev.tsv'), '--rounds', '2');
  expect(results).toMatchObject([
    { model: `${model}:fp32`, precision: 'fp32', ratio: 1 },
    { model, precision: 'int8', ratio: above0 },
  ]);
  const { code, err } = await program(['predict', at('fast'), text, '--precision', 'int8']);
  expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('Make it: prumux quantize') });
});

it('auto: the choice, its report, and no second training of what is finished', async () => {
  const grid = ['--instances', '1,2', '--sparsities', '0,0.5', '--max-drop', '100', ...short];
  const argv = ['auto', at('dense'), ...data(), ...grid, '--exhaustive', '--precisions', 'fp32', '-o', at('auto')];
  const document = await documentOf(...argv);
  expect(document).toMatchObject({
    ...{ chosen: { ratio: above0, drop: { upper: expect.any(Number) } }, predicted: [], frontier: expect.any(Array) },
    ...{ stop: 'all trained', final: { examples: 6, accuracy: fraction }, seconds: { train: above0, measure: above0 } },
    guesses: [{ point: { instances: 1, sparsity: 0.5 }, drop: { points: expect.any(Number) } }],
  });
  expect(document.measured).toMatchObject([{ name: 'n1-s0.5' }, { name: 'n2-s0' }, { name: 'n2-s0.5' }]);
  const { setAside, data: seen } = JSON.parse(await readFile(at('dense/run.json'), 'utf8'));
  expect(setAside).toBe(8);
  expect(document.rows).toMatch(
    /^14 of the evaluation rows chose, and \d+ of the training file that nothing was trained/,
  );
  const [kind, ...others] = await readdir(at('auto.run'));
  expect(others).toEqual([]);
  const trial = join(at('auto.run'), kind ?? '', 'n2-s0.5');
  expect(JSON.parse(await readFile(join(trial, 'run.json'), 'utf8'))).toMatchObject({ data: seen });
  const page = await readFile(join(at('auto'), 'report.html'), 'utf8');
  expect(page).toContain(`prumux auto ${at('dense')}`);

  const weights = join(trial, 'model.safetensors');
  const written = (await stat(weights)).mtimeMs;
  const { code, err } = await program([...argv, '--progress']);
  expect(code).toBe(0);
  for (const piece of ['evaluating', 'measuring']) expect(err).not.toContain(piece); // that is kept, too
  expect((await stat(weights)).mtimeMs).toBe(written);

  const figure = at('frontier.svg');
  const { path } = await documentOf('report', at('auto'), '--figure', figure);
  expect(path).toBe(join(at('auto'), 'report.html'));
  expect(await readFile(figure, 'utf8')).toContain('examples per second');
  const folderOfChoice = await documentOf('eval', at('auto'), '--data', at('dev.tsv'));
  expect(folderOfChoice).toMatchObject({ examples: 20 });
});

it('auto: starts nothing after its time, and delivers int8 where that is chosen', async () => {
  const argv = [
    'auto',
    at('dense'),
    ...data(),
    '--instances',
    '1,8',
    '--sparsities',
    '0',
    ...['--max-drop', '100', '--multiplex-epochs', '1', '--groups', '8'],
  ];
  // Exhaustive: what is predicted of models as small as these are is noise, and may be nothing to gain.
  const stopped = await documentOf(...argv, '--exhaustive', '--budget', '0s', '-o', at('stopped'));
  expect(stopped).toMatchObject({ stop: 'time', decisions: [] });
  const { precision } = stopped.chosen as { precision: string };
  expect(existsSync(join(at('stopped'), 'onnx', 'model_quantized.onnx'))).toBe(precision === 'int8');
  expect(await documentOf('eval', at('stopped'), '--data', at('dev.tsv'))).toMatchObject({ precision });
  const { code, err } = await program([...argv, '--budget', 'soon', '-o', at('stopped')]);
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('--budget: expected TIME') });
});

it('refuses flags that would count for nothing', async () => {
  const compress = ['compress', at('dense'), ...data(), '-o', at('never')];
  const cases: readonly (readonly [readonly string[], string])[] = [
    [[...compress, '--instances', '1', '--demultiplexer', 'rsa'], '--demultiplexer: expected nothing, as one input'],
    [[...compress, '--instances', '1', '--multiplex-epochs', '2'], '--multiplex-epochs: expected nothing, as one'],
    [[...compress, '--prune-epochs', '0'], '--prune-epochs: expected a number, above 0'],
    [['eval', `${at('dense')}:fp32`, '--data', at('dev.tsv'), '--precision', 'int8'], '--precision: expected fp32, as'],
    [['predict', `${at('dense')}:int8`, 'a film', '--precision', 'fp32'], '--precision: expected int8, as'],
    [['serve', at('dense'), '--workers', '2', '--streams', '4'], '--streams: expected nothing, as --workers'],
    [['serve', at('dense'), '--log-texts'], '--log-texts: expected --log-level debug or trace'],
    [['train', '--columns', 'text=a,label=b', '-o', at('never')], '--columns: expected nothing, as the rows are those'],
    [['eval', at('dense'), '--data', 'builtin', '--columns', 'text=a'], '--columns: expected nothing, as the rows are'],
    [
      ['auto', at('dense'), ...data(), '--sparsities', '0', '--prune-epochs', '2', '-o', at('never')],
      '--prune-epochs: expected nothing at sparsity 0',
    ],
    [
      ['worker', '--queue', 'redis://queue.lan', '--artefacts', folder, '--threads', '2', '--concurrency', '8'],
      '--concurrency: expected at most the 2 of --threads',
    ],
    [['pretrain', '--text', at('train.tsv'), '--prefill-layers', '1', '-o', at('never')], '--prefill-layers: expected'],
    [['train', ...data(), '--encoder', at('dense'), '--tokenizer', at('dense'), '-o', at('never')], '--tokenizer: exp'],
    [[...compress, '--sparsity', '0', '--recover-epochs', '2'], '--recover-epochs: expected nothing at sparsity 0'],
    [
      [...compress, '--sparsity', '0', '--instances', '1', '--teacher', 'multiplexed'],
      '--teacher: expected nothing at',
    ],
    [
      ['train', ...data(), '--tokenizer', at('dense'), '--vocabulary-size', '900', '-o', at('never')],
      '--vocabulary-size',
    ],
    [['pretrain', '--text', at('train.tsv'), '--steps', '5', '--epochs', '2', '-o', at('never')], '--epochs: expected'],
    [['eval', at('fast'), '--data', at('dev.tsv'), '--probes', '3'], '--probes: expected nothing without --isolation'],
  ];
  for (const [argv, message] of cases) {
    expect(await program(argv)).toMatchObject({ code: 2, err: expect.stringContaining(message) });
  }
});

it('auto: refuses a grid with a point that cannot be trained before any work', async () => {
  const grid = ['--instances', '2', '--prefill-layers', '9', '-o', at('never')];
  const { code, err } = await program(['auto', at('dense'), ...data(), ...grid]);
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('prefillLayers: expected fewer than') });
});

it('doctor: what works here and why the rest does not', async () => {
  const { devices, node, threads } = await documentOf('doctor');
  expect({ node, threads }).toEqual({ node: process.version, threads: above0 });
  const [first, ...others] = devices as { isAvailable: boolean; gigaflops?: number; reason?: string }[];
  expect(first).toMatchObject({ device: 'cpu', isAvailable: true, gigaflops: above0 });
  for (const { isAvailable, reason } of others) expect(isAvailable || (reason ?? '').length > 0).toBe(true);
});
