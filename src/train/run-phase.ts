/** Runs a phase to its end with checkpoints on the way, or takes up what an earlier run left of it. */
import { CheckpointError, type OnProgress, type ParameterTree } from '../base/index.ts';
import type { Placement } from '../runtime/index.ts';
import type { CurvePoint, CurveState, Finished, RunFolder } from './checkpoint.ts';
import { fit, type Phase, type StepReport } from './fit.ts';
import { startState } from './step.ts';

/** What the phases of one run share. */
export interface Run {
  readonly seed: number;
  readonly placement: Placement;
  readonly folder: RunFolder;
  readonly onStep: (report: StepReport) => void;
  /** Told of all that is no step of training. */
  readonly onProgress?: OnProgress | undefined;
  /** Least time between two checkpoints. */
  readonly checkpointSeconds?: number;
  /** When it is aborted, a phase saves a checkpoint and fails with the signal's reason. */
  readonly interrupt?: AbortSignal;
}

/** The run, ended by an interruption wherever it tells of work that is no step, too: there is nothing to save there. */
export function interruptible<Interrupted extends Pick<Run, 'onProgress' | 'interrupt'>>(
  run: Interrupted,
): Interrupted {
  const { onProgress, interrupt } = run;
  return {
    ...run,
    onProgress(...told: Parameters<OnProgress>) {
      onProgress?.(...told);
      interrupt?.throwIfAborted();
    },
  };
}

const CHECKPOINT_SECONDS = 60;
const CURVE_POINTS = 60;

/** Averages reports into the points of a learning curve. */
class Curve {
  readonly points: CurvePoint[];
  private sums: Record<string, number>;
  private count: number;

  constructor({ points, sums, count }: CurveState) {
    this.points = [...points];
    this.sums = { ...sums };
    this.count = count;
  }

  get state(): CurveState {
    return { points: this.points, sums: this.sums, count: this.count };
  }

  add({ step, steps, loss, metrics }: StepReport): void {
    this.count++;
    for (const [name, value] of Object.entries({ loss, ...metrics })) this.sums[name] = (this.sums[name] ?? 0) + value;
    if (step % Math.ceil(steps / CURVE_POINTS) !== 0 && step !== steps) return;
    const values = Object.fromEntries(Object.entries(this.sums).map(([name, sum]) => [name, sum / this.count]));
    this.points.push({ step, values });
    this.sums = {};
    this.count = 0;
  }
}

/** Throws CheckpointError where what was kept of a phase is not of the tensors that it starts from. */
function requireAlike(kept: ParameterTree, initial: ParameterTree, { path }: RunFolder, phase: string): void {
  const tensorsOf = (tree: ParameterTree): string[] =>
    Array.from(tree, ([name, { shape }]) => `${name} [${shape.join(', ')}]`);
  const [expected, got] = [tensorsOf(initial), tensorsOf(kept)];
  const differing = [
    ...expected.filter((tensor) => !got.includes(tensor)),
    ...got.filter((tensor) => !expected.includes(tensor)),
  ];
  if (differing.length === 0) return;
  throw new CheckpointError(`${path}, phase ${phase}`, {
    expected: `the ${expected.length} tensors that the phase starts from`,
    got: `${got.length} that differ in ${differing.join(', ')}`,
    hint: `Remove ${path} to start afresh.`,
  });
}

/**
 * The trained parameters of a phase that starts from `initial`. Where the run's folder has the result, it is read; where it has a
 * checkpoint, training goes on there. Throws CheckpointError where either has other names or shapes than `initial`.
 */
export async function runPhase(phase: Phase, initial: ParameterTree, run: Run): Promise<Finished> {
  const { folder, seed, placement, onStep, checkpointSeconds = CHECKPOINT_SECONDS, interrupt } = run;
  const known = await folder.finished(phase.name);
  if (known !== undefined) {
    requireAlike(known.parameters, initial, folder, phase.name);
    return known;
  }
  await folder.prepare();
  const resumed = await folder.checkpoint(phase.name);
  if (resumed !== undefined) requireAlike(resumed.state.parameters, initial, folder, phase.name);
  const state = resumed?.state ?? startState(initial);
  const curve = new Curve(resumed?.curve ?? { points: [], sums: {}, count: 0 });
  let saved = performance.now();
  for await (const report of fit(phase, state, { seed, placement, done: resumed?.done ?? 0 })) {
    curve.add(report);
    onStep(report);
    if (interrupt?.aborted || performance.now() - saved > checkpointSeconds * 1000) {
      await folder.saveCheckpoint(phase.name, { state, done: report.step, curve: curve.state });
      saved = performance.now();
      interrupt?.throwIfAborted();
    }
  }
  const finished = { parameters: state.parameters, curve: curve.points };
  await folder.saveFinished(phase.name, finished);
  return finished;
}
