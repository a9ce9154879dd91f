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
  artefacts: optional('with --queue: folder that this machine and its workers share', ARTEFACTS),
};

/** A queue, and where its trials go. */
export interface Workplace {
  readonly queue: TrialQueue;
  readonly folder: string;
}

/** The queue that was asked for; `follows` tells the trials of this run from others, `local` is their folder where they are trained here. */
export async function openWorkplace(
  { queue: url, artefacts }: Values<typeof QUEUE>,
  { follows, local }: { readonly follows: unknown; readonly local: string },
  context: Context,
): Promise<Workplace> {
  if (url === undefined) {
    if (artefacts !== undefined) throw new UsageError('--artefacts', { expected: '--queue with it', got: 'none' });
    const { seed: _, ...surroundings } = trainingIn(context);
    return { queue: inProcessQueue(surroundings), folder: local };
  }
  if (artefacts === undefined) {
    throw new UsageError('--artefacts', {
      expected: 'a folder that workers share, as --queue is given',
      got: 'nothing',
    });
  }
  const { progress, terminal } = context;
  const queue = await RedisQueue.open({ url, artefacts, onTrial: progress.trial, interrupt: terminal.interrupt });
  if ((await queue.capacity()) === 0) {
    terminal.stderr.write(
      `prumux: no worker is there yet; trials wait for: prumux worker --queue ${addressOf(url)} --artefacts ${artefacts}\n`,
    );
  }
  return { queue, folder: queue.folderOf(fingerprintOf(follows).slice(0, 16)) };
}
