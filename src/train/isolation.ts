/**
 * Isolation: how far the texts of a pass influence each other's answers, measured on an open classifier: by chance, with the same rows under
 * several groupings, and at worst, with neighbours that are sought to change a row's answer.
 */
import { ConfigError, type OnProgress, partOf, random, seedFor } from '../base/index.ts';
import { DEFAULT_GROUPS, predictLogits } from '../infer/index.ts';
import type { ModelConfig } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import { type Change, changeOf, type Logits, largestChange } from './answer-change.ts';
import { DEFAULT_GROUPINGS } from './evaluate.ts';
import { spreadOf } from './metrics.ts';
import { type SearchBudget, type Subject, searchDefaults, searchNeighbours } from './neighbour-search.ts';

/** Changes by chance, against the answers under one reference grouping. */
interface RandomInfluence {
  /** Share of rows whose predicted class changes with the grouping; mean and sample standard deviation over the other groupings. */
  readonly randomFlipRate: number;
  readonly randomFlipRateStd: number;
  readonly randomLogitChange: number;
  /** Of the probability of the class that the reference predicts. */
  readonly randomScoreChange: number;
  readonly groupings: number;
}

/** Changes at worst, against the same answers. */
interface AdversarialInfluence {
  /** Share of the probed rows for which neighbours were found that change the predicted class. */
  readonly adversarialFlipRate: number;
  readonly adversarialLogitChange: number;
  readonly adversarialScoreChange: number;
  readonly probedRows: number;
  /** Groups that the search tried against each of them. */
  readonly groupsPerRow: number;
}

export interface Isolation extends RandomInfluence, AdversarialInfluence {
  readonly largestLogitChange: number;
  readonly largestScoreChange: number;
}

export const DEFAULT_PROBES = 100;

export interface IsolationOptions {
  readonly maxTokens: number;
  readonly seed: number;
  /** Groupings besides the reference; fewer than 5 are taken for 5. */
  readonly groupings?: number;
  /** Rows that neighbours are sought for. */
  readonly probes?: number;
  readonly budget?: SearchBudget;
  readonly onProgress?: OnProgress | undefined;
}

/** Measures an open classifier on rows, whose labels do not matter. Where one input goes alone, everything is 0 and nothing is run. */
export async function measureIsolation(
  predictor: Subject['predictor'],
  set: Subject['set'],
  options: IsolationOptions,
): Promise<Isolation> {
  const { maxTokens, seed, groupings = 0, probes = DEFAULT_PROBES, budget = searchDefaults, onProgress } = options;
  checkIsolation(predictor.config);
  const subject: Subject = { predictor, set, maxTokens, seed, onProgress };
  const isAlone = instancesOf(predictor.config) === 1;
  const others = isAlone ? 0 : Math.max(DEFAULT_GROUPINGS, groupings);
  const reference = isAlone ? [] : await logitsUnder(subject, 0, 1 + others);
  const probed = random(seed, 'isolation')
    .shuffle([...reference.keys()])
    .slice(0, probes);
  const byChance = await regrouped(subject, reference, others);
  const atWorst = await searchNeighbours(subject, probed, reference, budget);
  const [chance, worst] = [randomInfluence(byChance), adversarialInfluence(atWorst, probed.length)];
  return {
    ...chance,
    ...worst,
    largestLogitChange: Math.max(chance.randomLogitChange, worst.adversarialLogitChange),
    largestScoreChange: Math.max(chance.randomScoreChange, worst.adversarialScoreChange),
  };
}

/** Throws a ConfigError for a classifier of tokens: a sentence has as many answers as words; which of them a neighbour should change is not said. */
export function checkIsolation({ task }: ModelConfig): void {
  if (task !== 'tokens') return;
  throw new ConfigError('isolation', {
    expected: 'a model that classifies whole texts',
    got: 'one that classifies tokens',
  });
}

async function logitsUnder(subject: Subject, round: number, rounds: number): Promise<Logits[]> {
  const { predictor, set, maxTokens, seed } = subject;
  const logits = await predictLogits(predictor, set.encodings, {
    ...{ padId: set.padId, maxTokens, groups: DEFAULT_GROUPS },
    grouping: seedFor(seed, 'isolation', round),
    onProgress: partOf(subject.onProgress, 'regrouping', round, rounds),
  });
  return logits.map(({ data }) => data);
}

/** Changes of all rows under each other grouping. */
async function regrouped(subject: Subject, reference: readonly Logits[], groupings: number): Promise<Change[][]> {
  const changes: Change[][] = [];
  for (let round = 1; round <= groupings; round++) {
    const logits = await logitsUnder(subject, round, 1 + groupings);
    changes.push(logits.map((after, row) => changeOf(row, reference[row] as Logits, after)));
  }
  return changes;
}

function randomInfluence(rounds: readonly (readonly Change[])[]): RandomInfluence {
  const rates = rounds.map((changes) => changes.filter(({ isFlip }) => isFlip).length / changes.length);
  const { mean, std } = rates.length > 0 ? spreadOf(rates) : { mean: 0, std: 0 };
  const { logit, score } = largestChange(rounds.flat());
  return {
    randomFlipRate: mean,
    randomFlipRateStd: std,
    randomLogitChange: logit,
    randomScoreChange: score,
    groupings: rounds.length,
  };
}

function adversarialInfluence(changes: readonly Change[], probedRows: number): AdversarialInfluence {
  const flipped = new Set(changes.filter(({ isFlip }) => isFlip).map(({ row }) => row));
  const { logit, score } = largestChange(changes);
  const perRow = (count: number): number => (probedRows > 0 ? count / probedRows : 0);
  return {
    adversarialFlipRate: perRow(flipped.size),
    adversarialLogitChange: logit,
    adversarialScoreChange: score,
    probedRows,
    groupsPerRow: perRow(changes.length),
  };
}
