/**
 * Streams: several sessions of one model, each in a thread of its own with its share of the cores. A pruned model is made of small
 * operators, at each of which the threads of one session wait for each other; sessions side by side never wait.
 */
import { BackendError, type FloatTensor, messageOf, startThread } from '../base/index.ts';
import type { ModelConfig } from '../model/index.ts';
import { type Feeds, openSession, type Placement } from '../runtime/index.ts';
import { type Predictor, predictorOf } from './predictor.ts';

/** To run the open session, to open another one, or (with neither) to close it. */
export interface StreamRequest {
  readonly id: number;
  readonly feeds?: Feeds;
  /** The bytes of an ONNX file or its path, and where to run it. */
  readonly open?: { readonly model: Uint8Array | string; readonly placement: Placement };
}

/** The results of one request, or why there are none. */
export interface StreamReply {
  readonly id: number;
  readonly results?: Feeds | undefined;
  readonly failure?: string;
}

interface Waiting {
  resolve(results: Feeds): void;
  reject(error: BackendError): void;
}

/** Threads whose session is closed, for whoever opens the next one. */
const idle: Stream[] = [];

/** One thread with its session. */
class Stream {
  private readonly worker = startThread(import.meta.url, 'stream-worker');
  private readonly waiting = new Map<number, Waiting>();
  private requests = 0;
  /** Why the thread has ended, once it has. */
  private end: string | undefined;

  constructor() {
    this.worker.on('message', ({ id, results, failure }: StreamReply) => {
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (failure === undefined) waiting?.resolve(results ?? {});
      else waiting?.reject(failed(failure));
    });
    this.worker.on('error', (error) => this.abandon(messageOf(error)));
    this.worker.on('exit', (code) => this.abandon(`the end of its thread, code ${code}`));
  }

  /** Runs that are under way or waiting. */
  get load(): number {
    return this.waiting.size;
  }

  async open(model: Uint8Array | string, placement: Placement): Promise<void> {
    this.worker.ref();
    await this.request({ open: { model, placement } });
  }

  run(feeds: Feeds): Promise<Feeds> {
    return this.request({ feeds });
  }

  /** When what is under way is done; the thread is kept for another session, but keeps no process alive. */
  async close(): Promise<void> {
    await this.request({}).then(
      () => idle.push(this),
      () => this.worker.terminate(),
    );
    this.worker.unref();
  }

  private request(what: Omit<StreamRequest, 'id'>): Promise<Feeds> {
    if (this.end !== undefined) return Promise.reject(failed(this.end));
    const id = this.requests++;
    this.worker.postMessage({ ...what, id } satisfies StreamRequest);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  private abandon(got: string): void {
    this.end ??= got;
    for (const { reject } of this.waiting.values()) reject(failed(got));
    this.waiting.clear();
    const at = idle.indexOf(this);
    if (at >= 0) idle.splice(at, 1);
  }
}

function failed(got: string): BackendError {
  return new BackendError('stream', { expected: 'the model to run', got });
}

/** How many streams are worth trying: one session with all threads, one thread for each of many sessions, and the middle. */
export function streamChoices({ device, threads }: Placement): readonly number[] {
  return device === 'cpu' ? [...new Set([1, Math.ceil(Math.sqrt(threads)), threads])] : [1];
}

/**
 * Opens a model in `streams` threads that share the placement's threads; as many runs may be in flight at once. Each run goes to the stream
 * that has least to do. A single stream runs in this thread. Throws BackendError where the model does not open.
 */
export async function openStreams(
  model: Uint8Array | string,
  config: ModelConfig,
  placement: Placement,
  streams: number,
): Promise<Predictor> {
  if (streams === 1) return predictorOf(await openSession(model, placement), config);
  const share = { ...placement, threads: Math.max(1, Math.floor(placement.threads / streams)) };
  const all = Array.from({ length: streams }, () => idle.pop() ?? new Stream());
  const close = async (): Promise<void> => {
    await Promise.all(all.map((stream) => stream.close()));
  };
  try {
    await Promise.all(all.map((stream) => stream.open(model, share)));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    config,
    streams,
    async run(feeds) {
      const idlest = all.reduce((best, stream) => (stream.load < best.load ? stream : best));
      return (await idlest.run(feeds)).logits as FloatTensor;
    },
    close,
  };
}
