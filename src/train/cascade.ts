/**
 * CascadeCalibration of a cascade: a fast model answers, and what it is unsure of is answered again by a more accurate one. Rows are sorted by the margin
 * of their fast answer; the k least sure are recomputed. Of n rows, the fast answers right where fᵢ = 1 and the accurate ones where aᵢ = 1,
 *
 *   accuracy(k) = (Σ_{i ≤ k} aᵢ + Σ_{i > k} fᵢ) / n.
 *
 * Rows that chose a threshold flatter it. So the rows are halved, each half chooses a threshold that the other is measured with, and the two
 * measurements count together; the threshold that is kept is chosen on all rows.
 */
import { assert, type OnProgress, partOf, random } from '../base/index.ts';
import { DEFAULT_GROUPS, marginOf, type Predictor, predictLogits } from '../infer/index.ts';
import { instancesOf } from '../mux/index.ts';
import type { EncodedSet } from './encoded-set.ts';
import { DEFAULT_GROUPINGS } from './evaluate.ts';
import { predictions, spreadOf } from './metrics.ts';

/** A row's fast answer, and whether it and the accurate one are right. One row has several where groupings differ. */
export interface CascadeAnswer {
  readonly row: number;
  readonly margin: number;
  readonly isFastRight: boolean;
  readonly isAccurateRight: boolean;
}

/** What is asked of a threshold: to recompute a share of the rows, or as few as reach an accuracy. */
export type CascadeGoal = { readonly share: number } | { readonly accuracy: number };

export interface CascadeQuality {
  /** Share of the rows that is recomputed. */
  readonly share: number;
  readonly accuracy: number;
  /** Points above the fast model's accuracy on the same rows, and the standard error of that over rows. */
  readonly gain: number;
  readonly gainError: number;
}

export interface CascadeCalibration extends CascadeQuality {
  /** Answers with a margin below it are recomputed. */
  readonly threshold: number;
}

const byMargin = (a: CascadeAnswer, b: CascadeAnswer): number => a.margin - b.margin;

/** accuracy(k) for k = 0 … n, of answers sorted by margin; below 0 where no threshold recomputes just k, as the next one has the same margin. */
function accuracies(sorted: readonly CascadeAnswer[]): number[] {
  const rights = [sorted.filter(({ isFastRight }) => isFastRight).length];
  for (const [at, { isFastRight, isAccurateRight }] of sorted.entries()) {
    rights.push((rights[at] as number) + Number(isAccurateRight) - Number(isFastRight));
  }
  return rights.map((right, k) => (k > 0 && sorted[k - 1]?.margin === sorted[k]?.margin ? -1 : right / sorted.length));
}

/** Whether there is a threshold that does what is asked, on the rows that it is chosen by. */
export function isReachable(answers: readonly CascadeAnswer[], goal: CascadeGoal): boolean {
  return 'share' in goal || accuracies(answers.toSorted(byMargin)).some((accuracy) => accuracy >= goal.accuracy);
}

/** How many of the sorted answers are recomputed: the share, or the fewest that reach the accuracy, or else come nearest to it. */
function recomputed(sorted: readonly CascadeAnswer[], goal: CascadeGoal): number {
  if ('share' in goal) return Math.round(goal.share * sorted.length);
  const reached = accuracies(sorted);
  const first = reached.findIndex((accuracy) => accuracy >= goal.accuracy);
  return first < 0 ? reached.indexOf(reached.reduce((most, accuracy) => Math.max(most, accuracy))) : first;
}

/** The margin below which as many answers lie as the goal asks for: below 0 none does, below 2 all do. */
export function thresholdFor(answers: readonly CascadeAnswer[], goal: CascadeGoal): number {
  const sorted = answers.toSorted(byMargin);
  const count = recomputed(sorted, goal);
  return count === 0 ? 0 : (sorted[count]?.margin ?? 2);
}

/** Rows at random, so that what a file is sorted by does not tell the halves apart. */
function halves(answers: readonly CascadeAnswer[], seed: number): [CascadeAnswer[], CascadeAnswer[]] {
  const rows = random(seed, 'cascade').shuffle([...new Set(answers.map(({ row }) => row))]);
  const first = new Set(rows.slice(0, rows.length >> 1));
  return [answers.filter(({ row }) => first.has(row)), answers.filter(({ row }) => !first.has(row))];
}

