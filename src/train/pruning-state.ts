/** Pruning under way, as a file of a model's folder: what a level was reached with, uncut, for pruning to go on from to a higher one. */
import { CheckpointError, ConfigError, type ParameterTree } from '../base/index.ts';
import { floatTensors, pruningPath, readSafetensors, type Safetensors } from '../model/index.ts';
import { MEASURES, type Measure } from '../prune/index.ts';
import { treeFingerprint } from './deliver.ts';
import { levelName, type PruningTarget } from './recipe.ts';

export interface PruningState {
  readonly measure: Measure;
  /** The level that it has reached. */
  readonly level: number;
  /** Weights, gates and multipliers, before anything was sliced. */
  readonly trained: ParameterTree;
}

/** Which state to go on from. */
export interface PruningSource {
  /** The folder of the model that was sliced from it. */
  readonly folder: string;
  readonly fingerprint: string;
}

export function pruningFingerprint({ measure, level, trained }: PruningState): string {
  return treeFingerprint([measure, level], trained);
}

/** The state as the content of its file. */
export function storedPruning({ measure, level, trained }: PruningState): Safetensors {
  return { tensors: trained, metadata: { measure, level: String(level) } };
}

/** Throws CheckpointError where it is not there, or not the one that is meant. */
export async function readPruning({ folder, fingerprint }: PruningSource): Promise<PruningState> {
  const path = pruningPath(folder);
  const { tensors, metadata } = await readSafetensors(path);
  const measure = MEASURES.find((name) => name === metadata.measure) ?? 'sparsity'; // the fingerprint tells, if it is none
  const state = { measure, level: Number(metadata.level), trained: floatTensors(tensors) };
  const got = pruningFingerprint(state);
  if (got === fingerprint) return state;
  const hint = `It was changed or damaged; remove ${folder}, and auto makes it again.`;
  throw new CheckpointError(path, { expected: `pruning of fingerprint ${fingerprint}`, got, hint });
}

/** Throws ConfigError where pruning to a target cannot go on from a state. */
export function checkAhead(target: PruningTarget, { measure, level }: PruningState): void {
  const [first = 0] = target.levels;
  if (target.measure === measure && first > level) return;
  const expected = `a level beyond ${levelName(measure, level)}, from where pruning goes on`;
  throw new ConfigError(target.measure, { expected, got: levelName(target.measure, first) });
}
