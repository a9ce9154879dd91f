/**
 * Accuracy of pruned models on SST-2, at N = 1, 2 and 5 and sparsities 0.6 to 0.95, several seeds; their throughput beside the dense teacher's in one
 * run; and the speed that `--speedup` reaches. Claims: issue 4 (see RESULTS.md).
 *
 *   npx tsx bench/pruning.ts DATA OUT [--seeds 1,2,3] [--instances 1,2,5] [--speedups 8] [--alone] [--figure FILE.svg] [--no-throughput] [--threads 1]
 *
 * DATA has the data sets; OUT takes the models, three teachers among them, of which the one of the median accuracy teaches. The program must be
 * built (`npm run build`). Finished runs are not run again, stopped ones go on.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DENSE_RUN } from '../recipes/auto.ts';
import type { NamedRun } from '../recipes/named-run.ts';
import { SPARSITIES, separateRun, sparsitiesRun, speedRun, TEACHER_RUNS } from '../recipes/pruning.ts';
import { accuracyBySpeedup, type SpeedupLine } from '../src/report/index.ts';
import { spreadOf } from '../src/train/index.ts';
import { resultOf } from './named-run-result.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    instances: { type: 'string', default: '1,2,5' },
    speedups: { type: 'string', default: '' },
    alone: { type: 'boolean', default: false },
    figure: { type: 'string' },
    'no-throughput': { type: 'boolean', default: false },
    threads: { type: 'string' },
  },
});
const [data = '', out = ''] = positionals;
const folders = { data, out, threads: values.threads };
const numbersIn = (list: string): number[] => list.split(',').filter(Boolean).map(Number);
const seeds = numbersIn(values.seeds);

interface Model {
  readonly folder: string;
  readonly accuracy: number;
  readonly accuracyStd: number;
  readonly sparsity: number;
}

/** Models of one N and one sparsity, a seed each. */
interface Row {
  readonly instances: number;
  readonly asked: number;
  readonly models: readonly Model[];
}

async function rowsOf(instances: number, teacher: NamedRun): Promise<Row[]> {
  const documents = [];
  for (const seed of seeds) documents.push(await resultOf(sparsitiesRun({ teacher, instances, seed }), folders));
  const perSeed = documents.map((document) => document.models as readonly Model[]);
  const asked = instances === 1 ? [...SPARSITIES] : [0, ...SPARSITIES];
  return asked.map((sparsity, at) => ({
    instances,
    asked: sparsity,
    models: perSeed.map((models) => models[at] as Model),
  }));
}

const points = (share: number): string => (100 * share).toFixed(2);

const meanAccuracy = ({ models }: Row): number => spreadOf(models.map(({ accuracy }) => accuracy)).mean;

/** What multiplexing alone loses at a row's N and pruning alone at its sparsity, from the teacher on; undefined where one of them was not measured. */
function sumOfDrops({ instances, asked }: Row, measured: readonly Row[], teacher: number): number | undefined {
  if (instances === 1 || asked === 0) return undefined;
  const multiplexed = measured.find((row) => row.instances === instances && row.asked === 0);
  const pruned = measured.find((row) => row.instances === 1 && row.asked === asked);
  return multiplexed && pruned && 2 * teacher - meanAccuracy(multiplexed) - meanAccuracy(pruned);
}

function printRow(row: Row, measured: readonly Row[], teacher: number): void {
  const { instances, asked, models } = row;
  const accuracies = models.map(({ accuracy }) => accuracy);
  const { mean, std } = spreadOf(accuracies);
  const reached = models.map(({ sparsity }) => sparsity.toFixed(3)).join(' ');
  const sum = sumOfDrops(row, measured, teacher);
  console.log(
    `N=${instances} s=${asked}: accuracy ${points(mean)} ± ${points(std)} over ${models.length} seeds ` +
      `(${accuracies.map(points).join(' ')}), drop ${points(teacher - mean)}` +
      `${sum === undefined ? '' : ` of ${points(sum)} in sum`}, realised sparsity ${reached}`,
  );
}

/** A teacher, and its accuracy. */
interface Teacher {
  readonly run: NamedRun;
  readonly accuracy: number;
}

