/**
 * `auto`: trains the points that can still win most, measures what was trained side by side, and takes the fastest model whose upper bound of
 * the drop is within the allowed drop. Training, assessing and measuring are functions that it is handed, so it knows nothing of them; given the same results
 * it takes the same decisions, so a run that was killed goes on where it was by asking for the same points again.
 * Paper: PruMUX (Su et al. 2023), Auto-PruMUX - https://arxiv.org/abs/2305.14706
 */
import { assert, messageOf, type Precision } from '../base/index.ts';
import { meanOf } from './accuracy-model.ts';
import { nextPoints } from './acquisition.ts';
import type { Candidate, Decision, Exploration, GridPoint, Guess, Measured, Stop, Trial } from './exploration.ts';
import { choose, frontierOf } from './frontier.ts';
import { DENSE, isSamePoint, latticeAround, nameOf } from './lattice.ts';
import {
  candidateName,
  type Failed,
  forecastFrom,
  isOpen,
  type Knowledge,
  outlookOf,
  takesGuesses,
} from './outlook.ts';
import { purchases } from './purchases.ts';
import { correctionFrom, type ShapeRatio, throughputError } from './throughput-model.ts';

/** What a search is about. */
export interface Question {
  readonly grid: readonly GridPoint[];
  readonly precisions: readonly Precision[];
  /** What may be lost, in points. */
  readonly maxDrop: number;
  /** That it is no more, one-sided. */
  readonly confidence: number;
  /** Whether every point is trained, whatever it promises. */
  readonly isExhaustive: boolean;
  /** Whether a multiplexed model is tried in a short run before all of its training. */
  readonly hasShortRuns: boolean;
  /** After which no training begins. */
  readonly budgetSeconds: number;
}

/** What a search is handed. */
export interface Instruments {
  readonly dense: Trial;
  /** Rows that drops are measured on. */
  readonly rows: number;
  /** What one input per pass loses at those sparsities where no weight is trained; nothing of a sparsity that cannot be had so. */
  readonly guess: (sparsities: readonly number[]) => Promise<readonly Guess[]>;
  /** What an unpruned model of several inputs loses after a small share of its training; nothing where that is not known. */
  readonly tryShortly: (point: GridPoint) => Promise<Guess | undefined>;
  /** A point; pruned on from the one of as many instances that is given, where one is. */
  readonly train: (point: GridPoint, from?: Trial) => Promise<Trial>;
  /** A trial at every precision, in the order of the question's, fp32 first. */
  readonly assess: (trial: Trial) => Promise<readonly Candidate[]>;
  /** Random models of the shapes of those points at every precision. */
  readonly measureShapes: (points: readonly GridPoint[]) => Promise<readonly ShapeRatio[]>;
  /** Examples per second of models in their order, the dense one first; ratios to it are what counts. */
  readonly measure: (models: readonly [Candidate, ...Candidate[]]) => Promise<readonly number[]>;
  /** Whether an error of a short run, a training or an assessment is more than the failure of that trial, and ends the search. */
  readonly endsSearch: (error: unknown) => boolean;
  /** How many points may be trained at once, now. */
  readonly workers: () => Promise<number>;
  /** Seconds that the work so far took, that of stopped runs included. */
  readonly secondsSpent: () => number;
  /** Told of each decision, and how many there were before it. */
  readonly onDecision?: (decision: Decision, earlier: number) => void;
  /** Told at once of a point that failed, and whether that ends the search. */
  readonly onFailure?: (point: GridPoint, error: unknown, endsSearch: boolean) => void;
}

/** The points of a grid but for the dense model itself, each once, the gentlest first. */
export function orderGrid(grid: readonly GridPoint[]): GridPoint[] {
  const distinct = grid.filter((point, at) => grid.findIndex((other) => isSamePoint(other, point)) === at);
  const promiseOf = ({ instances, sparsity }: GridPoint): number => instances / (1 - sparsity);
  return distinct.filter((point) => !isSamePoint(point, DENSE)).sort((a, b) => promiseOf(a) - promiseOf(b));
}

/** Instances and sparsities in every combination. */
export function gridOf(instances: readonly number[], sparsities: readonly number[]): GridPoint[] {
  return orderGrid(instances.flatMap((N) => sparsities.map((sparsity) => ({ instances: N, sparsity }))));
}

