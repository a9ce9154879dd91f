/** The queue without a server: trials are trained here, one after the other. */
import { type TrialQueue, type TrialSurroundings, trainOrder } from './trial-order.ts';

export function inProcessQueue(surroundings: TrialSurroundings): TrialQueue {
  let last: Promise<void> = Promise.resolve();
  return {
    capacity: async () => 1,
    train(order) {
      const mine = last.then(() => trainOrder(order, surroundings));
      last = mine.catch(() => undefined); // one that fails is its orderer's concern, not the next one's
      return mine;
    },
    close: async () => undefined,
  };
}
