/**
 * Trainings in threads of their own: a step keeps its thread busy for as long as it takes, and the making of one for seconds. The thread of
 * the worker is left free to tell the server that it lives.
 */
import type { Worker } from 'node:worker_threads';
import { BackendError, messageOf, type PrumuxError, startThread } from '../base/index.ts';
import type { StepReport } from '../train/index.ts';
import { errorIn } from './failure.ts';
import type { TrialOrder, TrialSurroundings } from './trial-order.ts';

/** What a thread is told at first; then only to stop. */
export interface ThreadTask extends Pick<TrialSurroundings, 'placement' | 'checkpointSeconds'> {
  readonly order: TrialOrder;
}

export const STOP = 'stop';

/** What a thread tells: its steps, and how it ended. */
export type ThreadReport =
  | { readonly step: StepReport }
  | { readonly end: 'trained' | 'stopped' }
  | { readonly failure: string };

interface Listeners {
  readonly onStep: (report: StepReport) => void;
  /** When it is aborted, the training saves a checkpoint and fails with its reason. */
  readonly stop: AbortSignal;
}

/** Trains an order to its end. Throws what the training threw. */
export async function trainInThread(task: ThreadTask, { onStep, stop }: Listeners): Promise<void> {
  const thread = startThread(new URL('./training-thread-entry.ts', import.meta.url));
  const halt = (): void => thread.postMessage(STOP);
  stop.addEventListener('abort', halt, { once: true });
  try {
    thread.postMessage(task);
    if (stop.aborted) halt();
    if ((await endOf(thread, onStep)) === 'stopped') stop.throwIfAborted();
  } finally {
    stop.removeEventListener('abort', halt);
    await thread.terminate();
  }
}

function endOf(thread: Worker, onStep: Listeners['onStep']): Promise<'trained' | 'stopped'> {
  const failed = (got: string): PrumuxError =>
    new BackendError('training', { expected: 'the trial to be trained', got });
  return new Promise((resolve, reject) => {
    thread.on('message', (report: ThreadReport) => {
      if ('step' in report) onStep(report.step);
      else if ('end' in report) resolve(report.end);
      else reject(errorIn(report.failure) ?? failed(report.failure));
    });
    thread.once('error', (error) => reject(failed(messageOf(error))));
    thread.once('exit', (code) => reject(failed(`the end of its thread, code ${code}`)));
  });
}
