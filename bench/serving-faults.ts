/**
 * Abuse of a server while others ask it: each of these has checked clients beside it, whose every answer must be the one to their text, and none lost.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { HttpConnection, predictRequest } from './http-connection.ts';
import { type Load, type LoadReport, startLoad } from './load-generator.ts';
import { metricIn, ServerUnderTest } from './server-under-test.ts';

const CHECKED_CLIENTS = 16;
const FUZZED_BODIES = 10_000;
const FUZZING_CLIENTS = 16;
const DISCONNECTS = 500;
const SLOW_CLIENTS = 50;
const HALF_CLOSED = 100;

/** What an abuse tells of itself, besides what happened to the others. */
type Abuse = (server: ServerUnderTest, texts: readonly string[]) => Promise<string>;

function rawSocket(server: ServerUnderTest): Promise<Socket> {
  const url = new URL(server.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname, () => resolve(socket));
    socket.once('error', reject);
  });
}

const requestTo = ({ url }: ServerUnderTest, text = 'nobody waits for this'): Buffer =>
  predictRequest(new URL(url).host, text);

const killWorker: Abuse = async (server) => {
  await sleep(500);
  const [worker] = server.workers;
  if (worker !== undefined) process.kill(worker, 'SIGKILL');
  await sleep(3000);
  return `a worker of ${server.workers.length} killed; restarts ${metricIn(await server.metrics(), 'prumux_worker_restarts_total')}`;
};

const disconnect: Abuse = async (server) => {
  for (let left = DISCONNECTS; left > 0; left--) {
    const socket = await rawSocket(server);
    socket.on('error', () => undefined);
    socket.write(requestTo(server), () => socket.destroy());
    if (left % 20 === 0) await sleep(20);
  }
  await sleep(500);
  const dropped = metricIn(await server.metrics(), 'prumux_cancelled_rows_total');
  return `${DISCONNECTS} clients left; ${dropped} of their rows were dropped before they cost anything`;
};

/** A byte now and then, for longer than the server's patience. */
const slowLoris: Abuse = async (server) => {
  let ended = 0;
  const sockets = await Promise.all(Array.from({ length: SLOW_CLIENTS }, () => rawSocket(server)));
  for (const socket of sockets) {
    socket.on('error', () => undefined);
    socket.on('close', () => ended++);
    socket.resume();
    socket.write('POST /predict HTTP/1.1\r\nHost: slow\r\n');
  }
  for (let second = 0; second < 14 && ended < SLOW_CLIENTS; second++) {
    for (const socket of sockets) if (!socket.destroyed) socket.write('X');
    await sleep(1000);
  }
  for (const socket of sockets) socket.destroy();
  return `${ended} of ${SLOW_CLIENTS} slow clients were sent away`;
};

/** Clients that end their side after the request: to the server, as to proxies, they are gone. */
const halfClose: Abuse = async (server, texts) => {
  let answered = 0;
  for (let at = 0; at < HALF_CLOSED; at++) {
    const socket = await rawSocket(server);
    socket.on('error', () => undefined);
    socket.end(requestTo(server, texts[at % texts.length]));
    let reply = '';
    for await (const bytes of socket) reply += bytes;
    if (reply.startsWith('HTTP/1.1 200')) answered++;
  }
  return `${HALF_CLOSED} clients closed their half, ${answered} of them got an answer nevertheless`;
};

const fuzz: Abuse = async (server) => {
  const statuses: Record<number, number> = {};
  const bodies = fc.sample(
    fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => Buffer.from(json)),
      fc
        .record({ inputs: fc.jsonValue(), raw_scores: fc.jsonValue() })
        .map((json) => Buffer.from(JSON.stringify(json))),
      fc.string({ unit: 'binary', maxLength: 300 }).map((inputs) => Buffer.from(JSON.stringify({ inputs }))),
    ),
    { numRuns: FUZZED_BODIES, seed: 1 },
  );
  const left = bodies.values();
  const client = async (): Promise<void> => {
    let connection = new HttpConnection(new URL(server.url));
    for (const body of left) {
      if (!connection.isOpen) connection = new HttpConnection(new URL(server.url));
      const head = `POST /predict HTTP/1.1\r\nHost: fuzz\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
      const { status } = await connection.send(Buffer.concat([Buffer.from(head), body]));
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: FUZZING_CLIENTS }, client));
  return `${bodies.length} fuzzed bodies: ${JSON.stringify(statuses)}`;
};

const drain: Abuse = async (server) => {
  await sleep(1500);
  return `ended with ${await server.end()} under load`;
};

interface Trial {
  readonly abuse: Abuse;
  readonly flags?: readonly string[];
  /** Requests that the server had taken in and whose answers did not come; what clients missed if left out. */
  lostOf?(server: ServerUnderTest, report: LoadReport): number;
}

/**
 * A request that is sent into a connection while the server closes it was never taken in, and to be asked again (RFC 9112, 9.3.1). The client cannot
 * tell; the server's log of requests can.
 */
const drainTrial: Trial = {
  abuse: drain,
  flags: ['--log-level', 'trace'],
  lostOf({ said }, { statuses }) {
    const takenIn = said.match(/"url":"\/predict","msg":"request taken in"/g) ?? [];
    return takenIn.length - Object.values(statuses).reduce((all, each) => all + each, 0);
  },
};

const TRIALS: Readonly<Record<string, Trial>> = {
  'worker killed': { abuse: killWorker },
  disconnects: { abuse: disconnect },
  'slow-loris': { abuse: slowLoris },
  'half-closed': { abuse: halfClose },
  fuzz: { abuse: fuzz },
  drain: drainTrial,
};

/** Longer than any abuse takes. */
const MOST_SECONDS = 600;

/** Clients ask until the work is done. */
async function whileAsked(load: Omit<Load, 'seconds' | 'arrivals'>, work: () => Promise<string>) {
  const arrivals = { clients: CHECKED_CLIENTS };
  const { report, stop } = await startLoad({ ...load, seconds: MOST_SECONDS, arrivals });
  const said = await work();
  stop();
  return { said, report: await report };
}

/** Every abuse, each of a server of its own; whether the others never noticed. */
export async function measureFaults(
  model: string,
  flags: readonly string[],
  load: Pick<Load, 'texts' | 'seed' | 'expected'>,
): Promise<boolean> {
  let isClean = true;
  for (const [name, trial] of Object.entries(TRIALS)) {
    const server = await ServerUnderTest.prumux([model], ['--workers', '2', ...flags, ...(trial.flags ?? [])]);
    const { said, report } = await whileAsked({ ...load, url: server.url }, () => trial.abuse(server, load.texts));
    await server.end();
    const { statuses, wrong, wrongSample = '' } = report;
    const answered = statuses[200] ?? 0;
    const others = Object.values(statuses).reduce((all, each) => all + each, 0) - answered;
    const lost = trial.lostOf?.(server, report) ?? report.lost + others;
    isClean &&= lost + wrong === 0;
    const told = `${answered} answered, ${others} told otherwise, ${lost} lost, ${wrong} wrong`;
    console.log(`${lost + wrong === 0 ? 'ok  ' : 'BAD '} ${name.padEnd(14)} others: ${told}; ${said} ${wrongSample}`);
  }
  return isClean;
}
