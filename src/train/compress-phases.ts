/** What the phases of a compression have in common, and the two that learn from logits and labels alone. */
import { type FloatTensor, type ParameterTree, random } from '../base/index.ts';
import type { ModelConfig } from '../model/index.ts';
import { frozenNames } from '../mux/index.ts';
import type { CurvePoint } from './checkpoint.ts';
import { drawRegrouping, regroupingFeeds } from './consistency.ts';
import type { EncodedSet } from './encoded-set.ts';
import type { Phase } from './fit.ts';
import { labelledBatches } from './labelled-batches.ts';
import { distilObjective } from './objectives.ts';
import type { CompressRecipe } from './recipe.ts';
import { type Run, runPhase } from './run-phase.ts';
import { CLIP_NORM, weightGroups } from './train-classifier.ts';

/** What the phases of a compression share. */
export interface Compression {
  readonly recipe: CompressRecipe;
  readonly set: EncodedSet;
  readonly teacherLogits: readonly FloatTensor[];
  readonly run: Run;
  readonly curves: Record<string, readonly CurvePoint[]>;
}

/** A model on its way. */
export interface Student {
  readonly config: ModelConfig;
  readonly parameters: ParameterTree;
}

type PhaseKind = 'multiplex' | 'prune' | 'recover';

/** A phase of a kind, with the kind's rates and epochs; of a level, with its suffix. */
export function phaseBase(
  kind: PhaseKind,
  suffix: string,
  { recipe, set, teacherLogits, run }: Compression,
): Omit<Phase, 'objective' | 'frozen'> {
  const { groups, instances, maxTokens, warmup, dropout, weightDecay } = recipe;
  const name = `${kind}${suffix}`;
  return {
    name,
    batches: labelledBatches(set, {
      epochs: recipe.epochs[kind],
      rows: groups * instances,
      maxTokens,
      teacherLogits,
    }),
    warmup,
    dropout,
    parameterGroups: weightGroups(recipe.learningRate[kind], weightDecay),
    clipNorm: CLIP_NORM,
    feeds: (step) =>
      recipe.losses.consistency === 0
        ? {}
        : regroupingFeeds(drawRegrouping(groups, instances, random(run.seed, 'regrouping', name, step))),
  };
}

/** Parameters that are trained, and those that never are. */
export function divide({ config, parameters }: Student): { trained: ParameterTree; frozen: ParameterTree } {
  const never = frozenNames(config);
  const entries = Array.from(parameters);
  return {
    trained: new Map(entries.filter(([name]) => !never.has(name))),
    frozen: new Map(entries.filter(([name]) => never.has(name))),
  };
}

/** Runs a phase that learns from logits and labels: multiplexing before pruning, recovery after it. */
export async function distil(
  kind: 'multiplex' | 'recover',
  student: Student,
  compression: Compression,
  suffix = '',
): Promise<Student> {
  const { trained, frozen } = divide(student);
  const phase: Phase = {
    ...phaseBase(kind, suffix, compression),
    frozen,
    objective: distilObjective(student.config, compression.recipe.losses),
  };
  const { parameters, curve } = await runPhase(phase, trained, compression.run);
  compression.curves[phase.name] = curve;
  return { config: student.config, parameters: new Map([...frozen, ...parameters]) };
}
