/**
 * What multiplexing costs in accuracy, on real data: SST-2, Banking77 and WNUT-17 with 1 to 10 inputs per pass. Every figure is the output of a
 * command that is printed with it; finished commands are not run again, stopped ones go on. Claims: issue 3 (see RESULTS.md).
 *
 *   npx tsx bench/multiplexing.ts DATA OUT [--only REGEX] [--figure FILE.svg] [--threads 1]
 *
 * DATA has the data sets, OUT takes the models. The program must be built (`npm run build`).
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { CORPORA, type CorpusName, denseRun, ENCODERS, studentRun } from '../recipes/multiplexing.ts';
import { type NamedRun, words } from '../recipes/named-run.ts';
import { accuracyByInstances } from '../src/report/index.ts';
import { type Result, resultOf } from './named-run-result.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', default: '' }, figure: { type: 'string' }, threads: { type: 'string' } },
});
const [data = '', out = ''] = positionals;

/** A model measured: with its spread over groupings, ensembled, and (where asked) its isolation. */
function measurement(corpus: CorpusName, { name }: NamedRun, flags: readonly string[] = ['--ensemble']): NamedRun {
  return { name: `eval-${name}`, argv: ['eval', `OUT/${name}`, '--data', CORPORA[corpus].eval, ...flags] };
}

const PLAIN: readonly (readonly [CorpusName, readonly number[]])[] = [
  ['sst2', [10, 5, 2]],
  ['banking77', [4]],
  ['wnut17', [2]],
];

/** Ways to mix and to tell apart ten inputs, compared after as many steps; the first is the default, which the others differ from in one thing. */
const STRATEGIES: readonly (readonly [string, readonly string[]])[] = [
  ['default', []],
  ['rsa', ['--demultiplexer', 'rsa']],
  ['index', ['--demultiplexer', 'index']],
  ['subspace', ['--multiplexer', 'subspace']],
  ['subspace-rsa', ['--multiplexer', 'subspace', '--demultiplexer', 'rsa']],
  ['orthogonal-keys', ['--multiplexer', 'orthogonal-keys']],
  ['random-orthogonal', ['--multiplexer', 'random-orthogonal']],
  ['contextual-subspace', ['--multiplexer', 'contextual-subspace']],
  ['contextual', ['--multiplexer', 'contextual']],
  ['prefill1', ['--prefill-layers', '1']],
];

function* runs(): Generator<NamedRun> {
  yield* ENCODERS;
  for (const [corpus, instances] of PLAIN) {
    const models = [denseRun(corpus), ...instances.map((N) => studentRun(corpus, N))];
    const flags = corpus === 'wnut17' ? [] : ['--ensemble'];
    for (const model of models) yield* [model, measurement(corpus, model, flags)];
  }
  for (const seed of [2, 3]) yield denseRun('sst2', seed);
  for (const [variant, options] of STRATEGIES) {
    const model = studentRun('sst2', 10, variant, [...options, '--multiplex-epochs', '3']);
    yield* [model, measurement('sst2', model, [])];
  }
  // Four inputs of 77 classes, mixed after the first layer: the plain student falls short.
  const late = studentRun('banking77', 4, 'prefill1', words('--prefill-layers 1 --groups 8 --multiplex-epochs 20'));
  yield* [late, measurement('banking77', late)];
  const isolated = [
    studentRun('sst2', 4),
    studentRun('sst2', 4, 'consistent', ['--consistency', '4']),
    studentRun('sst2', 4, 'prefill1', words('--prefill-layers 1 --multiplex-epochs 2')),
    studentRun('sst2', 4, 'prefill1-consistent', words('--prefill-layers 1 --consistency 4 --multiplex-epochs 2')),
  ];
  for (const model of isolated) yield* [model, measurement('sst2', model, ['--isolation', '--ensemble'])];
}

const wanted = new RegExp(values.only);
const results = new Map<string, Result>();
for (const run of runs()) {
  if (!wanted.test(run.name)) continue;
  console.log(`\n${run.name}: prumux ${run.argv.join(' ')}`);
  const result = await resultOf(run, { data, out, threads: values.threads });
  results.set(run.name, result);
  const scalars = Object.entries(result).filter(([, value]) => typeof value === 'number');
  console.log(scalars.map(([key, value]) => `${key} ${(value as number).toPrecision(4)}`).join(', '));
  if (result.isolation !== undefined) console.log(JSON.stringify(result.isolation));
}

if (values.figure !== undefined) {
  // Span F1 is on another scale.
  const lines = PLAIN.filter(([corpus]) => corpus !== 'wnut17').map(([corpus, instances]) => ({
    name: corpus,
    points: [1, ...instances]
      .flatMap((N) => {
        const measured = results.get(`eval-${corpus}-n${N}`);
        if (measured === undefined) return [];
        return [{ instances: N, value: Number(measured.accuracy), spread: Number(measured.accuracyStd) }];
      })
      .sort((a, b) => a.instances - b.instances),
  }));
  await writeFile(values.figure, accuracyByInstances(lines));
}
