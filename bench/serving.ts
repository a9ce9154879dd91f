/**
 * Serving, each part against its claim (issue 6): served throughput at 256 keep-alive clients of single texts beside what the model does in process
 * (claim: 90 %); latency at half that load, open loop (p99 at most max-wait and three forward passes); four times as much as can be (goodput stays, 429
 * within 50 ms); hours of four fifths of it (errors, memory); faults. And a classifier in transformers.js behind fastify, fp32 and q8, under the same clients.
 *
 *   npm run build
 *   npx tsx bench/serving.ts MODEL… --texts FILE [--parts throughput,latency,overload,soak,faults] [--seconds 20] [--soak-seconds 600]
 *                            [--baseline DENSE] [--clients 256] [--texts-per-request 1] [--max-wait 5]
 *                            [--seed 1]
 *
 * The load generator is a process of its own on the same machine: its processor time is reported, as it is taken from the server.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  answerTexts,
  closing,
  compareThroughput,
  openTextClassifier,
  readTextClassifier,
  type TextInput,
  throughputDefaults,
} from '../src/infer/index.ts';
import { instancesOf } from '../src/mux/index.ts';
import { cpu } from '../src/runtime/index.ts';
import { openTexts } from '../src/train/index.ts';
import { generateLoad, type Load, type LoadReport, startLoad } from './load-generator.ts';
import { medianBetween, metricIn, ServerUnderTest } from './server-under-test.ts';
import { measureFaults } from './serving-faults.ts';

const { values, positionals: models } = parseArgs({
  allowPositionals: true,
  options: {
    texts: { type: 'string', default: 'builtin' },
    parts: { type: 'string', default: 'throughput,latency,overload' },
    seconds: { type: 'string', default: '20' },
    'soak-seconds': { type: 'string', default: '600' },
    clients: { type: 'string', default: '256' },
    'texts-per-request': { type: 'string', default: '1' },
    'max-wait': { type: 'string', default: '5' },
    baseline: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const [model] = models;
if (model === undefined || !existsSync(model)) {
  console.log('skipped: no model folder in the first argument');
  process.exit(0);
}
const perRequest = Number(values['texts-per-request']);
const [seconds, clients, seed] = [Number(values.seconds), Number(values.clients), Number(values.seed)];
/** For the closed load: all that clients ask about at once has room and time, as they would ask again at once if they were refused. */
const ROOM = ['--queue', String(2 * clients * perRequest), '--max-queue-wait', '60000'];
const MAX_WAIT_MS = Number(values['max-wait']);
const WARM_UP_SECONDS = 5;
const common = { seed, warmUpSeconds: WARM_UP_SECONDS, ...(perRequest > 1 && { textsPerRequest: perRequest }) };
const SOAK_SHARE = 0.8;

const inputs: readonly TextInput[] = (await openTexts(values.texts)).map(({ text }) => ({ text }));
const texts = inputs.map(({ text }) => text);
const line = (what: string, said: string): void => console.log(`${what.padEnd(12)} ${said}`);
const milliseconds = (value: number): string => `${value.toFixed(1)} ms`;
const share = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;
/** How late the generator was, which no latency includes. */
const lateness = ({ late }: LoadReport): string => `requests left late by ${milliseconds(late.p99)} (p99)`;
const accepted = ({ statuses }: LoadReport): number => statuses[200] ?? 0;
/** Texts. */
const perSecond = (report: LoadReport): number => (perRequest * accepted(report)) / report.seconds;

const closed = (server: ServerUnderTest, count: number, duration: number): Load => ({
  ...{ url: server.url, texts, seconds: duration, arrivals: { clients: count }, ...common },
});
/** `rate` is of texts. */
const open = (server: ServerUnderTest, rate: number, duration = seconds): Load => ({
  ...{ url: server.url, texts, seconds: duration, arrivals: { perSecond: rate / perRequest }, ...common },
});

function troubles({ statuses, lost, refused }: LoadReport): string {
  const others = Object.entries(statuses).filter(([status]) => status !== '200');
  return [...others, ['lost', lost], ['refused', refused]]
    .filter(([, count]) => Number(count) > 0)
    .map(([what, count]) => `${what}: ${count}`)
    .join(', ');
}

/** Texts per second of a model in process, at the batch size and in the streams that suit it. */
async function inProcessRate(folder: string): Promise<number> {
  const { config, onnx, encode, tokenizer, maxTokens } = await readTextClassifier(folder);
  const [result] = await compareThroughput([{ name: folder, config, onnx }], inputs.map(encode), {
    ...throughputDefaults,
    ...{ rounds: 3, placement: cpu(), padId: tokenizer.padId, maxTokens },
  });
  return result?.examplesPerSecond ?? 0;
}

/** Served texts per second, and who had the processor meanwhile. */
async function servedRate(server: ServerUnderTest, name: string): Promise<number> {
  const load = await startLoad(closed(server, clients, seconds));
  await sleep(1000 * WARM_UP_SECONDS);
  const before = server.cpuSeconds;
  const report = await load.report;
  const serverCores = (server.cpuSeconds - before) / report.seconds;
  const cores = `cores: server ${serverCores.toFixed(2)}, clients ${(report.cpuSeconds / report.seconds).toFixed(2)}`;
  const { p50, p99 } = report.accepted;
  line(
    name,
    `${perSecond(report).toFixed(0)} texts/s, p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}; ${cores} ${troubles(report)}`,
  );
  return perSecond(report);
}

