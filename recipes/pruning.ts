/**
 * Pruning measured on SST-2, as commands that anybody can repeat: for every N and seed one run to several sparsities, on the way from 0, all with
 * the teacher of `recipes/auto.ts`; and runs to a speed. Students multiplex as those of `recipes/multiplexing.ts` do. Settings were chosen before the
 * runs; none was tuned on a figure that is reported.
 */
import { usualGroups } from '../src/train/index.ts';
import { DENSE_RUN } from './auto.ts';
import { CORPORA } from './multiplexing.ts';
import { type NamedRun, words } from './named-run.ts';

export const SPARSITIES = [0.6, 0.8, 0.9, 0.95] as const;

/** 0 is the multiplexed model as it is, so that what multiplexing loses and what pruning loses can be told apart. */
const LEVELS: readonly number[] = [0, ...SPARSITIES];

/** The teacher of all students. */
export const TEACHER_RUN = DENSE_RUN;

function compressRun(name: string, instances: number, seed: number, more: readonly string[]): NamedRun {
  const { data, eval: evaluation, maxTokens, studentEpochs, studentLearningRate } = CORPORA.sst2;
  const rows = ['--data', data, '--eval', evaluation, '--max-tokens', String(maxTokens)];
  const point = words(`--instances ${instances} --groups ${usualGroups(instances)} --seed ${seed}`);
  const multiplexing =
    instances === 1
      ? []
      : words(`--multiplex-epochs ${studentEpochs(instances)} --multiplex-learning-rate ${studentLearningRate}`);
  const argv = [
    'compress',
    `OUT/${TEACHER_RUN.name}`,
    ...rows,
    ...point,
    ...multiplexing,
    ...more,
    '-o',
    `OUT/${name}`,
  ];
  return { name, argv };
}

/** All sparsities on the way to the last, in one run. */
export function sparsitiesRun(instances: number, seed: number): NamedRun {
  const levels = instances === 1 ? SPARSITIES : LEVELS;
  const epochs = words('--prune-epochs 3 --recover-epochs 0.5');
  return compressRun(`prune-n${instances}-seed${seed}`, instances, seed, ['--sparsity', levels.join(','), ...epochs]);
}

/** One sparsity in a run of its own, with the epochs that it has of a run to all: what sharing the work loses. */
export function separateRun(instances: number, sparsity: number, seed: number): NamedRun {
  const name = `prune-n${instances}-s${Math.round(100 * sparsity)}-alone-seed${seed}`;
  return compressRun(name, instances, seed, words(`--sparsity ${sparsity} --prune-epochs 3 --recover-epochs 0.5`));
}

/** A speed as the target. */
export function speedRun(instances: number, speedup: number, seed: number): NamedRun {
  const name = `prune-n${instances}-x${speedup}-seed${seed}`;
  return compressRun(name, instances, seed, words(`--speedup ${speedup} --prune-epochs 2 --recover-epochs 1`));
}
