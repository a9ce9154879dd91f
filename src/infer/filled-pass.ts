/**
 * Rows that go through at once, as few or many as there are: in groups of similar length, joined into the runs that compute least. Slots
 * that would stay empty take rows once more, and the answers that a row gets in several slots are averaged. That is ensembling (MUX-PLM), as
 * far as it is free.
 */
import { type FloatTensor, zerosLike } from '../base/index.ts';
import type { Encoding } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import { planBatches } from './batches.ts';
import { addShare, batchFeeds, logitsOfRow, type Predictor } from './predictor.ts';

/** Groups that go through together. */
export interface FilledRun {
  /** Which row stands in each slot: [B·N] */
  readonly slots: readonly number[];
  /** Of the longest row: the runtime takes any length, and a bucket's would be a tenth more to compute. */
  readonly tokens: number;
}

/**
 * A run costs about as much by itself as so many more positions of a group do: it reads all weights once. Measured on dense and on pruned models; any value from
 * 12 to 24 is as good (`bench/RESULTS.md`).
 */
export const RUN_POSITIONS = 16;

/** Rows of these lengths as the cheapest runs, the shortest first; of the last group, which is of the longest, rows are repeated. */
export function filledRuns(
  lengths: readonly number[],
  { instances, maxTokens }: { readonly instances: number; readonly maxTokens: number },
): readonly FilledRun[] {
  const shortestFirst = [...lengths.keys()].sort((a, b) => (lengths[a] as number) - (lengths[b] as number));
  const groups = planBatches(shortestFirst, lengths, { rows: instances, maxTokens }).map(({ examples: slots }) => {
    const longest = Math.max(...slots.map((row) => lengths[row] as number));
    return { slots, tokens: Math.min(maxTokens, longest) };
  });
  return cheapestRuns(groups);
}

/** The first of some groups, cut in the cheapest way: what that costs, in positions of a group, and where the last run begins. */
interface Cut {
  readonly cost: number;
  readonly start: number;
}

/** Of all ways to join neighbours among groups by length, the one of the fewest positions, where a run costs some by itself. */
function cheapestRuns(groups: readonly FilledRun[]): readonly FilledRun[] {
  const cuts: Cut[] = [{ cost: 0, start: 0 }];
  for (const [last, { tokens }] of groups.entries()) {
    let best: Cut = { cost: Number.POSITIVE_INFINITY, start: last };
    for (let start = last; start >= 0; start--) {
      const cost = (cuts[start] as Cut).cost + RUN_POSITIONS + (last + 1 - start) * tokens;
      if (cost < best.cost) best = { cost, start };
    }
    cuts.push(best);
  }
  const runs: FilledRun[] = [];
  for (let end = groups.length; end > 0; ) {
    const { start } = cuts[end] as Cut;
    const joined = groups.slice(start, end);
    runs.unshift({ slots: joined.flatMap(({ slots }) => slots), tokens: (joined.at(-1) as FilledRun).tokens });
    end = start;
  }
  return runs;
}

/** What answers to rows took. */
export interface FilledAnswers {
  /** In the order of the rows: [C] each, or [t, C] of its own t tokens. */
  readonly logits: readonly FloatTensor[];
  /** Of all groups: G·N */
  readonly slots: number;
}

export async function answerFilled(
  predictor: Predictor,
  encodings: readonly Encoding[],
  { padId, maxTokens }: { readonly padId: number; readonly maxTokens: number },
): Promise<FilledAnswers> {
  const lengths = encodings.map(({ ids }) => ids.length);
  const runs = filledRuns(lengths, { instances: instancesOf(predictor.config), maxTokens });
  const times: number[] = [];
  for (const row of runs.flatMap(({ slots }) => slots)) times[row] = (times[row] ?? 0) + 1;
  const logits: FloatTensor[] = [];
  for (const { slots, tokens } of runs) {
    const plan = { examples: slots, weights: slots.map(() => 1 as const), tokens };
    const batch = await predictor.run(batchFeeds(encodings, plan, padId));
    slots.forEach((row, slot) => {
      const own = logitsOfRow(batch, slot, lengths[row] as number);
      logits[row] = addShare(logits[row] ?? zerosLike(own), own, 1 / (times[row] as number));
    });
  }
  return { logits, slots: runs.reduce((sum, run) => sum + run.slots.length, 0) };
}
