/**
 * Serving, each part against its claim (issue 6): served throughput at 256 keep-alive clients of single texts beside what the model does in process
 * (claim: 90 %); latency at half that load, open loop (p99 at most max-wait and three forward passes); four times as much as can be (goodput stays, as a
 * share of what is served before and after, 429 within 50 ms); hours of four fifths of it (errors, memory); faults. And a classifier in transformers.js behind fastify, fp32 and q8, under the same clients.
 * All but the soak and the faults are measured in turns, several rounds of them, and medians over rounds of their shares count: the speed of a machine
 * that is shared changes within minutes.
 *
 *   npm run build
 *   npx tsx bench/serving.ts MODEL… --texts FILE [--parts throughput,latency,overload,soak,faults] [--seconds 20] [--soak-seconds 600]
 *                            [--rounds 3] [--baseline DENSE] [--clients 256] [--texts-per-request 1]
 *                            [--max-wait 5] [--seed 1]
 *
 * The load generator is a process of its own on the same machine: its processor time is reported, as it is taken from the server.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { median } from '../src/base/index.ts';
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
    rounds: { type: 'string', default: '3' },
    clients: { type: 'string', default: '256' },
    'texts-per-request': { type: 'string', default: '1' },
    'max-wait': { type: 'string', default: '5' },
    baseline: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const [model] = models;
if (model === undefined) {
  console.log('skipped: no model folder in the first argument');
  process.exit(0);
}
if (!existsSync(model)) {
  console.error(`${model}: expected a model folder (of a precision its own, not DIR:int8), got none`);
  process.exit(1);
}
const perRequest = Number(values['texts-per-request']);
if (perRequest > 1 && values.baseline !== undefined) {
  console.error(
    `--baseline: expected one text per request, which is all that it takes, got --texts-per-request ${perRequest}`,
  );
  process.exit(1);
}
const [seconds, clients, seed] = [Number(values.seconds), Number(values.clients), Number(values.seed)];
const rounds = Number(values.rounds);
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
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
const times = (value: number): string => `${value.toFixed(1)}x`;
const whole = (value: number): string => value.toFixed(0);

/** What the claims are about, by name: a value a round. */
const figures = new Map<string, { readonly said: (value: number) => string; readonly values: number[] }>();
function note(name: string, value: number, said: (value: number) => string): string {
  if (!figures.has(name)) figures.set(name, { said, values: [] });
  figures.get(name)?.values.push(value);
  return said(value);
}
/** How late the generator was, which no latency includes. */
const lateness = ({ late }: LoadReport): string => `requests left late by ${milliseconds(late.p99)} (p99)`;
const accepted = ({ statuses }: LoadReport): number => statuses[200] ?? 0;
const textsPerSecond = (report: LoadReport): number => (perRequest * accepted(report)) / report.seconds;

/** `rate` is of texts. */
const open = (server: ServerUnderTest, rate: number, duration = seconds): Load => ({
  ...{
    url: server.url,
    texts,
    seconds: duration,
    arrivals: { perSecond: rate / perRequest },
    ...common,
  },
});

function troubles({ statuses, lost, refused, dropped }: LoadReport): string {
  const others = Object.entries(statuses).filter(([status]) => status !== '200');
  return [...others, ['lost', lost], ['refused', refused], ['dropped', dropped]]
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

/** Served texts per second, so many a request, and who had the processor meanwhile. */
async function servedRate(server: ServerUnderTest, name: string): Promise<number> {
  const load = await startLoad({
    ...{ url: server.url, texts, seconds, arrivals: { clients }, ...common },
  });
  await sleep(1000 * WARM_UP_SECONDS);
  const before = server.cpuSeconds;
  await sleep(1000 * seconds);
  const serverCores = (server.cpuSeconds - before) / seconds;
  const report = await load.report;
  const cores = `cores: server ${serverCores.toFixed(2)}, clients ${(report.cpuSeconds / report.seconds).toFixed(2)}`;
  const { p50, p99 } = report.accepted;
  const rate = textsPerSecond(report);
  line(
    name,
    `${rate.toFixed(0)} texts/s, p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}; ${cores} ${troubles(report)}`,
  );
  return rate;
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
  const claim = `${note('half load: p99 to its limit', p99 / limitMs, times)} the limit, ${MAX_WAIT_MS} ms + 3 passes of ${milliseconds(forwardMs)}`;
  line(
    'half load',
    `p50 ${milliseconds(p50)}, p99 ${note('half load: p99', p99, milliseconds)}: ${claim}; ${(rows / passes).toFixed(1)} texts per pass; ${lateness(report)} ${troubles(report)}`,
  );
}

/** What can be changes within minutes, so what is answered is compared with the mean of what could be before and after. */
async function measureOverload({ roomy, server }: Contest, before: number): Promise<void> {
  const report = await generateLoad(open(server, 4 * before));
  const rate = textsPerSecond(report);
  const capacity = (before + (await servedRate(roomy, 'served again'))) / 2;
  const goodput = `goodput ${rate.toFixed(0)} texts/s, ${note('4x load: goodput of capacity', rate / capacity, percent)} of capacity`;
  const { rejected, accepted: taken } = report;
  const refusal = note('4x load: 429 p99', rejected.p99, milliseconds);
  const answer = note('4x load: accepted p99', taken.p99, milliseconds);
  line(
    '4x load',
    `${goodput}; 429 p50 ${milliseconds(rejected.p50)}, p99 ${refusal}; accepted p99 ${answer}; ${lateness(report)}; ${troubles(report)}`,
  );
}

/** Open load of four fifths of what can be, on a new server; memory once a minute, from the sixth of the time on that it has to settle in. */
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
  const growthTo = (value = 0): string => percent(value / (settled[0] ?? 1) - 1);
  const memory = readings.map((value) => value.toFixed(0)).join(' ');
  line(
    'soak',
    `${accepted(report)} answers in ${duration} s, p99 ${milliseconds(report.accepted.p99)}; ${troubles(report) || 'no errors'}; memory in MB ${memory}: ` +
      `${growthTo(settled.at(-1))} more since a sixth of the time, ${growthTo(Math.max(...settled))} at its highest`,
  );
}

