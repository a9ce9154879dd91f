/**
 * Pruning measured on SST-2, as commands that anybody can repeat: for every N and seed one run to several sparsities, on the way from 0, all with
 * one teacher; and runs to a speed. Students multiplex as those of `recipes/multiplexing.ts` do. Settings were chosen before the
 * runs; none was tuned on a figure that is reported, but that the teacher is distilled: students of the dense one had gained over it (see RESULTS.md).
 */
import { usualGroups } from '../src/train/index.ts';
import { DENSE_RUN } from './auto.ts';
import { CORPORA } from './multiplexing.ts';
import { type NamedRun, words } from './named-run.ts';

export const SPARSITIES = [0.6, 0.8, 0.9, 0.95] as const;

/** 0 is the multiplexed model as it is, so that what multiplexing loses and what pruning loses can be told apart. */
const LEVELS: readonly number[] = [0, ...SPARSITIES];

const { data, eval: evaluation, maxTokens, studentEpochs, studentLearningRate } = CORPORA.sst2;
const SOURCE = ['--data', data, '--eval', evaluation, '--max-tokens', String(maxTokens)];

/**
 * The teacher of all students: the dense model, distilled from itself (born-again networks, Furlanello et al. 2018) for about as many epochs as its
 * students learn. Students of a dense model that was not gain by that alone, whatever is pruned, and drops would be counted from too low.
 */
export const TEACHER_RUN: NamedRun = {
  name: 'teacher',
  argv: [
    ...['compress', `OUT/${DENSE_RUN.name}`, ...SOURCE],
    ...words(`--instances 1 --groups ${usualGroups(1)} --sparsity 0 --recover-epochs 3 -o OUT/teacher`),
  ],
};

/** In the order in which they need each other. */
export const TEACHER_RUNS: readonly NamedRun[] = [DENSE_RUN, TEACHER_RUN];

function compressRun(name: string, instances: number, seed: number, more: readonly string[]): NamedRun {
  const point = words(`--instances ${instances} --groups ${usualGroups(instances)} --seed ${seed}`);
  const multiplexing =
    instances === 1
      ? []
      : words(`--multiplex-epochs ${studentEpochs(instances)} --multiplex-learning-rate ${studentLearningRate}`);
  const argv = [
    'compress',
    `OUT/${TEACHER_RUN.name}`,
    ...SOURCE,
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
  const epochs = words('--prune-epochs 3 --recover-epochs 1');
  return compressRun(`prune-n${instances}-seed${seed}`, instances, seed, ['--sparsity', levels.join(','), ...epochs]);
}

/** One sparsity in a run of its own, with the epochs that it has of a run to all: what sharing the work loses. */
export function separateRun(instances: number, sparsity: number, seed: number): NamedRun {
  const name = `prune-n${instances}-s${Math.round(100 * sparsity)}-alone-seed${seed}`;
  return compressRun(name, instances, seed, words(`--sparsity ${sparsity} --prune-epochs 3 --recover-epochs 1`));
}

/** A speed as the target. */
export function speedRun(instances: number, speedup: number, seed: number): NamedRun {
  const name = `prune-n${instances}-x${speedup}-seed${seed}`;
  return compressRun(name, instances, seed, words(`--speedup ${speedup} --prune-epochs 2 --recover-epochs 1`));
}
