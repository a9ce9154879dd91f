/** Queues without a server: trials are trained in this process. */
import type { Placement } from '../runtime/index.ts';
import { trainInThread } from './training-thread.ts';
import type { TrialProgress } from './trial-job.ts';
import { type TrialOrder, type TrialQueue, type TrialSurroundings, trainOrder } from './trial-order.ts';

/** Trials in so many lanes at once, in each one after the other. */
function inLanes(count: number, train: (order: TrialOrder) => Promise<void>): TrialQueue {
  const lanes: Promise<void>[] = Array.from({ length: count }, () => Promise.resolve());
  let orders = 0;
  return {
    capacity: async () => count,
    async train(order) {
      const lane = orders++ % count;
      const mine = (lanes[lane] ?? Promise.resolve()).then(() => train(order));
      lanes[lane] = mine.catch(() => undefined); // one that fails is its orderer's concern, not the next one's
      await mine;
      return undefined;
    },
    // One that was interrupted saves its checkpoint, while another one's end has told the orderer to leave.
    async close() {
      await Promise.all(lanes);
    },
  };
}

/** One trial at a time, in this thread. */
export const inProcessQueue = (surroundings: TrialSurroundings): TrialQueue =>
  inLanes(1, (order) => trainOrder(order, surroundings));

export interface ThreadedQueueOptions {
  /** Trials at a time; they share the threads of the placement. */
  readonly concurrency: number;
  readonly placement: Placement;
  readonly onTrial: (progress: TrialProgress) => void;
  /** When it is aborted, trials save a checkpoint and fail with its reason. */
  readonly interrupt: AbortSignal;
}

/** A part of a machine, where so many trainings share it. */
export const placementOfEach = (placement: Placement, concurrency: number): Placement => ({
  ...placement,
  threads: Math.max(1, Math.floor(placement.threads / concurrency)),
});

/** Several trials at a time, each in a thread of its own: more steps of small models, whose products are too small for many threads. */
export function threadedQueue({ concurrency, placement, onTrial, interrupt }: ThreadedQueueOptions): TrialQueue {
  const each = placementOfEach(placement, concurrency);
  return inLanes(concurrency, (order) =>
    trainInThread(
      { order, placement: each },
      { onStep: ({ phase, step, steps }) => onTrial({ trial: order.name, phase, step, steps }), stop: interrupt },
    ),
  );
}
