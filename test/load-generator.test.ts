/** The load generator of the benchmarks against servers that answer late on purpose: what it counts, and what it does not. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { generateLoad, type Load } from '../bench/load-generator.ts';

/** Longer than the seconds of a load. */
const LATE_MS = 2500;
const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** Puts load on a server that deals with the requests that it gets by their number. */
async function loadOn(
  answer: (at: number, response: ServerResponse) => void,
  load: Pick<Load, 'arrivals'> & Partial<Load>,
) {
  let requests = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(requests++, response));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return generateLoad({ url: `http://127.0.0.1:${port}`, texts: ['a film'], seconds: 1, seed: 1, ...load });
}

const later = (what: () => void): void => void setTimeout(what, LATE_MS);

it('counts the answers that come within its seconds, and looks for those that come later', async () => {
  const report = await loadOn(
    (at, response) => {
      if (at < 9) response.end('{}');
      else if (at < 11) later(() => response.end('{}'));
      else later(() => response.destroy());
    },
    { arrivals: { clients: 3 } },
  );
  expect(report).toMatchObject({ statuses: { 200: 9 }, lost: 1 });
  expect(report.seconds).toBeLessThan(LATE_MS / 1000);
});

it('counts the requests that have no connection to leave by', async () => {
  const mostConnections = 5;
  const report = await loadOn((_, response) => later(() => response.end('{}')), {
    ...{ arrivals: { perSecond: 100 }, mostConnections },
  });
  expect(report).toMatchObject({ statuses: {}, lost: 0 });
  expect(report.dropped).toBeGreaterThan(50 - mostConnections); // of about 100, as they come at random
});
