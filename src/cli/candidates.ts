/** Trials as candidates: exported at a precision, their answers compared with the dense model's row by row. */
import {
  type Candidate,
  DENSE,
  dropInterval,
  type FinalFigures,
  type GridPoint,
  type Guess,
  isSamePoint,
  NO_DROP,
  nameOf,
  pairedDrop,
  type Question,
  scoreOf,
  scoresAt,
  type Trial,
} from '../auto/index.ts';
import { ConfigError, type Precision, VERSION } from '../base/index.ts';
import {
  closing,
  exportClassifier,
  openPredictor,
  predictorOf,
  readTextClassifier,
  rowLimit,
  type StoredClassifier,
} from '../infer/index.ts';
import { readModelFolder } from '../model/index.ts';
import { openSession } from '../runtime/index.ts';
import {
  calibrationFrom,
  encodeSet,
  fingerprintOf,
  openData,
  pruneToEach,
  readTeacher,
  type ScoredRows,
  scoreRows,
  spreadOf,
  trainingFreeDefaults,
} from '../train/index.ts';
import { fingerprintAt, type Laboratory, type Route, trainShortly } from './trials.ts';

/** What is measured of a trial. */
export type Exported = Pick<Candidate, 'folder' | 'precision'> & Route;

/** A trial's model with its ONNX file, or the bytes of its export, at a precision. */
export async function storedAt(
  { folder, precision }: Exported,
  { settings }: Pick<Laboratory, 'settings'>,
): Promise<StoredClassifier> {
  const stored = await readTextClassifier(folder, settings.maxTokens, 'fp32');
  if (precision === 'fp32') return stored;
  const { config, parameters } = await readModelFolder(folder);
  return { ...stored, precision, onnx: exportClassifier(config, parameters, { precision }).bytes };
}

/** The scores of all rows that models are compared by. */
async function scoresOf(exported: Exported, laboratory: Laboratory): Promise<ScoredRows> {
  const { point, precision } = exported;
  const { seed, placement, onProgress } = laboratory.options;
  const compared = fingerprintOf(fingerprintAt(exported, laboratory), laboratory.examples.checksum).slice(0, 12);
  const name = `${nameOf(point)}-${precision}-scores-${compared}`;
  const { result } = await laboratory.notes.kept('assess', name, async () => {
    const stored = await storedAt(exported, laboratory);
    const set = encodeSet(laboratory.examples, stored.tokenizer, stored.maxTokens);
    const predictor = predictorOf(await openSession(stored.onnx, placement), stored.config);
    return closing(predictor, (open) => scoreRows(open, set, { maxTokens: stored.maxTokens, seed, onProgress }));
  });
  return result;
}

/** The scores of a model beside the dense one's, on some of the rows. */
async function besideDense(exported: Exported, rows: readonly number[], laboratory: Laboratory) {
  const { model: folder } = laboratory;
  const all = await scoresOf(exported, laboratory);
  const before = scoresAt(await scoresOf({ folder, point: DENSE, precision: 'fp32' }, laboratory), rows);
  const { std } = spreadOf(all.groupings.map((scores) => scoreOf(scoresAt(scores, rows))));
  return { before, after: scoresAt(all, rows), std };
}

const isDense = ({ point, precision }: Exported): boolean => precision === 'fp32' && isSamePoint(point, DENSE);

/** A trial at every precision, by the rows that choose. */
export async function assessTrial(
  trial: Trial,
  precisions: readonly Precision[],
  confidence: number,
  laboratory: Laboratory,
): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for (const precision of precisions) {
    const exported = { ...trial, precision };
    const { before, after, std } = await besideDense(exported, laboratory.rows.choosing, laboratory);
    candidates.push({
      ...{ ...exported, name: precision === 'fp32' ? trial.name : `${trial.name}-${precision}` },
      ...{ accuracy: scoreOf(after), accuracyStd: std },
      drop: isDense(exported) ? NO_DROP : pairedDrop(before, after, confidence),
    });
  }
  return candidates;
}

/** The scores of the dense model pruned without training to each sparsity, for as many as can be had so. */
async function scoresWithoutTraining(
  sparsities: readonly number[],
  { model, config, settings, options, examples: compared }: Laboratory,
): Promise<ScoredRows[]> {
  const { source, seed, placement, onProgress } = options;
  const dense = await readTeacher(model);
  const { train } = await openData(source, config);
  const maxTokens = rowLimit(config, settings.maxTokens);
  const set = encodeSet(compared, dense.tokenizer, maxTokens);
  const { examples } = trainingFreeDefaults;
  const scores: ScoredRows[] = [];
  try {
    const calibration = calibrationFrom(train, dense, { ...options, examples, maxTokens });
    for await (const pruned of pruneToEach(dense, sparsities, calibration)) {
      const predictor = await openPredictor(pruned.config, pruned.parameters, placement);
      scores.push(await closing(predictor, (open) => scoreRows(open, set, { maxTokens, seed, onProgress })));
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error; // more than heads and units would have to go
  }
  return scores;
}

/** What one input per pass loses at each sparsity where no weight is trained, by the rows that choose. */
export async function guessDrops(
  sparsities: readonly number[],
  confidence: number,
  laboratory: Laboratory,
): Promise<Guess[]> {
  if (sparsities.length === 0) return [];
  const { model: folder, teacher, data, examples, settings, options, rows } = laboratory;
  const follows = [VERSION, sparsities, teacher, data, examples.checksum, settings.maxTokens, options.seed];
  const name = `guesses-${fingerprintOf(...follows).slice(0, 12)}`;
  const make = (): Promise<ScoredRows[]> => scoresWithoutTraining(sparsities, laboratory);
  const { result } = await laboratory.notes.kept('guess', name, make);
  const before = scoresAt(await scoresOf({ folder, point: DENSE, precision: 'fp32' }, laboratory), rows.choosing);
  return result.map((scores, at) => ({
    point: { instances: 1, sparsity: sparsities[at] as number },
    drop: pairedDrop(before, scoresAt(scores, rows.choosing), confidence),
    by: 'no training',
  }));
}

/** What a multiplexed model loses after a small share of its training, by the rows that choose. */
export async function tryShortly(
  point: GridPoint,
  confidence: number,
  laboratory: Laboratory,
): Promise<Guess | undefined> {
  const trial = await trainShortly(point, laboratory);
  if (trial === undefined) return undefined;
  const { before, after } = await besideDense({ ...trial, precision: 'fp32' }, laboratory.rows.choosing, laboratory);
  return { point, drop: pairedDrop(before, after, confidence), by: 'short run' };
}

/** The chosen model on the rows that had no part in choosing it; nothing where there are none. */
export async function finalFigures(
  chosen: Exported,
  { maxDrop, confidence }: Pick<Question, 'maxDrop' | 'confidence'>,
  laboratory: Laboratory,
): Promise<FinalFigures | undefined> {
  const { final } = laboratory.rows;
  if (final.length === 0) return undefined;
  const { before, after } = await besideDense(chosen, final, laboratory);
  const interval = isDense(chosen) ? { confidence, low: 0, high: 0 } : dropInterval(before, after, confidence);
  return {
    ...{ examples: final.length, accuracy: scoreOf(after), denseAccuracy: scoreOf(before), interval },
    drop: isDense(chosen) ? NO_DROP : pairedDrop(before, after, confidence),
    contradictsChoice: interval.low > maxDrop,
  };
}
