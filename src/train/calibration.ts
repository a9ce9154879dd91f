/** Calibration: the few training rows that pruning without training looks at, in batches, and work on them piece by piece. */
import { type OnProgress, random } from '../base/index.ts';
import { type BatchPlan, DEFAULT_GROUPS, planBatches } from '../infer/index.ts';
import type { ModelConfig } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import type { Placement } from '../runtime/index.ts';
import type { LabelledSet } from './dataset.ts';
import type { TrainedModel } from './deliver.ts';
import { type EncodedSet, encodeSet } from './encoded-set.ts';

export interface Calibration {
  readonly set: EncodedSet;
  /** All rows of the set once; groups are of the model's instances. */
  readonly batches: readonly BatchPlan[];
  readonly placement: Placement;
  readonly onProgress?: OnProgress | undefined;
  readonly interrupt?: AbortSignal;
}

/** So many rows of a set, drawn by the seed; all of a smaller one. */
function calibrationRows(set: LabelledSet, count: number, seed: number): LabelledSet {
  const order = random(seed, 'calibration').shuffle([...set.examples.keys()]);
  const examples = order.slice(0, count).map((at) => set.examples[at]);
  return { ...set, examples } as LabelledSet; // of the same task
}

/** Groups per pass: more than usual, as nothing is trained. */
const GROUPS_PER_PASS = 4 * DEFAULT_GROUPS;

/** Rows of similar length together. */
function calibrationBatches({ lengths }: EncodedSet, config: ModelConfig, maxTokens: number): BatchPlan[] {
  return planBatches([...lengths.keys()], lengths, { rows: GROUPS_PER_PASS * instancesOf(config), maxTokens });
}

export interface CalibrationOptions extends Omit<Calibration, 'set' | 'batches'> {
  /** Rows that are looked at. */
  readonly examples: number;
  readonly maxTokens: number;
  readonly seed: number;
}

/** The calibration of a model from its training rows. */
export function calibrationFrom(
  train: LabelledSet,
  { config, tokenizer }: Pick<TrainedModel, 'config' | 'tokenizer'>,
  { examples, maxTokens, seed, ...surroundings }: CalibrationOptions,
): Calibration {
  const set = encodeSet(calibrationRows(train, examples, seed), tokenizer, maxTokens);
  return { ...surroundings, set, batches: calibrationBatches(set, config, maxTokens) };
}

/** Does pieces of work one after another, and tells of each. */
export async function oneByOne<T>(
  name: string,
  pieces: readonly T[],
  { onProgress, interrupt }: Pick<Calibration, 'onProgress' | 'interrupt'>,
  work: (piece: T) => Promise<void>,
): Promise<void> {
  for (const [at, piece] of pieces.entries()) {
    interrupt?.throwIfAborted();
    await work(piece);
    onProgress?.(name, at + 1, pieces.length);
  }
}
