/** How fast models of `auto` are on this machine and these rows: random ones of every shape before training, the trained ones at the end. */
import { type Candidate, candidateName, DENSE, type GridPoint, isSamePoint, type ShapeRatio } from '../auto/index.ts';
import type { Precision } from '../base/index.ts';
import { compareThroughput, measuredRows, type StoredClassifier, throughputDefaults } from '../infer/index.ts';
import { fingerprintOf, likelyShape, machineOf, openTexts, shapeRatios } from '../train/index.ts';
import { storedAt } from './candidates.ts';
import { fingerprintAt, type Laboratory } from './trials.ts';

/** Rows in everybody's tokens; the dense model's tokenizer is that of all trials. */
async function encodedRows(classifier: StoredClassifier, { options, config }: Laboratory) {
  const { source } = options;
  const texts = await openTexts(source.evaluation, source.columns, config.task);
  return measuredRows(texts).map(classifier.encode);
}

/** Models that are open at once beside the dense one, next to which each few are measured. */
const SIDE_BY_SIDE = 6;

function inFews<T>(all: readonly T[]): T[][] {
  const count = Math.ceil(all.length / SIDE_BY_SIDE);
  return Array.from({ length: count }, (_, at) => all.slice(at * SIDE_BY_SIDE, (at + 1) * SIDE_BY_SIDE));
}

/** Examples per second of models in their order, side by side on rows of the evaluation file. */
async function measureTogether(models: readonly Candidate[], laboratory: Laboratory): Promise<number[]> {
  const { data, notes, options } = laboratory;
  const { placement, onProgress } = options;
  const contents = models.map((model) => [fingerprintAt(model, laboratory), model.precision]);
  const name = `speeds-${fingerprintOf(contents, data.evaluation, machineOf(placement)).slice(0, 12)}`;
  const { result } = await notes.kept('measure', name, async () => {
    const classifiers: StoredClassifier[] = [];
    for (const model of models) classifiers.push(await storedAt(model, laboratory));
    const [first] = classifiers as [StoredClassifier];
    const contestants = classifiers.map(({ config, onnx }, at) => ({ name: models[at]?.name ?? '', config, onnx }));
    const results = await compareThroughput(contestants, await encodedRows(first, laboratory), {
      ...throughputDefaults,
      ...{ maxTokens: first.maxTokens, placement, padId: first.tokenizer.padId, onProgress },
    });
    return results.map(({ examplesPerSecond }) => examplesPerSecond);
  });
  return result;
}

/** Rates of runs that each begin with the same model, as if all had been measured in the first: each few count by their ratio to it. */
function inOneRun(runs: readonly (readonly number[])[]): number[] {
  const baseline = runs[0]?.[0] ?? 0;
  return [baseline, ...runs.flatMap(([own = baseline, ...few]) => few.map((rate) => rate * (baseline / own)))];
}

/** Examples per second of the dense model and then of the others, a few of which are measured beside it at a time. */
export async function measureCandidates(
  [dense, ...others]: readonly [Candidate, ...Candidate[]],
  laboratory: Laboratory,
): Promise<number[]> {
  const [first = [], ...more] = inFews(others);
  const runs: number[][] = [];
  for (const few of [first, ...more]) runs.push(await measureTogether([dense, ...few], laboratory));
  return inOneRun(runs);
}

/** A prediction is worth less time than a figure: fewer batch sizes, rounds and rows. */
const FEWER = { rows: [32, 128], rounds: 3 } as const;
const ROW_STRIDE = 4;

interface Wanted {
  readonly point: GridPoint;
  readonly precision: Precision;
}

/** A few shapes beside the dense one. */
async function measureFew(wanted: readonly Wanted[], laboratory: Laboratory): Promise<number[]> {
  const { config, settings, options, data, notes } = laboratory;
  const { placement, onProgress } = options;
  const shapes = wanted.map(({ point, precision }) => ({
    ...{ name: candidateName(point, precision), precision },
    config: likelyShape(config, settings, point),
  }));
  const name = `shapes-${fingerprintOf(shapes, data.evaluation, machineOf(placement), settings.maxTokens).slice(0, 12)}`;
  const { result } = await notes.kept('measure shapes', name, async () => {
    const dense = await storedAt({ folder: laboratory.model, point: DENSE, precision: 'fp32' }, laboratory);
    const rows = (await encodedRows(dense, laboratory)).filter((_, at) => at % ROW_STRIDE === 0);
    const { maxTokens, tokenizer } = dense;
    return shapeRatios(config, shapes, rows, { ...FEWER, maxTokens, placement, padId: tokenizer.padId, onProgress });
  });
  return result;
}

/** Random models of the shapes of points at every precision; the dense model's own ratio is 1. */
export async function measureShapes(
  points: readonly GridPoint[],
  precisions: readonly Precision[],
  laboratory: Laboratory,
): Promise<ShapeRatio[]> {
  const wanted = points
    .flatMap((point) => precisions.map((precision): Wanted => ({ point, precision })))
    .filter(({ point, precision }) => precision !== 'fp32' || !isSamePoint(point, DENSE));
  const ratios: ShapeRatio[] = [{ point: DENSE, precision: 'fp32', ratio: 1 }];
  for (const few of inFews(wanted)) {
    const measured = await measureFew(few, laboratory);
    ratios.push(...few.map((one, place) => ({ ...one, ratio: measured[place] ?? 0 })));
  }
  return ratios;
}
