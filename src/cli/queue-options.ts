/** Options of trials on other machines, and the queue that they ask for. */
import { addressOf, inProcessQueue, queueUrl, RedisQueue, type TrialQueue } from '../queue/index.ts';
import { fingerprintOf } from '../train/index.ts';
import { type Context, trainingIn } from './command.ts';
import { optional, parsed, text, type Values } from './option.ts';
import { UsageError } from './usage-error.ts';

export const QUEUE_URL = parsed('redis://HOST:PORT', queueUrl);
export const ARTEFACTS = text('DIR');

export const QUEUE = {
  queue: optional('Redis server whose workers (prumux worker) train the trials [they are trained here]', QUEUE_URL),
  artefacts: optional(
    'with --queue: folder that this machine and its workers share; trials go into it, and may be removed',
    ARTEFACTS,
  ),
};

/** A queue, and where its trials go. */
export interface Workplace {
  readonly queue: TrialQueue;
  readonly folder: string;
}

/**
 * How the queue that was asked for is opened: from what tells the trials of this run from others. `local` is their folder where they are
 * trained here. Throws a UsageError for options that do not go together.
 */
export function workplaceOpener(
  { queue, artefacts }: Values<typeof QUEUE>,
  local: string,
  context: Context,
): (follows: unknown) => Promise<Workplace> {
  const refuse = (expected: string, got: string): never => {
    throw new UsageError('--artefacts', { expected, got });
  };
  if (queue !== undefined) {
    const shared = artefacts ?? refuse('a folder that workers share, as --queue is given', 'nothing');
    return (follows) => openRedisQueue(queue, shared, follows, context);
  }
  if (artefacts !== undefined) refuse('--queue with it', 'none');
  const { seed: _, ...surroundings } = trainingIn(context);
  return async () => ({ queue: inProcessQueue(surroundings), folder: local });
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
  return { queue, folder: queue.folderOf(fingerprintOf(follows).slice(0, 16)) };
}
