/**
 * Pruning measured on SST-2, as commands that anybody can repeat: for every N and seed one run to several sparsities, on the way from 0, all with
 * one teacher; and runs to a speed. Students multiplex as those of `recipes/multiplexing.ts` do. Settings were chosen before the
 * runs; none was tuned on a figure that is reported, but that the teacher is distilled, and the one of the median of three: students of the dense one
 * had gained over it, and drops from the first that was distilled were in part its luck (see RESULTS.md).
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
 * A teacher to be: the dense model, distilled from itself (born-again networks, Furlanello et al. 2018) for about as many epochs as students
 * learn. Students of a dense model that was not gain by that alone, whatever is pruned, and drops would be counted from too low.
 */
function teacherRun(seed: number): NamedRun {
  const name = `teacher-seed${seed}`;
  const point = `--instances 1 --groups ${usualGroups(1)} --seed ${seed} --sparsity 0 --recover-epochs 3 -o OUT/${name}`;
  return { name, argv: ['compress', `OUT/${DENSE_RUN.name}`, ...SOURCE, ...words(point)] };
}

/** The one of the median accuracy teaches all students: on 872 rows the luck of one seed is as much as what pruning loses. */
export const TEACHER_RUNS: readonly NamedRun[] = [1, 2, 3].map(teacherRun);

/** What a student is, but for what it is pruned to. */
export interface StudentRun {
  readonly teacher: NamedRun;
  readonly instances: number;
  readonly seed: number;
}

function compressRun(name: string, { teacher, instances, seed }: StudentRun, more: readonly string[]): NamedRun {
  const point = words(`--instances ${instances} --groups ${usualGroups(instances)} --seed ${seed}`);
  const multiplexing =
    instances === 1
      ? []
      : words(`--multiplex-epochs ${studentEpochs(instances)} --multiplex-learning-rate ${studentLearningRate}`);
  const argv = ['compress', `OUT/${teacher.name}`, ...SOURCE, ...point, ...multiplexing, ...more, '-o', `OUT/${name}`];
  return { name, argv };
}

/** All sparsities on the way to the last, in one run. */
export function sparsitiesRun(student: StudentRun): NamedRun {
  const { instances, seed } = student;
  const levels = instances === 1 ? SPARSITIES : LEVELS;
  const epochs = words('--prune-epochs 3 --recover-epochs 1');
  return compressRun(`prune-n${instances}-seed${seed}`, student, ['--sparsity', levels.join(','), ...epochs]);
}

/** One sparsity in a run of its own, with the epochs that it has of a run to all: what sharing the work loses. */
export function separateRun(student: StudentRun, sparsity: number): NamedRun {
  const { instances, seed } = student;
  const name = `prune-n${instances}-s${Math.round(100 * sparsity)}-alone-seed${seed}`;
  return compressRun(name, student, words(`--sparsity ${sparsity} --prune-epochs 3 --recover-epochs 1`));
}

/** A speed as the target. */
export function speedRun(student: StudentRun, speedup: number): NamedRun {
  const { instances, seed } = student;
  const name = `prune-n${instances}-x${speedup}-seed${seed}`;
  return compressRun(name, student, words(`--speedup ${speedup} --prune-epochs 2 --recover-epochs 1`));
}
