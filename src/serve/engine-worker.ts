/** A worker of the engine, a thread or a process: it has all levels open, and runs one pass after the other. */
import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { assert, messageOf } from '../base/index.ts';
import type { OpenedLevel, OpenRequest, WorkerReply, WorkerRequest } from './engine-protocol.ts';
import { type AskedText, openServedModel, type ServedModel } from './served-model.ts';

let levels: readonly ServedModel[] = [];

/** A nice value of 5: a third of the server's share where both want a core, and still its own share beside other programs. */
const PRIORITY = constants.priority.PRIORITY_BELOW_NORMAL / 2;

/**
 * A pass takes milliseconds and can wait for one; HTTP takes microseconds, and a worker may be waiting for it. So the server goes first where there are
 * fewer cores than threads. On Linux the priority is the thread's own, and that of those that the runtime starts from here.
 */
function yieldToServer(): void {
  if (parentPort === null || process.platform === 'linux') setPriority(PRIORITY);
}

/** Runs that the runtime needs before it is as fast as it gets. */
const WARM_UPS = 2;
/** A pass of a group is short, and what else runs shows in it: other workers warm up beside this one. */
const GROUP_RUNS = 8;
/** A full pass of short texts, where nobody says how many rows it has: by itself a pass costs some milliseconds, a run per length, which of this long is little. */
const WORTHWHILE_MS = 20;
const LEAST_ROWS = 64;
const MOST_ROWS = 256;
const WARM_UP_TEXT: AskedText = { text: 'the quick brown fox jumps over the lazy dog', isCut: true };

async function open({ models, placement, maxTokens, rows }: OpenRequest): Promise<readonly OpenedLevel[]> {
  yieldToServer();
  levels = await Promise.all(models.map((model) => openServedModel(model, placement, maxTokens)));
  const opened: OpenedLevel[] = [];
  for (const model of levels) opened.push(await warmedUp(model, rows));
  return opened;
}

async function warmedUp(model: ServedModel, wanted: number | undefined): Promise<OpenedLevel> {
  const { description } = model;
  for (let rows = wanted ?? LEAST_ROWS; ; rows *= 2) {
    const passMs = await timeOf(model, rows, WARM_UPS);
    if (wanted === undefined && rows < MOST_ROWS && passMs < WORTHWHILE_MS) continue;
    return { description, rows, passMs, groupMs: await timeOf(model, description.instances, GROUP_RUNS) };
  }
}

/** Of a pass of so many short texts, the best of several. */
async function timeOf({ run }: ServedModel, rows: number, times: number): Promise<number> {
  let ms = Infinity;
  for (let time = 0; time < times; time++) {
    ms = Math.min(ms, (await run(new Array(rows).fill(WARM_UP_TEXT))).computeMs);
  }
  return ms;
}

async function replyTo({ id, open: wanted, pass }: WorkerRequest): Promise<WorkerReply> {
  if (wanted !== undefined) return { id, opened: await open(wanted) };
  if (pass === undefined) return { id };
  const model = levels[pass.level];
  assert(model !== undefined, `a level ${pass.level}`);
  return { id, answers: await model.run(pass.texts) };
}

function send(reply: WorkerReply): void {
  if (parentPort === null) process.send?.(reply);
  else parentPort.postMessage(reply);
}

/** One after the other. */
let last: Promise<void> = Promise.resolve();
function receive(request: WorkerRequest): void {
  last = last.then(async () => {
    try {
      send(await replyTo(request));
    } catch (error) {
      send({ id: request.id, failure: messageOf(error) });
    }
  });
}

if (parentPort === null) {
  process.on('message', receive);
  // The server drains when it is told to end; its workers end with it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  process.on('disconnect', () => process.exit());
} else parentPort.on('message', receive);