/** The teacher of the median accuracy. */
async function chooseTeacher(): Promise<Teacher> {
  await resultOf(DENSE_RUN, folders);
  const found: Teacher[] = [];
  for (const run of TEACHER_RUNS) found.push({ run, accuracy: Number((await resultOf(run, folders)).accuracy) });
  console.log(`teachers: ${found.map(({ accuracy }) => points(accuracy)).join(' ')}`);
  const inOrder = found.toSorted((a, b) => a.accuracy - b.accuracy);
  return inOrder[Math.floor(inOrder.length / 2)] as Teacher;
}

const { run: teacher, accuracy: teacherAccuracy } = await chooseTeacher();
console.log(`teacher: ${teacher.name}, ${points(teacherAccuracy)}`);
const rows: Row[] = [];
for (const instances of numbersIn(values.instances)) {
  const found = await rowsOf(instances, teacher);
  rows.push(...found);
  for (const row of found) printRow(row, rows, teacherAccuracy);
}

for (const speedup of numbersIn(values.speedups)) {
  for (const instances of numbersIn(values.instances)) {
    const document = await resultOf(speedRun({ teacher, instances, seed: 1 }, speedup), folders);
    console.log(
      `N=${instances} --speedup ${speedup}: ${JSON.stringify(document.speedup)}, accuracy ${document.accuracy}`,
    );
  }
}

if (values.alone) {
  for (const sparsity of SPARSITIES) {
    const { accuracy } = await resultOf(separateRun({ teacher, instances: 1, seed: 1 }, sparsity), folders);
    console.log(`N=1 s=${sparsity} in a run of its own: ${points(Number(accuracy))}`);
  }
}

/** SST-2 in figures/main_results.png of CoFi (Xia et al. 2022), BERT-base on a V100: digitised, about 0.05x and 0.1 points off. */
const COFI: SpeedupLine = {
  name: 'CoFi, BERT-base, V100 (published)',
  isPublished: true,
  points: [
    { label: '60 %', speedup: 2.08, accuracy: 0.93, spread: 0 },
    { label: '80 %', speedup: 3.7, accuracy: 0.929, spread: 0 },
    { label: '90 %', speedup: 6.98, accuracy: 0.915, spread: 0 },
    { label: '95 %', speedup: 12.2, accuracy: 0.904, spread: 0 },
  ],
};

interface BenchDocument {
  readonly results: readonly { readonly ratio: number; readonly examplesPerSecond: number }[];
}

/** Times the dense teacher's throughput, of the first seed's models, all in one run. */
async function speedupsOf(measured: readonly Row[]): Promise<number[]> {
  const models = measured.map(({ models: [first] }) => (first as Model).folder);
  const argv = ['bench', ...models, '--baseline', join(out, teacher.name), '--data', 'DATA/sst2/dev.tsv'];
  const { results } = (await resultOf(
    { name: `bench-pruned-n${values.instances}`, argv },
    folders,
  )) as unknown as BenchDocument;
  for (const [at, { ratio, examplesPerSecond }] of results.slice(1).entries()) {
    const { instances, asked } = measured[at] as Row;
    console.log(`N=${instances} s=${asked}: ${ratio.toFixed(2)}x the teacher, ${examplesPerSecond.toFixed(0)} texts/s`);
  }
  return results.slice(1).map(({ ratio }) => ratio);
}

if (!values['no-throughput']) {
  const speedups = await speedupsOf(rows);
  const own = numbersIn(values.instances).map((instances): SpeedupLine => {
    const of = rows.flatMap((row, at) =>
      row.instances === instances ? [{ row, speedup: speedups[at] as number }] : [],
    );
    return {
      name: `N=${instances}, mini`,
      points: of.map(({ row: { asked, models }, speedup }) => {
        const { mean, std } = spreadOf(models.map(({ accuracy }) => accuracy));
        const label = asked === 0 ? 'not pruned' : `${Math.round(100 * asked)} %`;
        return { label, speedup, accuracy: mean, spread: std };
      }),
    };
  });
  if (values.figure !== undefined) await writeFile(values.figure, accuracyBySpeedup([...own, COFI]));
}
