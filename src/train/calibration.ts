/** Calibration: the few training rows that pruning without training looks at, in batches, and how work on them reports. */
import { random } from '../base/index.ts';
import { type BatchPlan, DEFAULT_GROUPS, planBatches } from '../infer/index.ts';
import type { ModelConfig } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import type { Placement } from '../runtime/index.ts';
import type { LabelledSet } from './dataset.ts';
import type { EncodedSet } from './encoded-set.ts';
import type { StepReport } from './fit.ts';

export interface Calibration {
  readonly set: EncodedSet;
  /** All rows of the set once; groups are of the model's instances. */
  readonly batches: readonly BatchPlan[];
  readonly placement: Placement;
  readonly onStep: (report: StepReport) => void;
  readonly interrupt?: AbortSignal;
}

/** So many rows of a set, drawn by the seed; all of a smaller one. */
export function calibrationRows(set: LabelledSet, count: number, seed: number): LabelledSet {
  const order = random(seed, 'calibration').shuffle([...set.examples.keys()]);
  const examples = order.slice(0, count).map((at) => set.examples[at]);
  return { ...set, examples } as LabelledSet; // of the same task
}

/** Groups per pass: more than usual, as nothing is trained. */
const GROUPS_PER_PASS = 4 * DEFAULT_GROUPS;

/** Rows of similar length together. */
export function calibrationBatches({ lengths }: EncodedSet, config: ModelConfig, maxTokens: number): BatchPlan[] {
  return planBatches([...lengths.keys()], lengths, { rows: GROUPS_PER_PASS * instancesOf(config), maxTokens });
}

/** Does pieces of work one after another, each of which is reported as a step of a phase. */
export async function inSteps<T>(
  phase: string,
  pieces: readonly T[],
  { onStep, interrupt }: Pick<Calibration, 'onStep' | 'interrupt'>,
  work: (piece: T) => Promise<Pick<StepReport, 'loss' | 'examples' | 'tokens'>>,
): Promise<void> {
  for (const [at, piece] of pieces.entries()) {
    interrupt?.throwIfAborted();
    const start = performance.now();
    const done = await work(piece);
    const seconds = (performance.now() - start) / 1000;
    onStep({ phase, step: at + 1, steps: pieces.length, metrics: {}, ...done, seconds });
  }
}

/** Rows of a batch that count. */
export function countedRows({ weights }: BatchPlan): number {
  return weights.reduce<number>((sum, weight) => sum + weight, 0);
}
