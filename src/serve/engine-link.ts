/** The server's end of one worker: requests out, replies in, and what it means when the worker ends. */
import { BackendError, messageOf, startProcess, startThread } from '../base/index.ts';
import type { OpenedLevel, OpenRequest, PassRequest, WorkerReply, WorkerRequest } from './engine-protocol.ts';
import type { PassAnswers } from './served-model.ts';

/** Threads of this process share its fate; processes do not, at some 50 MB each. */
export const WORKER_KINDS = ['thread', 'process'] as const;
export type WorkerKind = (typeof WORKER_KINDS)[number];

/** The worker ended, or was ended, before it replied. */
export class WorkerLost extends BackendError {
  /** Whether it was at work on what was asked of it; else that waited behind something else. */
  readonly wasBegun: boolean;

  constructor(expected: string, got: string, wasBegun: boolean) {
    super('engine', { expected, got });
    this.wasBegun = wasBegun;
  }
}

const ENTRY = new URL('./engine-worker.ts', import.meta.url);

/** A pass that takes longer hangs: none is made to take more than some seconds. Its worker is replaced. */
const LONGEST_PASS_MS = 60_000;
/** Models are opened and warmed up in seconds, large ones from a slow disk in minutes. */
const LONGEST_OPEN_MS = 300_000;

/** A pass that has taken so many times as long as it should was foreseen wrongly: nothing says that it will end soon. */
const OVERDUE = 4;

interface Waiting {
  /** What was to happen, as errors say it. */
  readonly expected: string;
  /** How long the worker may be at it. */
  readonly limitMs: number;
  /** Of a pass: how long it should take. */
  readonly expectedMs: number;
  resolve(reply: WorkerReply): void;
  reject(error: BackendError): void;
}

/** What threads and processes have in common. */
interface Host {
  /** For tests and logs, of a process. */
  readonly pid?: number | undefined;
  send(request: WorkerRequest): void;
  kill(): void;
}

/** Starts a worker; `reply` and `end` are told what comes of it. */
const START = {
  thread(reply, end) {
    const thread = startThread(ENTRY);
    thread.on('message', reply);
    thread.on('error', (error) => end(messageOf(error)));
    thread.on('exit', (code) => end(`the end of its thread, code ${code}`));
    return {
      send: (request) => thread.postMessage(request),
      kill: () => void thread.terminate(),
    };
  },
  process(reply, end) {
    const child = startProcess(ENTRY);
    child.on('message', reply);
    child.on('error', (error) => end(messageOf(error)));
    child.on('exit', (code, signal) => end(`the end of its process, ${signal ?? `code ${code}`}`));
    return {
      pid: child.pid,
      send: (request) => void child.send(request, (error) => error && end(messageOf(error))),
      kill: () => void child.kill('SIGKILL'),
    };
  },
} satisfies Record<WorkerKind, (reply: (reply: WorkerReply) => void, end: (why: string) => void) => Host>;

export class WorkerLink {
  private readonly host: Host;
  /** In the order in which the worker takes them: it is at work on the first. */
  private readonly waiting = new Map<number, Waiting>();
  private watchdog: NodeJS.Timeout | undefined;
  /** When it began what it is at. */
  private begunMs = 0;
  private requests = 0;
  private end: string | undefined;
  private readonly onEnd: (why: string) => void;

  /** `onEnd` is told once, when the worker has ended or was given up, whatever the reason. */
  constructor(kind: WorkerKind, onEnd: (why: string) => void) {
    this.onEnd = onEnd;
    this.host = START[kind](
      (reply) => this.receive(reply),
      (why) => this.ended(why),
    );
  }

  private ended(why: string): void {
    if (this.end !== undefined) return;
    this.end = why;
    clearTimeout(this.watchdog);
    for (const [at, { expected, reject }] of [...this.waiting.values()].entries()) {
      reject(new WorkerLost(expected, why, at === 0));
    }
    this.waiting.clear();
    this.onEnd(why);
  }

  get pid(): number | undefined {
    return this.host.pid;
  }

  /** Passes that it has been given and not answered. */
  get load(): number {
    return this.waiting.size;
  }

  /** Milliseconds that those should take that it has not begun. */
  get givenMs(): number {
    const [, ...behind] = this.waiting.values();
    return behind.reduce((sum, { expectedMs }) => sum + expectedMs, 0);
  }

  /** Milliseconds until it has done all that it has been given, if its passes take as long as they should; one that is long overdue, as long again as it has taken. */
  get leftMs(): number {
    if (this.waiting.size === 0) return 0;
    // Asked at every refusal, so without lists.
    let all = 0;
    let first: number | undefined;
    for (const { expectedMs } of this.waiting.values()) {
      first ??= expectedMs;
      all += expectedMs;
    }
    const firstMs = first ?? 0;
    const takenMs = performance.now() - this.begunMs;
    return all - firstMs + (takenMs > OVERDUE * firstMs ? takenMs : Math.max(0, firstMs - takenMs));
  }

  async open(open: OpenRequest): Promise<readonly OpenedLevel[]> {
    return (await this.request('models that open', { open }, LONGEST_OPEN_MS)).opened ?? [];
  }

  async run(pass: PassRequest): Promise<PassAnswers> {
    const { answers } = await this.request('the model to run', { pass }, LONGEST_PASS_MS);
    return answers ?? { tooLong: [], slots: 0, computeMs: 0 };
  }

  /** At once, whatever is under way. */
  kill(): void {
    this.host.kill();
  }

  private request(expected: string, what: Omit<WorkerRequest, 'id'>, limitMs: number): Promise<WorkerReply> {
    const { expectedMs = 0 } = what.pass ?? {};
    if (this.end !== undefined) return Promise.reject(new WorkerLost(expected, this.end, false));
    const id = this.requests++;
    const reply = new Promise<WorkerReply>((resolve, reject) =>
      this.waiting.set(id, { expected, limitMs, expectedMs, resolve, reject }),
    );
    this.host.send({ ...what, id });
    if (this.waiting.size === 1) this.watchFirst();
    return reply;
  }

  /** The time of what waits behind something else begins when that is done. */
  private watchFirst(): void {
    clearTimeout(this.watchdog);
    this.begunMs = performance.now();
    const [first] = this.waiting.values();
    if (first !== undefined) this.watchdog = setTimeout(() => this.giveUp(first), first.limitMs).unref();
  }

  /** It counts as ended before it has: the end of a thread waits for the runtime, and may never come. */
  private giveUp({ limitMs }: Waiting): void {
    this.ended(`no reply in ${limitMs} ms`);
    this.kill();
  }

  private receive({ id, failure, ...reply }: WorkerReply): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    this.watchFirst();
    if (waiting === undefined) return;
    if (failure === undefined) waiting.resolve({ id, ...reply });
    else waiting.reject(new BackendError('engine', { expected: waiting.expected, got: failure }));
  }
}
