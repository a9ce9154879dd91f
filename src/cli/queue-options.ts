/** Options of trials on other machines, and the queue that they ask for. */
import { join } from 'node:path';
import { addressOf, inProcessQueue, queueUrl, RedisQueue, type TrialQueue, threadedQueue } from '../queue/index.ts';
import { fingerprintOf } from '../train/index.ts';
import { type Context, trainingIn } from './command.ts';
import { option, optional, parsed, text, type Values, whole } from './option.ts';
import { UsageError } from './usage-error.ts';

/** It may have a password in it. */
export const QUEUE_URL = parsed('redis://HOST:PORT', queueUrl, () => 'something else');
export const ARTEFACTS = text('DIR');

export const QUEUE = {
  queue: optional('Redis server whose workers (prumux worker) train the trials [they are trained here]', QUEUE_URL),
  artefacts: optional(
    'with --queue: folder that this machine and its workers share; trials go into it, and may be removed',
    ARTEFACTS,
  ),
  concurrency: option('without --queue: trials at a time, which share the threads', whole(), 1),
};

/** A queue, and where its trials go. */
export interface Workplace {
  readonly queue: TrialQueue;
  readonly folder: string;
}

/** A folder for each of what tells the trials of a run from others: what was left of others is in nobody's way. */
const kindOf = (follows: unknown): string => fingerprintOf(follows).slice(0, 16);

/**
 * How the queue that was asked for is opened: from what tells the trials of this run from others. `local` is where their folder is if they are
 * trained here. Throws a UsageError for options that do not go together.
 */
export function workplaceOpener(
  { queue, artefacts, concurrency }: Values<typeof QUEUE>,
  local: string,
  context: Context,
): (follows: unknown) => Promise<Workplace> {
  const refuse = (flag: string, expected: string, got: string): never => {
    throw new UsageError(flag, { expected, got });
  };
  if (queue !== undefined) {
    const shared = artefacts ?? refuse('--artefacts', 'a folder that workers share, as --queue is given', 'nothing');
    if (concurrency > 1)
      refuse('--concurrency', 'that of each prumux worker in its place, with --queue', `${concurrency}`);
    return (follows) => openRedisQueue(queue, shared, follows, context);
  }
  if (artefacts !== undefined) refuse('--artefacts', '--queue with it', 'none');
  checkConcurrency(concurrency, context.placement);
  return async (follows) => ({ queue: openLocalQueue(concurrency, context), folder: join(local, kindOf(follows)) });
}

/** Each trial has a thread at least. Throws a UsageError for more trials than threads. */
export function checkConcurrency(concurrency: number, { device, threads }: Context['placement']): void {
  if (device !== 'cpu' || concurrency <= threads) return;
  throw new UsageError('--concurrency', { expected: `at most the ${threads} of --threads`, got: String(concurrency) });
}

function openLocalQueue(concurrency: number, context: Context): TrialQueue {
  const { placement, progress, terminal } = context;
  if (concurrency > 1) {
    return threadedQueue({ concurrency, placement, onTrial: progress.trial, interrupt: terminal.interrupt });
  }
  const { seed: _, ...surroundings } = trainingIn(context);
  return inProcessQueue(surroundings);
}

async function openRedisQueue(
  url: URL,
  artefacts: string,
  follows: unknown,
  { progress, terminal }: Context,
): Promise<Workplace> {
  const queue = await RedisQueue.open({ url, artefacts, onTrial: progress.trial, interrupt: terminal.interrupt });
  if ((await queue.capacity()) === 0) {
    const command = `prumux worker --queue ${addressOf(url)} --artefacts ${artefacts}`;
    terminal.stderr.write(`prumux: no worker is there yet; trials wait for one: ${command}\n`);
  }
  return { queue, folder: queue.folderOf(kindOf(follows)) };
}
