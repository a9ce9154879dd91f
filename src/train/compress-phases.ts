/** What the phases of a compression have in common, and the two that learn from logits and labels alone. */
import { type FloatTensor, random } from '../base/index.ts';
import type { CurvePoint } from './checkpoint.ts';
import { drawRegrouping, regroupingFeeds } from './consistency.ts';
import type { EncodedSet } from './encoded-set.ts';
import type { Phase } from './fit.ts';
import { divide } from './frozen.ts';
import { labelledBatches } from './labelled-batches.ts';
import { distilObjective } from './objectives.ts';
import type { CompressRecipe } from './recipe.ts';
import { withRetrieval } from './retrieval.ts';
import { type Run, runPhase } from './run-phase.ts';
import type { Student } from './student.ts';
import { CLIP_NORM, weightGroups } from './train-classifier.ts';

/** What the phases of a compression share. */
export interface Compression {
  readonly recipe: CompressRecipe;
  readonly set: EncodedSet;
  /** [CLS] and [SEP]. */
  readonly specialIds: ReadonlySet<number>;
  readonly teacherLogits: readonly FloatTensor[];
  readonly run: Run;
  readonly curves: Record<string, readonly CurvePoint[]>;
}

type PhaseKind = 'multiplex' | 'prune' | 'recover';

/** A phase of a kind, with the kind's rates and epochs; of a level, with its suffix. */
export function phaseBase(
  kind: PhaseKind,
  suffix: string,
  { recipe, set, specialIds, teacherLogits, run }: Compression,
): Omit<Phase, 'objective' | 'frozen'> {
  const { groups, instances, maxTokens, warmup, dropout, weightDecay } = recipe;
  const name = `${kind}${suffix}`;
  const rows = groups * instances;
  const batches = labelledBatches(set, { epochs: recipe.epochs[kind], rows, maxTokens, teacherLogits });
  return {
    name,
    batches: recipe.losses.retrieval > 0 ? withRetrieval(batches, { instances, specialIds }) : batches,
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

/** Runs a phase that learns from logits and labels: multiplexing before pruning, recovery after it. */
export async function distil(
  kind: 'multiplex' | 'recover',
  student: Student,
  compression: Compression,
  suffix = '',
): Promise<Student> {
  const { trained, frozen } = divide(student.config, student.parameters);
  const phase: Phase = {
    ...phaseBase(kind, suffix, compression),
    frozen,
    objective: distilObjective(student.config, compression.recipe.losses),
  };
  const { parameters, curve } = await runPhase(phase, trained, compression.run);
  compression.curves[phase.name] = curve;
  return { config: student.config, parameters: new Map([...frozen, ...parameters]) };
}

/** Retrieval is for learning to tell instances apart: pruning and what follows go without it, and without its head. */
export function withoutRetrieval(compression: Compression): Compression {
  const { recipe } = compression;
  return { ...compression, recipe: { ...recipe, losses: { ...recipe.losses, retrieval: 0 } } };
}
