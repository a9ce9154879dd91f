/** A worker: takes trials off the queue and trains them, until it is asked to stop. */
import { hostname } from 'node:os';
import { type Job, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import { aborted, BackendError } from '../base/index.ts';
import type { StepReport } from '../train/index.ts';
import { Artefacts } from './artefacts.ts';
import { failureOf } from './failure.ts';
import { connectRedis } from './redis-connection.ts';
import { QUEUE_NAME, workerName } from './redis-queue.ts';
import { trainInThread } from './training-thread.ts';
import { jobIn, orderOf, type TrialProgress } from './trial-job.ts';
import type { TrialSurroundings } from './trial-order.ts';

export interface WorkerOptions extends Pick<TrialSurroundings, 'placement' | 'checkpointSeconds'> {
  readonly url: URL;
  /** The folder that all machines share. */
  readonly artefacts: string;
  /** Trials at a time. */
  readonly concurrency: number;
  /** A worker that has been silent for so long has lost its trial to another one. */
  readonly lostAfterSeconds: number;
  /** When it is aborted, trials save a checkpoint and go back into the queue. */
  readonly interrupt: AbortSignal;
  readonly onTrial?: (progress: TrialProgress) => void;
  /** Told its name before the first trial. */
  readonly onReady?: (worker: string) => void;
  readonly onEnd?: (trial: string, outcome: Outcome, error?: unknown) => void;
}

/** How a trial ends for a worker. */
export type Outcome = 'trained' | 'given back' | 'lost' | 'failed';

/** How often a trial may be lost by a worker: one that every worker dies of, as of too little memory, must end. */
const MOST_LOSSES = 5;
const MS_BETWEEN_REPORTS = 1000;

/** The server has given the trial to another worker, as this one was silent for too long. */
class LostTrial extends BackendError {
  constructor() {
    super('queue', { expected: 'the trial still to be ours', got: 'one that was given to another worker' });
  }
}

/** At most one report a second, and the first and the last of every phase. */
function reporter(job: Job, worker: string, onTrial: WorkerOptions['onTrial']): (report: StepReport) => void {
  let last = { phase: '', at: 0 };
  return ({ phase, step, steps }) => {
    const at = performance.now();
    if (phase === last.phase && step < steps && at - last.at < MS_BETWEEN_REPORTS) return;
    last = { phase, at };
    const progress: TrialProgress = { worker, trial: job.name, phase, step, steps };
    onTrial?.(progress);
    job.updateProgress(progress).catch(() => undefined); // whether the server is there is asked elsewhere
  };
}

/** What a worker does with jobs; each can be stopped by itself. */
class Trainer {
  readonly id = `${hostname()}-${process.pid}`;
  private readonly stops = new Map<string, AbortController>();
  private readonly artefacts: Artefacts;
  private readonly options: WorkerOptions;

  constructor(options: WorkerOptions) {
    this.options = options;
    this.artefacts = new Artefacts(options.artefacts);
  }

  /** As BullMQ calls it: gives the worker's name, or throws what says how the job goes on. */
  async process(job: Job, token = ''): Promise<string> {
    const { interrupt, onEnd } = this.options;
    try {
      await this.train(job);
      onEnd?.(job.name, 'trained');
      return this.id;
    } catch (error) {
      if (interrupt.aborted) {
        await job.moveToWait(token);
        onEnd?.(job.name, 'given back');
        throw new WaitingError();
      }
      onEnd?.(job.name, error instanceof LostTrial ? 'lost' : 'failed', error);
      throw new UnrecoverableError(failureOf(error, this.id));
    }
  }

  stopAll(reason: unknown): void {
    for (const stop of this.stops.values()) stop.abort(reason);
  }

  stopLost(jobIds: readonly string[]): void {
    for (const jobId of jobIds) this.stops.get(jobId)?.abort(new LostTrial());
  }

  private async train(job: Job): Promise<void> {
    const { placement, checkpointSeconds, interrupt, onTrial } = this.options;
    const stop = new AbortController();
    this.stops.set(job.id ?? '', stop);
    try {
      const order = await orderOf(jobIn(job.data), this.artefacts);
      if (interrupt.aborted) stop.abort(interrupt.reason);
      await trainInThread(
        { order, placement, ...(checkpointSeconds !== undefined && { checkpointSeconds }) },
        { onStep: reporter(job, this.id, onTrial), stop: stop.signal },
      );
    } finally {
      this.stops.delete(job.id ?? '');
    }
  }
}

/** Serves the queue until it is interrupted. Throws BackendError where the server cannot be reached, or is lost. */
export async function serveTrials(options: WorkerOptions): Promise<void> {
  const { url, concurrency, lostAfterSeconds, interrupt } = options;
  const { client, lost } = await connectRedis(url);
  const trainer = new Trainer(options);
  const silence = 1000 * lostAfterSeconds;
  const worker = new Worker(QUEUE_NAME, (job: Job, token) => trainer.process(job, token), {
    ...{ connection: client, name: workerName(trainer.id, concurrency), concurrency },
    ...{ lockDuration: silence, stalledInterval: silence / 2, maxStalledCount: MOST_LOSSES },
  });
  worker.on('error', () => undefined); // what a broken connection means is said once, by `lost`
  worker.on('lockRenewalFailed', (jobIds) => trainer.stopLost(jobIds));
  try {
    await worker.waitUntilReady();
    options.onReady?.(trainer.id);
    await Promise.race([lost, aborted(interrupt)]);
  } finally {
    trainer.stopAll(interrupt.aborted ? interrupt.reason : new LostTrial());
    await worker.close();
    client.disconnect();
  }
}
