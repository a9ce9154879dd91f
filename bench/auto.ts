/**
 * Auto-PruMUX on real data: a grid of SST-2 that was trained in full, and the search played again on a part of it. Claims (issue 5): two points buy 12
 * times the dense model's throughput and four points 25 times; the choice has at least 95 % of the throughput of the best point that fits, with at
 * most a third of the points trained; predictions tell their errors; all that is neither training nor measuring takes at most 3 % of the time.
 *
 *   npx tsx bench/auto.ts DATA OUT [--print] [--queue redis://HOST:PORT --artefacts DIR]
 *
 * DATA has the data sets; OUT takes the dense model and the grid. What is missing is trained by the commands of `recipes/auto.ts`, which --print
 * only prints; with --queue by the workers of that queue (`prumux worker`). The program must be built (`npm run build`).
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { COMPARED_SPARSITIES, DENSE_RUN, GRID_RUN } from '../recipes/auto.ts';
import {
  type AutoRecord,
  autoRecordIn,
  choose,
  type Exploration,
  explore,
  gridOf,
  partAt,
  type Question,
  replay,
  replayed,
} from '../src/auto/index.ts';
import { readRunFile } from '../src/train/index.ts';
import { argumentsOf, resultOf } from './named-run-result.ts';

const ALLOWED_DROPS = [0.5, 1, 2, 3, 4, 5];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    print: { type: 'boolean', default: false },
    queue: { type: 'string' },
    artefacts: { type: 'string' },
  },
});
const [data = '', out = ''] = positionals;
const grid = join(out, GRID_RUN.name);

/** Runs the commands that were not run, or prints them all. */
async function train(): Promise<void> {
  const { queue, artefacts } = values;
  const flags = Object.entries({ queue, artefacts }).flatMap(([name, value = '']) =>
    value ? [`--${name}`, value] : [],
  );
  for (const run of [DENSE_RUN, GRID_RUN]) {
    console.log(`prumux ${argumentsOf(run, { data, out }).join(' ')}`);
    if (!values.print) await resultOf(run, { data, out, ...(run === GRID_RUN && { flags }) });
  }
}

/** The question that a grid answers, at another budget. */
function questionAt(maxDrop: number, { dense, trials, confidence }: Exploration): Question {
  const models = [dense, ...trials];
  const unique = <T>(all: readonly T[]): T[] => [...new Set(all)];
  return {
    grid: gridOf(unique(models.map(({ point }) => point.instances)), unique(models.map(({ point }) => point.sparsity))),
    precisions: unique(models.map(({ precision }) => precision)),
    ...{ maxDrop, confidence, isExhaustive: false, hasShortRuns: false },
    ...{ budgetSeconds: Number.POSITIVE_INFINITY },
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function describeErrors({ accuracy, throughput }: AutoRecord['exploration']['errors']): string {
  const models = accuracy.map(({ model, leaveOneOut }) => `${model} ${leaveOneOut.toFixed(2)} points`);
  const { shapesLeftOut = Number.NaN, trials = Number.NaN } = throughput;
  return `accuracy ${models.join(', ')}; throughput of shapes left out ${percent(shapesLeftOut)}, of trained models ${percent(trials)}`;
}

/** The fastest of all that surely loses no more, against the dense model in both precisions. */
function boughtBy(maxDrop: number, { trials, dense }: Exploration): string {
  const { chosen } = choose(trials, dense, maxDrop);
  const { ratio = Number.NaN } = trials.find(({ name }) => name === 'dense-int8') ?? {};
  const { points, upper } = chosen.drop;
  return (
    `${chosen.name}, ${chosen.ratio.toFixed(1)}x the dense model and ${(chosen.ratio / ratio).toFixed(1)}x it in int8; ` +
    `it lost ${points.toFixed(2)} points, at most ${upper.toFixed(2)}`
  );
}

async function report(): Promise<void> {
  const record = autoRecordIn(await readRunFile(grid), join(grid, 'run.json'));
  for (const maxDrop of ALLOWED_DROPS) console.log(`${maxDrop} points buy ${boughtBy(maxDrop, record.exploration)}`);
  const part = partAt(COMPARED_SPARSITIES, record.exploration);
  for (const maxDrop of ALLOWED_DROPS) {
    const { share, trained, chosen, best } = await replay(questionAt(maxDrop, part), part, record.examples);
    console.log(
      `${maxDrop} points, sparsities to ${Math.max(...COMPARED_SPARSITIES)}: the search takes ${chosen} of best ${best}, ` +
        `${percent(share)} of its throughput, ${percent(trained)} of the points trained`,
    );
  }
  const { errors } = await explore({ ...questionAt(0, part), isExhaustive: true }, replayed(part, record.examples));
  console.log(`errors, those points known: ${describeErrors(errors)}`);
  console.log(`errors, all points known: ${describeErrors(record.exploration.errors)}`);
  const { other = 0, ...work } = record.seconds;
  const total = Object.values(work).reduce((sum, seconds) => sum + seconds, other);
  console.log(`overhead: ${other.toFixed(1)} s of ${total.toFixed(0)} s, ${percent(other / total)}`);
}

await train();
if (!values.print) await report();
