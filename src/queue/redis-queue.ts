/** The queue on a Redis server: trials are BullMQ jobs, which workers on any machine take. */
import { existsSync } from 'node:fs';
import { type Job, Queue, QueueEvents } from 'bullmq';
import { aborted, CheckpointError, ConfigError, messageOf, VERSION } from '../base/index.ts';
import { fingerprintOf } from '../train/index.ts';
import { Artefacts, SHARED_HINT } from './artefacts.ts';
import { errorOf } from './failure.ts';
import { connectRedis, type RedisConnection } from './redis-connection.ts';
import { jobOf, progressSchema, type TrialJob, type TrialProgress } from './trial-job.ts';
import { hasStart, type TrialOrder, type TrialQueue } from './trial-order.ts';

/** The name of the queue on its server. Another version may train another model by the same recipe: its workers have another queue. */
export const QUEUE_NAME = `prumux-trials-${VERSION}`;

/** Ended jobs are forgotten after a day: what they left is in the folder of artefacts. */
const KEPT = { age: 24 * 3600 };

export interface RedisQueueOptions {
  readonly url: URL;
  /** The folder that all machines share. */
  readonly artefacts: string;
  readonly onTrial?: (progress: TrialProgress) => void;
  /** When it is aborted, orders fail with its reason, and what no worker has begun is taken back. */
  readonly interrupt?: AbortSignal;
}

/** The address of a queue. Throws ConfigError. */
export function queueUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isRedis = url !== undefined && /^rediss?:$/.test(url.protocol) && url.hostname !== '';
  if (isRedis && /^\/?\d*$/.test(url.pathname)) return url;
  const expected = 'redis://HOST:PORT, perhaps /NUMBER of a database, or rediss:// for TLS';
  throw new ConfigError('queue', { expected, got: 'something else' });
}

/** Fails with the reason when the signal is aborted. */
async function untilInterrupted(signal: AbortSignal): Promise<never> {
  await aborted(signal);
  throw signal.reason;
}

/** How a worker calls itself on the server: with how many trials it takes at a time. */
export function workerName(id: string, concurrency: number): string {
  return `${id}/${concurrency}`;
}

/** How many trials the worker of that name takes. */
function placesOf(rawName: string): number {
  return Number(/\/(\d+)$/.exec(rawName)?.[1] ?? 1);
}

/** The same for whoever orders the same: runs share its job. */
const jobIdOf = (data: TrialJob): string => fingerprintOf(data);

export class RedisQueue implements TrialQueue {
  private readonly client: RedisConnection['client'];
  private readonly queue: Queue;
  private readonly events: QueueEvents;
  private readonly artefacts: Artefacts;
  private readonly broken: Promise<never>;
  private readonly ordered = new Map<string, Job<TrialJob>>();
  /** Jobs that are being put into the queue. */
  private readonly beginnings = new Set<Promise<unknown>>();

  /** Throws BackendError where there is no server. */
  static async open(options: RedisQueueOptions): Promise<RedisQueue> {
    return new RedisQueue(await connectRedis(options.url), options);
  }

  private constructor({ client, lost }: RedisConnection, { artefacts, onTrial, interrupt }: RedisQueueOptions) {
    this.client = client;
    this.artefacts = new Artefacts(artefacts);
    this.queue = new Queue(QUEUE_NAME, { connection: client });
    this.events = new QueueEvents(QUEUE_NAME, { connection: client });
    // What a broken connection means is said once, by `lost`.
    this.queue.on('error', () => undefined);
    this.events.on('error', () => undefined);
    this.broken = Promise.race([lost, ...(interrupt === undefined ? [] : [untilInterrupted(interrupt)])]);
    this.broken.catch(() => undefined);
    this.events.on('progress', ({ jobId, data }) => {
      const told = progressSchema.safeParse(data);
      if (told.success && this.ordered.has(jobId)) onTrial?.(told.data);
    });
    // By another run that had ordered the same, and ended.
    this.events.on('removed', ({ jobId }) => {
      const job = this.ordered.get(jobId);
      if (job !== undefined) this.add(job.data).catch(() => undefined); // whether the server is there is asked elsewhere
    });
  }

  /** Where trials of a kind go, each in a folder of its name. */
  folderOf(kind: string): string {
    return this.artefacts.folderAt(`trials/${kind}`);
  }

  /** As many as workers have places for, now. */
  async capacity(): Promise<number> {
    const workers = await Promise.race([this.queue.getWorkers(), this.broken]);
    return workers.reduce((sum, { rawname = '' }) => sum + placesOf(rawname), 0);
  }

  async train(order: TrialOrder): Promise<number | undefined> {
    const data = await Promise.race([jobOf(order, this.artefacts), this.broken]);
    const job = await Promise.race([this.begun(data), this.broken]);
    const id = jobIdOf(data);
    if (job === undefined) return this.secondsOf(id);
    const worker = await Promise.race([this.ended(job, data), this.broken]);
    this.ordered.delete(id);
    if (existsSync(order.output)) return this.secondsOf(id);
    throw new CheckpointError(order.output, {
      expected: `the model that ${worker} has trained`,
      got: 'no such folder',
      hint: SHARED_HINT,
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.beginnings);
    // This run waits for them no more; one that a worker is at is locked, and goes on, for the next run to find its model.
    const jobs = [...this.ordered.values()];
    this.ordered.clear();
    for (const job of jobs) await job.remove().catch(() => undefined);
    await this.events.close();
    await this.queue.close();
    this.client.disconnect();
  }

  /** What its worker took, where it was but one: the time until there was one is none of the training's. */
  private async secondsOf(id: string): Promise<number | undefined> {
    const job = await Promise.race([this.queue.getJob(id), this.broken]);
    const { processedOn, finishedOn, attemptsStarted } = job ?? {};
    if (attemptsStarted !== 1 || processedOn === undefined || finishedOn === undefined) return undefined;
    return (finishedOn - processedOn) / 1000;
  }

  /** The job of a trial among those that are ordered. */
  private async begun(data: TrialJob): Promise<Job<TrialJob> | undefined> {
    const beginning = this.begin(data).then((job) => {
      if (job !== undefined) this.ordered.set(jobIdOf(data), job);
      return job;
    });
    this.beginnings.add(beginning);
    return beginning.finally(() => this.beginnings.delete(beginning));
  }

  /** The job of a trial, which may be under way for an earlier run; nothing where it is done. */
  private async begin(data: TrialJob): Promise<Job<TrialJob> | undefined> {
    const earlier: Job | undefined = await this.queue.getJob(jobIdOf(data));
    if (await earlier?.isCompleted()) {
      if (hasStart(this.artefacts.folderAt(data.output), data.recipe)) return undefined;
      await earlier?.remove();
    }
    if (await earlier?.isFailed()) await earlier?.remove();
    return this.add(data);
  }

  private add(data: TrialJob): Promise<Job<TrialJob>> {
    return this.queue.add(data.name, data, { jobId: jobIdOf(data), removeOnComplete: KEPT, removeOnFail: KEPT });
  }

  /** The name of the worker that has trained it. */
  private async ended(job: Job, { name }: TrialJob): Promise<string> {
    try {
      return String(await job.waitUntilFinished(this.events));
    } catch (error) {
      throw errorOf(messageOf(error), name);
    }
  }
}
