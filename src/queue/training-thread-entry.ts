/** The thread of one training. */
import { parentPort } from 'node:worker_threads';
import { assert } from '../base/index.ts';
import { failureOf } from './failure.ts';
import type { ThreadReport, ThreadTask } from './training-thread.ts';
import { trainOrder } from './trial-order.ts';

assert(parentPort !== null, 'a worker thread');
const port = parentPort;
const interruption = new AbortController();

const tell = (report: ThreadReport): void => port.postMessage(report);

async function train({ order, placement, checkpointSeconds }: ThreadTask): Promise<ThreadReport> {
  try {
    await trainOrder(order, {
      ...{ placement, interrupt: interruption.signal, onStep: (step) => tell({ step }) },
      ...(checkpointSeconds !== undefined && { checkpointSeconds }),
    });
    return { end: 'trained' };
  } catch (error) {
    return error === interruption.signal.reason ? { end: 'stopped' } : { failure: failureOf(error) };
  }
}

port.once('message', (task: ThreadTask) => {
  port.on('message', () => interruption.abort());
  void train(task).then(tell);
});
