/**
 * Pruning to one level after the other in one run, as ZipLM does (Kurtic et al. 2023, section 3.3): the target of each rises from the level
 * before it, over the first part of its steps, and stays for the rest, so that gates and weights have settled where they are decided. What
 * is decided recovers by itself; pruning goes on from the gates and weights that were not cut.
 */
import { join } from 'node:path';
import { type FloatTensor, type ParameterTree, parameterOf } from '../base/index.ts';
import { requireParameters } from '../model/index.ts';
import { modelShapes } from '../mux/index.ts';
import { type Budget, type HardGates, slicePruned } from '../prune/index.ts';
import { type Compression, distil, phaseBase } from './compress-phases.ts';
import { divide } from './frozen.ts';
import { asUnpruned, initialGates, type Pruning, prunePhase } from './prune-phase.ts';
import type { Goal } from './pruning-goal.ts';
import type { PruningState } from './pruning-state.ts';
import { type CompressRecipe, levelName, type PruningTarget } from './recipe.ts';
import { runPhase } from './run-phase.ts';
import type { Student } from './student.ts';

/** A level of the target: its names, and the shares of the cost that are saved before and after it. */
export interface Level {
  readonly value: number;
  /** What names of its phases and of its folder end in; nothing where there is but one. */
  readonly suffix: string;
  readonly folder: string;
  readonly shares: Pruning['shares'];
}

/** Where the models of a target go: of one level the output itself, of several a folder in it for each. */
export function levelFolders({ measure, levels }: PruningTarget, output: string): string[] {
  return levels.length === 1 ? [output] : levels.map((level) => join(output, levelName(measure, level)));
}

/** The levels of a run, the first of which goes on from a state where there is one. */
export function levelsOf(
  { target }: CompressRecipe,
  { shareAt }: Budget,
  output: string,
  start?: Pick<PruningState, 'level'>,
): Level[] {
  const { measure, levels } = target;
  const folders = levelFolders(target, output);
  const share = (level: number | undefined): number => (level === undefined ? 0 : Math.max(0, shareAt(level)));
  return levels.map((value, at) => ({
    value,
    suffix: levels.length === 1 ? '' : `-${levelName(measure, value)}`,
    folder: folders[at] as string,
    shares: { from: share(at === 0 ? start?.level : levels[at - 1]), to: share(value) },
  }));
}

/** Whether a level's model learns before it is delivered: a cut one recovers, and one input per pass without a cut is distilled from its teacher. */
export const recovers = ({ shares }: Level, { instances }: CompressRecipe): boolean => shares.to > 0 || instances === 1;

/** Pruning under way: what it started from, what it trains, and what it only reads. */
export interface Gated {
  readonly student: Student;
  readonly trained: ParameterTree;
  readonly frozen: ParameterTree;
  /** The level that its gates are expected to be at, by the last part of the phase; undefined where none was pruned in this run. */
  readonly settled?: number;
}

/** Pruning before its first step: of the student as it is, or of what was kept of an earlier run. Throws CheckpointError where that is of another shape. */
export function openGates(student: Student, { recipe, run }: Compression, start?: PruningState): Gated {
  const { trained, frozen } = divide(student.config, student.parameters);
  const isPruned = recipe.target.levels.some((level) => level > 0);
  const fresh = new Map([...trained, ...(isPruned ? initialGates(student.config, recipe, run.seed) : [])]);
  return {
    student,
    trained: start === undefined ? fresh : takenOver(start.trained, fresh),
    frozen: new Map([...frozen, ...asUnpruned(student.parameters)]),
  };
}

function takenOver(kept: ParameterTree, fresh: ParameterTree): ParameterTree {
  const shapes = new Map(Array.from(fresh, ([name, { shape }]) => [name, shape]));
  requireParameters(shapes, kept, 'the pruning to go on from');
  return new Map(Array.from(fresh.keys(), (name) => [name, parameterOf(kept, name)]));
}

/** Learns to save the share of a level, from where the one before it ended. */
export async function prune(gated: Gated, level: Level, goal: Goal, compression: Compression): Promise<Gated> {
  if (level.shares.to <= 0) return gated;
  const { recipe, run, curves } = compression;
  const { config } = gated.student;
  const base = phaseBase('prune', level.suffix, compression);
  const pruning: Pruning = { config, recipe, budget: goal.budget, shares: level.shares, seed: run.seed };
  const phase = prunePhase({ ...base, frozen: gated.frozen }, pruning);
  const { parameters, curve } = await runPhase(phase, gated.trained, run);
  curves[phase.name] = curve;
  const settled = curve.at(-1)?.values[goal.budget.measure];
  return { ...gated, trained: parameters, ...(settled !== undefined && { settled }) };
}

/** Decides the gates of a level, and cuts the model to what they keep. */
async function cut({ student, trained, frozen }: Gated, level: Level, goal: Goal): Promise<Student> {
  if (level.shares.to <= 0) return student;
  const names = [...modelShapes(student.config).keys()];
  const parameters = new Map(names.map((name) => [name, (trained.get(name) ?? frozen.get(name)) as FloatTensor]));
  const slice = (gates: HardGates): Student => slicePruned(student.config, parameters, gates);
  return slice(await goal.decide(level.value, { logAlpha: trained, slice }));
}

/** The model of a level, which has learned from its teacher as it is. */
export async function finish(gated: Gated, level: Level, goal: Goal, compression: Compression): Promise<Student> {
  const student = await cut(gated, level, goal);
  return recovers(level, compression.recipe) ? distil('recover', student, compression, level.suffix) : student;
}

/** The recipe of the pruning phases: their epochs are shared by the levels that prune at all. */
export function perLevel(recipe: CompressRecipe, levels: readonly Level[]): CompressRecipe {
  const pruning = levels.filter(({ shares }) => shares.to > 0).length;
  const { epochs } = recipe;
  return { ...recipe, epochs: { ...epochs, prune: epochs.prune / Math.max(1, pruning) } };
}