/** An answer with what a threshold, chosen on other rows, does to it. */
interface Judged extends CascadeAnswer {
  readonly isRecomputed: boolean;
}

const judged = (answers: readonly CascadeAnswer[], threshold: number): Judged[] =>
  answers.map((answer) => ({ ...answer, isRecomputed: answer.margin < threshold }));

const isRight = ({ isRecomputed, isFastRight, isAccurateRight }: Judged): boolean =>
  isRecomputed ? isAccurateRight : isFastRight;

/** Means of numbers by row: answers of one row under several groupings are no independent evidence. */
function meansByRow(answers: readonly Judged[], value: (answer: Judged) => number): number[] {
  const values = new Map<number, number[]>();
  for (const answer of answers) values.set(answer.row, [...(values.get(answer.row) ?? []), value(answer)]);
  return [...values.values()].map((each) => spreadOf(each).mean);
}

function qualityOf(answers: readonly Judged[]): CascadeQuality {
  const share = answers.filter(({ isRecomputed }) => isRecomputed).length / answers.length;
  const accuracy = answers.filter(isRight).length / answers.length;
  const change = meansByRow(answers, (answer) => Number(isRight(answer)) - Number(answer.isFastRight));
  const { mean, std } = spreadOf(change);
  return { share, accuracy, gain: 100 * mean, gainError: (100 * std) / Math.sqrt(change.length) };
}

/** The threshold for a goal, and what it does to rows that did not choose it. */
export function calibrateCascade(
  answers: readonly CascadeAnswer[],
  goal: CascadeGoal,
  seed: number,
): CascadeCalibration {
  const [one, other] = halves(answers, seed);
  assert(one.length > 0 && other.length > 0, 'rows to choose a threshold on, and rows to measure it on');
  const held = [...judged(one, thresholdFor(other, goal)), ...judged(other, thresholdFor(one, goal))];
  return { threshold: thresholdFor(answers, goal), ...qualityOf(held) };
}

export interface CascadeAnswersOptions {
  readonly seed: number;
  /** Shuffled groupings to answer in, where a model multiplexes. */
  readonly groupings?: number;
  readonly onProgress?: OnProgress | undefined;
}

/** A model that is open, with the rows in its tokens. */
export interface CascadeModel {
  readonly predictor: Predictor;
  readonly set: EncodedSet;
  readonly maxTokens: number;
}

/** The answers of both models to all rows, in several groupings where one of them multiplexes. */
export async function cascadeAnswers(
  fast: CascadeModel,
  accurate: CascadeModel,
  { seed, groupings = DEFAULT_GROUPINGS, onProgress }: CascadeAnswersOptions,
): Promise<CascadeAnswer[]> {
  const isAlone = [fast, accurate].every(({ predictor }) => instancesOf(predictor.config) === 1);
  const rounds = isAlone ? 1 : groupings;
  const answers: CascadeAnswer[] = [];
  for (let round = 0; round < rounds; round++) {
    const logitsOf = ({ predictor, set, maxTokens }: CascadeModel, part: number) =>
      predictLogits(predictor, set.encodings, {
        ...{ padId: set.padId, groups: DEFAULT_GROUPS, maxTokens, grouping: seed * rounds + round },
        onProgress: partOf(onProgress, 'answering', 2 * round + part, 2 * rounds),
      });
    const [quick, slow] = [await logitsOf(fast, 0), await logitsOf(accurate, 1)];
    fast.set.labels.forEach(([label], row) => {
      const [one, other] = [quick[row], slow[row]];
      assert(one !== undefined && other !== undefined, 'an answer for every row');
      answers.push({
        ...{ row, margin: marginOf(one.data) },
        isFastRight: predictions(one)[0] === label,
        isAccurateRight: predictions(other)[0] === label,
      });
    });
  }
  return answers;
}

/** Throughput beside the fast model's alone: 1 / (1 + s · r_fast / r_accurate), as a row costs 1 / r_fast + s / r_accurate. */
export function relativeThroughput(share: number, fastRate: number, accurateRate: number): number {
  return 1 / (1 + (share * fastRate) / accurateRate);
}