async function measureLatency(server: ServerUnderTest, capacity: number): Promise<void> {
  const before = await server.metrics();
  const report = await generateLoad(open(server, capacity / 2));
  const after = await server.metrics();
  const forwardMs = 1000 * medianBetween(before, after, 'prumux_compute_seconds');
  const limitMs = MAX_WAIT_MS + 3 * forwardMs;
  const rows = metricIn(after, 'prumux_rows_total') - metricIn(before, 'prumux_rows_total');
  const passes = metricIn(after, 'prumux_passes_total') - metricIn(before, 'prumux_passes_total');
  const { p50, p99 } = report.accepted;
  const claim = `limit ${milliseconds(limitMs)} = ${MAX_WAIT_MS} ms + 3 passes of ${milliseconds(forwardMs)}`;
  line(
    'half load',
    `p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}; ${claim}; ${(rows / passes).toFixed(1)} texts per pass; ${lateness(report)} ${troubles(report)}`,
  );
}

async function measureOverload(server: ServerUnderTest, capacity: number): Promise<void> {
  const report = await generateLoad(open(server, 4 * capacity));
  const goodput = `goodput ${perSecond(report).toFixed(0)} texts/s, ${share(perSecond(report), capacity)} of capacity`;
  const { rejected, accepted: taken } = report;
  line(
    '4x load',
    `${goodput}; 429 p50 ${milliseconds(rejected.p50)}, p99 ${milliseconds(rejected.p99)}; accepted p99 ${milliseconds(taken.p99)}; ${lateness(report)}; ${troubles(report)}`,
  );
}

/** Open load of four fifths of what can be; memory once a minute, from the sixth of the time on that a server has to settle in. */
async function soak(server: ServerUnderTest, capacity: number): Promise<void> {
  const duration = Number(values['soak-seconds']);
  const load = await startLoad(open(server, SOAK_SHARE * capacity, duration));
  const count = Math.max(6, Math.round(duration / 60));
  const readings: number[] = [];
  for (let reading = 0; reading < count; reading++) {
    await sleep((1000 * duration) / count - 10);
    readings.push(server.residentBytes / 1e6);
  }
  const report = await load.report;
  const settled = readings.slice(Math.floor(count / 6) - 1);
  const growth = (settled.at(-1) ?? 0) / (settled[0] ?? 1) - 1;
  const memory = readings.map((value) => value.toFixed(0)).join(' ');
  line(
    'soak',
    `${accepted(report)} answers in ${duration} s, p99 ${milliseconds(report.accepted.p99)}; ${troubles(report) || 'no errors'}; memory in MB ${memory}: ` +
      `${(100 * growth).toFixed(1)} % more since a sixth of the time`,
  );
}

/** Scores by label of every text, where neighbours cannot change them. */
async function expectedScores(folder: string): Promise<Load['expected']> {
  return closing(await openTextClassifier(folder, cpu()), async (classifier) => {
    if (instancesOf(classifier.config) > 1) {
      line('faults', 'answers are not compared: the model takes several texts per pass, and neighbours change answers');
      return undefined;
    }
    return (await answerTexts(classifier, inputs)).map((answer) => ('scores' in answer ? answer.scores : {}));
  });
}

async function measureBaselines(dense: string): Promise<void> {
  for (const [dtype, file] of [
    ['fp32', 'model.onnx'],
    ['q8', 'model_quantized.onnx'],
  ] as const) {
    if (!existsSync(join(dense, 'onnx', file))) {
      line(dtype, `skipped: no onnx/${file} in ${dense}`);
      continue;
    }
    const server = await ServerUnderTest.baseline(dense, dtype);
    await servedRate(server, `js ${dtype}`);
    await server.end();
  }
}

const parts = values.parts.split(',');
const isWanted = (...names: string[]): boolean => names.some((name) => parts.includes(name));

if (isWanted('throughput', 'latency', 'overload', 'soak')) {
  const flags = ['--max-wait', String(MAX_WAIT_MS)];
  const roomy = await ServerUnderTest.prumux(models, [...flags, ...ROOM]);
  const capacity = await servedRate(roomy, 'served');
  await roomy.end();
  if (isWanted('latency', 'overload', 'soak')) {
    const server = await ServerUnderTest.prumux(models, flags);
    if (isWanted('latency')) await measureLatency(server, capacity);
    if (isWanted('overload')) await measureOverload(server, capacity);
    if (isWanted('soak')) await soak(server, capacity);
    await server.end();
  }
  if (isWanted('throughput')) {
    const rate = await inProcessRate(model);
    line('in process', `${rate.toFixed(0)} texts/s; served ${share(capacity, rate)} of it`);
  }
}
if (values.baseline !== undefined) await measureBaselines(values.baseline);
if (isWanted('faults')) {
  const expected = await expectedScores(model);
  const isClean = await measureFaults([model], { texts, seed, ...(expected && { expected }) });
  process.exitCode = isClean ? 0 : 1;
}
