/** The thread of one stream: a session of its own, runs answered in the order in which they come. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert, messageOf } from '../base/index.ts';
import { openSession } from '../runtime/index.ts';
import type { StreamData, StreamReply, StreamRequest } from './streams.ts';

const { model, placement } = workerData as StreamData;
assert(parentPort !== null, 'a worker thread');
const port = parentPort;
const reply = (message: StreamReply): void => port.postMessage(message);

try {
  const session = await openSession(model, placement);
  port.on('message', async ({ id, feeds }: StreamRequest) => {
    try {
      reply({ id, results: await session.run(feeds) });
    } catch (error) {
      reply({ id, failure: messageOf(error) });
    }
  });
  reply({ id: 'open' });
} catch (error) {
  reply({ id: 'open', failure: messageOf(error) });
}