/**
 * The first open points of the whole lattice, of as many instances one: the others start from it, or prune on from it, and what they
 * become is not to depend on how many are trained at once.
 */
function nextOfAll(knowledge: Knowledge, count: number): Decision[] {
  const left = orderGrid(knowledge.lattice.points).filter((point) => isOpen(point, knowledge));
  return left
    .filter(({ instances }, at) => left.findIndex((other) => other.instances === instances) === at)
    .slice(0, count)
    .map((point) => ({ point, gain: 0 }));
}

/** Whether another training would be over the budget, if it took as long as the others. */
function isOutOfTime(trials: readonly Trial[], { budgetSeconds }: Question, { secondsSpent }: Instruments): boolean {
  const expected = trials.length === 0 ? 0 : meanOf(trials.map(({ seconds }) => seconds));
  return secondsSpent() + expected > budgetSeconds;
}

/** What a search has come to. */
interface Searched {
  readonly knowledge: Knowledge;
  readonly decisions: readonly Decision[];
  readonly stop: Stop;
}

/** The trained point that pruning to another one goes on from: of as many instances the sparsest below it, where one is pruned at all. */
function warmStartOf({ instances, sparsity }: GridPoint, candidates: readonly Candidate[]): Trial | undefined {
  return candidates
    .filter(({ precision, point }) => precision === 'fp32' && point.instances === instances)
    .filter(({ point }) => point.sparsity > 0 && point.sparsity < sparsity)
    .toSorted((a, b) => b.point.sparsity - a.point.sparsity)[0];
}

/** What comes of work on some points. */
interface Outcome<T> {
  readonly results: readonly T[];
  readonly failed: readonly Failed[];
}

/** The results of all; the first failure where one fails, but not before all have ended: what others have done is to be kept. */
async function allEnded<const P extends readonly Promise<unknown>[]>(all: P) {
  await Promise.allSettled(all);
  return Promise.all(all);
}

/** Work on points at once; a point where it fails has no result. */
async function onEach<P extends { readonly point: GridPoint }, T>(
  points: readonly P[],
  work: (on: P) => Promise<T>,
  { endsSearch, onFailure }: Instruments,
): Promise<Outcome<T>> {
  const results: T[] = [];
  const failed: Failed[] = [];
  const outcomes = points.map(async (on) => {
    try {
      return { result: await work(on) };
    } catch (error) {
      const isEnd = endsSearch(error);
      onFailure?.(on.point, error, isEnd);
      if (isEnd) throw error;
      return { error };
    }
  });
  for (const [at, outcome] of (await allEnded(outcomes)).entries()) {
    if ('result' in outcome) results.push(outcome.result);
    else failed.push({ point: (points[at] as P).point, error: outcome.error });
  }
  return { results, failed };
}

/** Trains points at once, and assesses them one after the other. */
async function trainAll(
  decisions: readonly Decision[],
  known: readonly Candidate[],
  instruments: Instruments,
): Promise<Outcome<Candidate>> {
  const { train, assess } = instruments;
  const trained = await onEach(decisions, ({ point }) => train(point, warmStartOf(point, known)), instruments);
  const candidates: Candidate[] = [];
  const failed = [...trained.failed];
  for (const trial of trained.results) {
    const assessed = await onEach([trial], assess, instruments);
    candidates.push(...assessed.results.flat());
    failed.push(...assessed.failed);
  }
  return { results: candidates, failed };
}

/** Whether a short run may tell something of a point: only the start of several inputs is tried. */
const isTriable = ({ instances, sparsity }: GridPoint): boolean => instances > 1 && sparsity === 0;

async function tryAll(decisions: readonly Decision[], instruments: Instruments): Promise<Outcome<Guess>> {
  const { results, failed } = await onEach(decisions, ({ point }) => instruments.tryShortly(point), instruments);
  return { results: results.filter((guess) => guess !== undefined), failed };
}

const trialsIn = ({ candidates }: Knowledge): Candidate[] =>
  candidates.filter(({ seconds, precision }) => precision === 'fp32' && seconds > 0);

/** Why a search ends before it goes on with these decisions; nothing where it goes on. */
function stopOf(
  decisions: readonly Decision[],
  knowledge: Knowledge,
  question: Question,
  instruments: Instruments,
): Stop | undefined {
  if (decisions.length > 0) return isOutOfTime(trialsIn(knowledge), question, instruments) ? 'time' : undefined;
  if (knowledge.lattice.points.some((point) => isOpen(point, knowledge))) return 'nothing to gain';
  return knowledge.failed.length === 0 ? 'all trained' : 'the rest failed';
}

