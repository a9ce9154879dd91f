/** What of a compression is still to come while a phase of it runs: steps of the phases after it. */
import { type Level, perLevel, recovers } from './compress-levels.ts';
import { type Compression, phaseBase } from './compress-phases.ts';
import { countSteps } from './fit.ts';
import type { Run } from './run-phase.ts';

/** Phases that a run trains, in order, with their steps. */
function phasesOf(
  compression: Compression,
  levels: readonly Level[],
  isMultiplexed: boolean,
): { readonly name: string; readonly steps: number }[] {
  const pruning: Compression = { ...compression, recipe: perLevel(compression.recipe, levels) };
  const bases = [
    ...(compression.recipe.instances > 1 && !isMultiplexed ? [phaseBase('multiplex', '', compression)] : []),
    ...levels.flatMap((level) => [
      ...(level.shares.to > 0 ? [phaseBase('prune', level.suffix, pruning)] : []),
      ...(recovers(level, pruning.recipe) ? [phaseBase('recover', level.suffix, pruning)] : []),
    ]),
  ];
  return bases.map((base) => ({ name: base.name, steps: countSteps(base) }));
}

/** The run, whose reports of steps say how many are to come in later phases. */
export function tellingStepsAhead(compression: Compression, levels: readonly Level[], isMultiplexed: boolean): Run {
  const { run } = compression;
  const phases = phasesOf(compression, levels, isMultiplexed);
  const after = (phase: string): number =>
    phases.slice(1 + phases.findIndex(({ name }) => name === phase)).reduce((sum, { steps }) => sum + steps, 0);
  return { ...run, onStep: (report) => run.onStep({ ...report, stepsAhead: after(report.phase) }) };
}
