/**
 * Neighbours that change an answer, sought among the rows that may really share its pass: random sets first, then one neighbour at a time in
 * favour of the candidate that leaves the answer the least margin (greedy coordinate descent). What is found is a lower bound.
 */
import { assert, type OnProgress, type Random, random } from '../base/index.ts';
import { batchFeeds, DEFAULT_GROUPS, type Predictor, planBatches } from '../infer/index.ts';
import { instancesOf } from '../mux/index.ts';
import { type Change, changeOf, type Logits, logitsByRow, marginOf, predictedClass } from './answer-change.ts';
import type { EncodedSet } from './encoded-set.ts';

/** An open classifier with rows for it. */
export interface Subject {
  readonly predictor: Predictor;
  readonly set: Pick<EncodedSet, 'encodings' | 'lengths' | 'padId'>;
  readonly maxTokens: number;
  readonly seed: number;
  readonly onProgress?: OnProgress | undefined;
}

/** What may be tried against a row in each slot. */
export interface SearchBudget {
  /** Random sets of N - 1 neighbours. */
  readonly sets: number;
  /** Rows that are tried in place of each neighbour. */
  readonly candidates: number;
}

export const searchDefaults: SearchBudget = { sets: 16, candidates: 24 };

/** Rows of similar length share passes: so many may be neighbours. */
const POOL = 128;

/** More than usual, as there are thousands. */
const GROUPS_PER_PASS = 4 * DEFAULT_GROUPS;

/** A row in a slot, for which neighbours are sought. */
interface Probe {
  readonly row: number;
  readonly slot: number;
  /** Its answer in the reference. */
  readonly before: Logits;
  /** Rows that may be its neighbours. */
  readonly pool: readonly number[];
  readonly draws: Random;
}

/** A probe in company: the rows of its group by slot, [N]. */
interface Trial {
  readonly probe: Probe;
  readonly group: readonly number[];
}

/** Every change that the search for some rows' neighbours met with; `reference` has the answers of all rows. */
export async function searchNeighbours(
  subject: Subject,
  rows: readonly number[],
  reference: readonly Logits[],
  budget: SearchBudget,
): Promise<Change[]> {
  const N = instancesOf(subject.predictor.config);
  const probes = probesOf(subject, rows, reference);
  const replaced = probes.reduce((sum, { pool }) => sum + Math.min(budget.candidates, pool.length), 0);
  const search = new Search(subject, probes.length * budget.sets + (N - 1) * replaced);
  await search.attempt(probes.flatMap((probe) => randomSets(probe, N, budget.sets)));
  for (let step = 1; step < N; step++) {
    await search.attempt(probes.flatMap((probe) => replacements(search.worstFor(probe), step, budget.candidates)));
  }
  return search.changes;
}

/** What has been tried so far. */
class Search {
  readonly changes: Change[] = [];
  private readonly subject: Subject;
  /** Trials that there will be. */
  private readonly total: number;
  /** The trial of each probe that left its answer the least margin. */
  private readonly worst = new Map<Probe, { readonly trial: Trial; readonly margin: number }>();

  constructor(subject: Subject, total: number) {
    this.subject = subject;
    this.total = total;
  }

  worstFor(probe: Probe): Trial {
    const known = this.worst.get(probe);
    assert(known !== undefined, 'a random set for every probe');
    return known.trial;
  }

  async attempt(trials: readonly Trial[]): Promise<void> {
    const before = this.changes.length;
    const answers = await answersTo(trials, this.subject, (count) =>
      this.subject.onProgress?.('seeking neighbours', before + count, this.total),
    );
    for (const [at, trial] of trials.entries()) {
      const { row, before } = trial.probe;
      const after = answers[at] as Logits;
      this.changes.push(changeOf(row, before, after));
      const margin = marginOf(after, predictedClass(before));
      const known = this.worst.get(trial.probe);
      if (known === undefined || margin < known.margin) this.worst.set(trial.probe, { trial, margin });
    }
  }
}

/** Every row in every slot. */
function probesOf({ predictor, set, seed }: Subject, rows: readonly number[], reference: readonly Logits[]): Probe[] {
  const byLength = [...set.lengths.keys()].sort((a, b) => (set.lengths[a] as number) - (set.lengths[b] as number));
  return rows.flatMap((row) => {
    const pool = nearest(row, byLength);
    const before = reference[row] as Logits;
    return Array.from({ length: instancesOf(predictor.config) }, (_, slot) => ({
      ...{ row, slot, before, pool },
      draws: random(seed, 'isolation', row, slot),
    }));
  });
}

/** The rows around one in the order of lengths; itself where it is the only one, as in a group of repeats. */
function nearest(row: number, byLength: readonly number[]): readonly number[] {
  const start = Math.max(0, Math.min(byLength.indexOf(row) - POOL / 2, byLength.length - POOL - 1));
  const others = byLength.slice(start, start + POOL + 1).filter((other) => other !== row);
  return others.length > 0 ? others : [row];
}

function randomSets(probe: Probe, instances: number, count: number): Trial[] {
  const { row, slot, pool, draws } = probe;
  const group = (): number[] => Array.from({ length: instances }, (_, at) => (at === slot ? row : draws.pick(pool)));
  return Array.from({ length: count }, () => ({ probe, group: group() }));
}

/** A trial with others in place of the neighbour that stands `step` slots on. */
function replacements({ probe, group }: Trial, step: number, candidates: number): Trial[] {
  const place = (probe.slot + step) % group.length;
  const others = probe.draws.shuffle(probe.pool).slice(0, candidates);
  return others.map((row) => ({ probe, group: group.with(place, row) }));
}

/** What the model says of each probe in its company; many groups share a batch, and `onAnswers` is told how many answers there are. */
async function answersTo(
  trials: readonly Trial[],
  { predictor, set, maxTokens }: Subject,
  onAnswers: (count: number) => void,
): Promise<Logits[]> {
  const N = instancesOf(predictor.config);
  const lengths = trials.map(({ group }) => Math.max(...group.map((row) => set.lengths[row] as number)));
  const answers: Logits[] = [];
  let count = 0;
  for (const plan of planBatches([...trials.keys()], lengths, { rows: GROUPS_PER_PASS, maxTokens })) {
    const examples = plan.examples.flatMap((at) => (trials[at] as Trial).group);
    const batch = { examples, weights: examples.map(() => 1 as const), tokens: plan.tokens };
    const logits = logitsByRow(await predictor.run(batchFeeds(set.encodings, batch, set.padId)));
    for (const [place, at] of plan.examples.entries()) {
      answers[at] = logits[place * N + (trials[at] as Trial).probe.slot] as Logits;
    }
    count += plan.weights.filter((weight) => weight === 1).length;
    onAnswers(count);
  }
  return answers;
}
