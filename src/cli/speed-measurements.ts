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

/** Examples per second of models in their order, side by side on rows of the evaluation file. */
export async function measureCandidates(models: readonly Candidate[], laboratory: Laboratory): Promise<number[]> {
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

/** A prediction is worth less time than a figure: fewer batch sizes, rounds and rows. */
const FEWER = { rows: [32, 128], rounds: 3 } as const;
const ROW_STRIDE = 4;

/** Models that are open at once: the dense shape is measured beside each few. */
const SIDE_BY_SIDE = 6;

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
  for (let at = 0; at < wanted.length; at += SIDE_BY_SIDE) {
    const few = wanted.slice(at, at + SIDE_BY_SIDE);
    const measured = await measureFew(few, laboratory);
    ratios.push(...few.map((one, place) => ({ ...one, ratio: measured[place] ?? 0 })));
  }
  return ratios;
}