/** Throws the first error of a search where every trial failed. */
function requireTrial(knowledge: Knowledge): void {
  const [first] = knowledge.failed;
  if (first !== undefined && trialsIn(knowledge).length === 0) throw first.error;
}

/** Trains until there is nothing left to gain, or no time. What was tried in a short run is trained if it is next again. */
async function search(start: Knowledge, question: Question, instruments: Instruments): Promise<Searched> {
  const decisions: Decision[] = [];
  const next = question.isExhaustive ? nextOfAll : nextPoints;
  const tried = new Set<string>();
  let knowledge = start;
  for (;;) {
    const chosen = next(knowledge, await instruments.workers());
    const stop = stopOf(chosen, knowledge, question, instruments);
    if (stop !== undefined) return { knowledge, decisions, stop };
    const isTrying = question.hasShortRuns && !question.isExhaustive && takesGuesses(knowledge);
    const untried = chosen.filter(({ point }) => isTrying && isTriable(point) && !tried.has(nameOf(point)));
    const now = chosen.filter((decision) => !untried.includes(decision));
    for (const [at, decision] of now.entries()) instruments.onDecision?.(decision, decisions.length + at);
    decisions.push(...now);
    for (const { point } of untried) tried.add(nameOf(point));
    const { candidates, guesses, failed } = knowledge;
    const [found, trained] = await allEnded([tryAll(untried, instruments), trainAll(now, candidates, instruments)]);
    knowledge = {
      ...knowledge,
      candidates: [...candidates, ...trained.results],
      guesses: [...guesses, ...found.results],
      failed: [...failed, ...found.failed, ...trained.failed],
    };
  }
}

/** Measures all candidates, the dense model first. */
async function measureAll({ candidates, ratios }: Knowledge, { measure }: Instruments): Promise<Measured[]> {
  const rates = await measure(candidates as [Candidate, ...Candidate[]]);
  assert(rates.length === candidates.length, 'a throughput for every model');
  const [baseline = 1] = rates;
  return candidates.map((model, at): Measured => {
    const examplesPerSecond = rates[at] ?? 0;
    const predictedRatio = ratios.get(candidateName(model.point, model.precision));
    const ratio = examplesPerSecond / baseline;
    return { ...model, examplesPerSecond, ratio, ...(predictedRatio !== undefined && at > 0 && { predictedRatio }) };
  });
}

export async function explore(question: Question, instruments: Instruments): Promise<Exploration> {
  const { grid, precisions, maxDrop, confidence } = question;
  const lattice = latticeAround(grid);
  const candidates = await instruments.assess(instruments.dense);
  const shapes = await instruments.measureShapes(lattice.points);
  const ratios = new Map(shapes.map(({ point, precision, ratio }) => [candidateName(point, precision), ratio]));
  const guesses = await instruments.guess(lattice.sparsities.filter((sparsity) => sparsity > 0));
  const told = { lattice, precisions, maxDrop, confidence, rows: instruments.rows };
  const start: Knowledge = { ...told, ratios, candidates, guesses, failed: [] };
  const { knowledge, decisions, stop } = await search(start, question, instruments);
  requireTrial(knowledge);
  const [dense, ...trials] = (await measureAll(knowledge, instruments)) as [Measured, ...Measured[]];
  const correction = correctionFrom(trials);
  const corrected = new Map([...ratios].map(([name, ratio]) => [name, ratio * correction]));
  const known = { ...knowledge, ratios: corrected };
  const forecast = forecastFrom(known);
  return {
    ...{ maxDrop, confidence, dense, trials, stop },
    decisions: [...decisions],
    guesses: [...knowledge.guesses],
    failures: knowledge.failed.map(({ point, error }) => ({ point, message: messageOf(error) })),
    predicted: outlookOf(known, forecast),
    frontier: frontierOf([dense, ...trials]),
    ...choose<Measured>(trials, dense, maxDrop),
    errors: { accuracy: [...forecast.errors], throughput: throughputError(trials, shapes) },
    purchases: purchases(trials, dense, known, forecast),
  };
}