/** Whether no fault lost an answer or gave a wrong one. Where neighbours change answers, each text, which is a request, has a pass of its own. */
async function measureFaultsOf(folder: string): Promise<boolean> {
  return closing(await openTextClassifier(folder, cpu()), async (classifier) => {
    if (classifier.config.task === 'tokens') {
      line('faults', 'skipped: expected a classifier of texts, got one of tokens');
      return true;
    }
    const expected: Readonly<Record<string, number>>[] = [];
    for (const input of inputs) {
      const [answer] = await answerTexts(classifier, [input], { ensemble: true });
      expected.push(answer !== undefined && 'scores' in answer ? answer.scores : {});
    }
    const flags = instancesOf(classifier.config) > 1 ? ['--isolation', 'request'] : [];
    return measureFaults(folder, flags, { texts, seed, expected });
  });
}

/** The servers of one benchmark: those of the model, with room for all that its clients ask at once and as they come, and the baselines by name, which take a text a request. */
interface Contest {
  readonly roomy: ServerUnderTest;
  readonly server: ServerUnderTest;
  readonly baselines: ReadonlyMap<string, ServerUnderTest>;
}

async function openBaselines(dense: string): Promise<Contest['baselines']> {
  const opened = new Map<string, ServerUnderTest>();
  for (const [dtype, file] of [
    ['fp32', 'model.onnx'],
    ['q8', 'model_quantized.onnx'],
  ] as const) {
    if (existsSync(join(dense, 'onnx', file))) opened.set(`js ${dtype}`, await ServerUnderTest.baseline(dense, dtype));
    else line(dtype, `skipped: no onnx/${file} in ${dense}`);
  }
  return opened;
}

/** Everything once, one after the other. */
async function measureRound(contest: Contest, folder: string): Promise<void> {
  const { roomy, server, baselines } = contest;
  const capacity = await servedRate(roomy, 'served');
  note('served, texts/s', capacity, whole);
  if (isWanted('throughput')) {
    const rate = await inProcessRate(folder);
    line(
      'in process',
      `${rate.toFixed(0)} texts/s; served ${note('served of in process', capacity / rate, percent)} of it`,
    );
  }
  if (isWanted('latency')) await measureLatency(server, capacity);
  if (isWanted('overload')) await measureOverload(contest, capacity);
  for (const [name, baseline] of baselines)
    note(`served to ${name}`, capacity / (await servedRate(baseline, name)), times);
}

function sayMedians(): void {
  for (const [name, { said, values: each }] of figures)
    line('median', `${name}: ${said(median(each))} of ${each.map(said).join(', ')}`);
}

const parts = values.parts.split(',');
const isWanted = (...names: string[]): boolean => names.some((name) => parts.includes(name));

if (isWanted('throughput', 'latency', 'overload', 'soak')) {
  const flags = ['--max-wait', String(MAX_WAIT_MS)];
  const contest: Contest = {
    roomy: await ServerUnderTest.prumux(models, [...flags, ...ROOM]),
    server: await ServerUnderTest.prumux(models, flags),
    baselines: values.baseline === undefined ? new Map() : await openBaselines(values.baseline),
  };
  for (let round = 0; round < rounds; round++) await measureRound(contest, model);
  sayMedians();
  for (const server of [contest.roomy, contest.server, ...contest.baselines.values()]) await server.end();
  if (isWanted('soak')) {
    const server = await ServerUnderTest.prumux(models, flags);
    await soak(server, median(figures.get('served, texts/s')?.values ?? []));
    await server.end();
  }
}
if (isWanted('faults')) process.exitCode = (await measureFaultsOf(model)) ? 0 : 1;
