/**
 * What people would build today: a classifier in transformers.js behind fastify, with a queue that batches. Built to be hard to beat: inference and
 * tokenizing in a thread of their own, so that HTTP never waits for them; batches of up to 64 texts of similar length that leave when full, or when the
 * oldest has waited 5 ms; all cores in one session; answers written by a compiled schema.
 *
 *   npx tsx bench/serving-baseline.ts MODEL fp32|q8      listens on a free port, and says on which
 */
import { availableParallelism } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { AutoModelForSequenceClassification, AutoTokenizer, env, softmax } from '@huggingface/transformers';
import fastify from 'fastify';

const MOST_ROWS = 64;
const MAX_WAIT_MS = 5;

/** What the thread is told, and what it says: texts of one batch; scores by text. */
interface BatchRequest {
  readonly id: number;
  readonly texts: readonly string[];
}
interface BatchReply {
  readonly id: number;
  readonly scores: readonly (readonly LabelScore[])[];
}
interface LabelScore {
  readonly label: string;
  readonly score: number;
}
interface ModelFile {
  readonly model: string;
  readonly dtype: 'fp32' | 'q8';
}

/** The thread of inference. */
async function infer({ model, dtype }: ModelFile): Promise<void> {
  env.allowRemoteModels = false;
  env.localModelPath = dirname(resolve(model));
  const name = basename(resolve(model));
  const tokenizer = await AutoTokenizer.from_pretrained(name);
  const classifier = await AutoModelForSequenceClassification.from_pretrained(name, {
    dtype,
    device: 'cpu',
    session_options: { intraOpNumThreads: availableParallelism(), interOpNumThreads: 1 },
  });
  const labels = Object.values((classifier.config as unknown as { id2label: Record<string, string> }).id2label);
  const answer = async ({ id, texts }: BatchRequest): Promise<BatchReply> => {
    const { logits } = await classifier(tokenizer([...texts], { padding: true, truncation: true }));
    const rows = logits.tolist() as number[][];
    return { id, scores: rows.map((row) => sortedScores(softmax(row), labels)) };
  };
  await answer({
    id: -1,
    texts: Array.from({ length: MOST_ROWS }, () => 'the quick brown fox jumps over the lazy dog'),
  });
  parentPort?.on('message', async (request: BatchRequest) => parentPort?.postMessage(await answer(request)));
  parentPort?.postMessage('ready');
}

function sortedScores(row: readonly number[], labels: readonly string[]): LabelScore[] {
  return row.map((score, at) => ({ label: labels[at] as string, score })).sort((a, b) => b.score - a.score);
}

interface WaitingText {
  readonly text: string;
  readonly arrivedMs: number;
  readonly resolve: (scores: readonly LabelScore[]) => void;
}

/** Texts that wait for a batch. One batch is in the thread and the next one is ready for it, so that it never waits. */
class BatchingQueue {
  private readonly worker: Worker;
  private waiting: WaitingText[] = [];
  private readonly running = new Map<number, readonly WaitingText[]>();
  private batches = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(worker: Worker) {
    this.worker = worker;
    worker.on('message', ({ id, scores }: BatchReply) => {
      this.running.get(id)?.forEach(({ resolve: answer }, at) => {
        answer(scores[at] ?? []);
      });
      this.running.delete(id);
      this.send();
    });
  }

  ask(text: string): Promise<readonly LabelScore[]> {
    return new Promise((answer) => {
      this.waiting.push({ text, arrivedMs: performance.now(), resolve: answer });
      this.send();
    });
  }

  private send(): void {
    if (this.running.size > 1 || this.waiting.length === 0) return;
    const left = MAX_WAIT_MS - (performance.now() - (this.waiting[0] as WaitingText).arrivedMs);
    if (this.waiting.length < MOST_ROWS && left > 0) {
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        this.send();
      }, Math.ceil(left));
      return;
    }
    const id = this.batches++;
    const batch = this.takeBatch();
    this.running.set(id, batch);
    this.worker.postMessage({ id, texts: batch.map(({ text }) => text) } satisfies BatchRequest);
  }

  /** The oldest text, and those of all that wait whose lengths are next to its own. */
  private takeBatch(): readonly WaitingText[] {
    const [oldest] = this.waiting as [WaitingText];
    const distance = ({ text }: WaitingText): number => Math.abs(text.length - oldest.text.length);
    const batch = this.waiting.toSorted((a, b) => distance(a) - distance(b)).slice(0, MOST_ROWS);
    const taken = new Set(batch);
    this.waiting = this.waiting.filter((each) => !taken.has(each));
    return batch;
  }
}

const LABEL_SCORES = {
  type: 'array',
  items: { type: 'object', properties: { label: { type: 'string' }, score: { type: 'number' } } },
};
const PREDICT = {
  body: { type: 'object', required: ['inputs'], properties: { inputs: { type: 'string' } } },
  response: { 200: LABEL_SCORES },
};

async function serve(file: ModelFile): Promise<void> {
  const entry = fileURLToPath(import.meta.url);
  const boot = `import('tsx/esm/api').then((tsx) => { tsx.register(); return import(${JSON.stringify(entry)}); })`;
  const worker = new Worker(boot, { eval: true, workerData: file });
  await new Promise((ready) => worker.once('message', ready));
  const queue = new BatchingQueue(worker);
  const app = fastify({ logger: false, keepAliveTimeout: 75_000 });
  app.post<{ Body: { inputs: string } }>('/predict', { schema: PREDICT }, ({ body }) => queue.ask(body.inputs));
  process.once('SIGTERM', () => process.exit());
  process.stderr.write(`listening on ${await app.listen({ host: '127.0.0.1', port: 0 })}\n`);
}

if (isMainThread) {
  const [model = '', dtype] = process.argv.slice(2);
  await serve({ model, dtype: dtype === 'q8' ? 'q8' : 'fp32' });
} else await infer(workerData as ModelFile);
