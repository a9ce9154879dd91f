/**
 * Streams: several sessions of one model, each in a thread of its own with its share of the cores. A pruned model is made of small
 * operators, at each of which the threads of one session wait for each other; sessions side by side never wait. And a session
 * blocks the thread that runs it, so whoever must stay responsive keeps it in another one.
 */
import { Worker } from 'node:worker_threads';
import { BackendError, type FloatTensor, messageOf } from '../base/index.ts';
import type { ModelConfig } from '../model/index.ts';
import type { Feeds, Placement } from '../runtime/index.ts';
import type { Predictor } from './predictor.ts';

/** What a stream's thread is started with. */
export interface StreamData {
  /** The bytes of an ONNX file, or its path. */
  readonly model: Uint8Array | string;
  readonly placement: Placement;
}

export interface StreamRequest {
  readonly id: number;
  readonly feeds: Feeds;
}

/** The results of one run, or why there are none; `open` tells that the session is ready. */
export interface StreamReply {
  readonly id: number | 'open';
  readonly results?: Feeds;
  readonly failure?: string;
}

interface Waiting {
  resolve(results: Feeds): void;
  reject(error: BackendError): void;
}

/** Starts the thread of a stream. A thread does not inherit the loader of TypeScript sources, which tests and benchmarks are run from. */
function startWorker(workerData: StreamData): Worker {
  if (!import.meta.url.endsWith('.ts'))
    return new Worker(new URL('./stream-worker.js', import.meta.url), { workerData });
  const entry = new URL('./stream-worker.ts', import.meta.url);
  const boot = `import('tsx/esm/api').then((tsx) => { tsx.register(); return import('${entry}'); })`;
  return new Worker(boot, { workerData, eval: true });
}

/** One thread with its session. */
class Stream {
  private readonly worker: Worker;
  private readonly waiting = new Map<StreamReply['id'], Waiting>();
  private isClosing = false;
  private runs = 0;
  readonly opened: Promise<Feeds>;

  constructor(data: StreamData) {
    this.worker = startWorker(data);
    this.opened = this.reply('open');
    this.worker.on('message', ({ id, results, failure }: StreamReply) => {
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (failure === undefined) waiting?.resolve(results ?? {});
      else waiting?.reject(failed('to run', failure));
    });
    this.worker.on('error', (error) => this.abandon(messageOf(error)));
    this.worker.on('exit', (code) => this.abandon(`the end of its thread, code ${code}`));
  }

  /** Runs that are under way or waiting. */
  get load(): number {
    return this.waiting.size;
  }

  run(feeds: Feeds): Promise<Feeds> {
    const id = this.runs++;
    const results = this.reply(id);
    this.worker.postMessage({ id, feeds } satisfies StreamRequest);
    return results;
  }

  async close(): Promise<void> {
    this.isClosing = true;
    await this.worker.terminate();
  }

  private reply(id: StreamReply['id']): Promise<Feeds> {
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  private abandon(got: string): void {
    for (const { reject } of this.waiting.values()) reject(failed(this.isClosing ? 'to stay open' : 'to run', got));
    this.waiting.clear();
  }
}

function failed(expected: string, got: string): BackendError {
  return new BackendError('stream', { expected: `the model ${expected}`, got });
}

/** How many streams are worth trying: one session with all threads, one thread for each of many sessions, and the middle. */
export function streamChoices({ device, threads }: Placement): readonly number[] {
  return device === 'cpu' ? [...new Set([1, Math.ceil(Math.sqrt(threads)), threads])] : [1];
}

/**
 * Opens a model in `streams` threads that share the placement's threads; as many runs may be in flight at once. Each run goes to the stream
 * that has least to do. Throws BackendError where the model does not open.
 */
export async function openStreams(
  model: Uint8Array | string,
  config: ModelConfig,
  placement: Placement,
  streams: number,
): Promise<Predictor> {
  const share = { ...placement, threads: Math.max(1, Math.floor(placement.threads / streams)) };
  const all = Array.from({ length: streams }, () => new Stream({ model, placement: share }));
  const close = async (): Promise<void> => {
    await Promise.all(all.map((stream) => stream.close()));
  };
  try {
    await Promise.all(all.map(({ opened }) => opened));
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
