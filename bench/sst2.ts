/**
 * Accuracy on real input: SST-2, `mini` from scratch, then N = 4 at sparsity 0.6 from that teacher, and the throughput of both in one run. Claims
 * (issue 2): dev accuracy >= 0.80 within 25 minutes; within 4 points of the teacher at >= 7x its throughput.
 *
 *   npx tsx bench/sst2.ts DATA OUTPUT [--seed 1]      DATA has sst2/train.tsv, sst2/dev.tsv and bert-uncased/
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sst2Compressed, sst2Teacher } from '../recipes/sst2.ts';
import { compareThroughput, readTextClassifier, throughputDefaults } from '../src/infer/index.ts';
import { cpu } from '../src/runtime/index.ts';
import {
  compressClassifier,
  openTexts,
  type RunOptions,
  type StepReport,
  trainClassifier,
} from '../src/train/index.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '1' } },
});
const [data, output] = positionals;
if (data === undefined || output === undefined || !existsSync(join(data, 'sst2', 'train.tsv'))) {
  console.log('skipped: no sst2/train.tsv in the first argument, the folder of the data');
  process.exit(0);
}

const start = performance.now();
const minutes = (): string => `${((performance.now() - start) / 60_000).toFixed(1)} min`;

function report({ phase, step, steps, loss, metrics }: StepReport): void {
  if (step % 200 !== 0 && step !== steps) return;
  const shown = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(3)}`);
  console.log(`${minutes()}  ${phase} ${step}/${steps}  loss ${loss.toFixed(3)}  ${shown.join('  ')}`);
}

function optionsFor(folder: string): RunOptions {
  const source = { data: join(String(data), 'sst2', 'train.tsv'), evaluation: join(String(data), 'sst2', 'dev.tsv') };
  return { source, output: folder, seed: Number(values.seed), placement: cpu(), onStep: report };
}

const teacherFolder = join(output, 'teacher');
const compressedFolder = join(output, 'n4-s60');
if (!existsSync(teacherFolder)) {
  const recipe = { ...sst2Teacher, tokenizer: join(data, 'bert-uncased') };
  const { evaluation } = await trainClassifier(recipe, optionsFor(teacherFolder));
  console.log(`teacher: dev accuracy ${evaluation.accuracy.toFixed(4)} after ${minutes()}`);
}
if (!existsSync(compressedFolder)) {
  const models = await compressClassifier(teacherFolder, sst2Compressed, optionsFor(compressedFolder));
  for (const { evaluation, teacher, sparsity, parity } of models) {
    console.log(
      `N=4: dev accuracy ${evaluation.accuracy.toFixed(4)} ± ${evaluation.accuracyStd.toFixed(4)}, teacher ${teacher.accuracy.toFixed(4)}, ` +
        `sparsity ${sparsity.toFixed(3)}, parity ${parity.toExponential(1)}, after ${minutes()}`,
    );
  }
}
const dense = await readTextClassifier(teacherFolder);
const compressed = await readTextClassifier(compressedFolder);
const encodings = (await openTexts(join(data, 'sst2', 'dev.tsv'))).map(dense.encode);
const contestants = [
  { name: 'dense N=1', config: dense.config, onnx: dense.onnx },
  { name: 'N=4, sparsity 0.6', config: compressed.config, onnx: compressed.onnx },
];
const results = await compareThroughput(contestants, encodings, {
  padId: dense.tokenizer.padId,
  maxTokens: dense.maxTokens,
  placement: cpu(),
  rounds: throughputDefaults.rounds,
  rows: throughputDefaults.rows,
});
for (const { name, examplesPerSecond, ratio } of results) {
  console.log(`${name.padEnd(20)} ${examplesPerSecond.toFixed(0).padStart(7)} texts/s  ${ratio.toFixed(2)}x`);
}
