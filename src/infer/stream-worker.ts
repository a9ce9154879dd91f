/** The thread of streams: it has one session at a time, and answers requests in the order in which they come. */
import { parentPort } from 'node:worker_threads';
import { assert, messageOf } from '../base/index.ts';
import { openSession, type Session } from '../runtime/index.ts';
import type { StreamReply, StreamRequest } from './streams.ts';

assert(parentPort !== null, 'a worker thread');
const port = parentPort;
let session: Session | undefined;

async function resultsOf({ open, feeds }: StreamRequest): Promise<StreamReply['results']> {
  if (feeds !== undefined) return session?.run(feeds);
  await session?.close();
  session = open && (await openSession(open.model, open.placement));
  return {};
}

/** One after the other: a session must not be closed while it runs. */
let last: Promise<void> = Promise.resolve();
port.on('message', (request: StreamRequest) => {
  last = last.then(async () => {
    const { id } = request;
    try {
      port.postMessage({ id, results: await resultsOf(request) } satisfies StreamReply);
    } catch (error) {
      port.postMessage({ id, failure: messageOf(error) } satisfies StreamReply);
    }
  });
});
