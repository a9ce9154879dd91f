/** Trials through a queue: in this process, or on any machine that runs a worker. */
export * from './in-process-queue.ts';
export { addressOf } from './redis-connection.ts';
export { queueUrl, RedisQueue, type RedisQueueOptions } from './redis-queue.ts';
export type { TrialProgress } from './trial-job.ts';
export * from './trial-order.ts';
export { type Outcome, serveTrials, type WorkerOptions } from './worker.ts';
