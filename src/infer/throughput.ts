/**
 * Throughput of classifiers side by side: the same rows through each, rounds interleaved so that a busy moment of the machine hits all,
 * medians over rounds. Each classifier runs at the batch size and in the number of streams that suit it best, so nobody is crippled.
 */
import { assert, median, type OnProgress } from '../base/index.ts';
import type { Encoding, ModelConfig } from '../model/index.ts';
import { instancesOf, longestRow } from '../mux/index.ts';
import type { Feeds, Placement } from '../runtime/index.ts';
import { planBatches, withoutFillerGroups } from './batches.ts';
import { batchFeeds, type Predictor } from './predictor.ts';
import { openStreams, streamChoices } from './streams.ts';

export interface Contestant {
  readonly name: string;
  readonly config: ModelConfig;
  /** The path or the bytes of its ONNX file. */
  readonly onnx: string | Uint8Array;
  /** The rows in its own tokens, where its tokenizer is not everybody's. */
  readonly own?: { readonly encodings: readonly Encoding[]; readonly padId: number; readonly maxTokens: number };
}

export interface Throughput {
  readonly name: string;
  readonly examplesPerSecond: number;
  /** To the first contestant. */
  readonly ratio: number;
  /** Groups per forward pass that ran fastest. */
  readonly groups: number;
  /** Sessions side by side that ran fastest. */
  readonly streams: number;
  /** Examples per second of each round. */
  readonly rounds: readonly number[];
}

export interface ThroughputOptions {
  readonly padId: number;
  readonly maxTokens: number;
  readonly rounds: number;
  /** Batch sizes to try, in rows; rounded up to whole groups. */
  readonly rows: readonly number[];
  readonly placement: Placement;
  readonly onProgress?: OnProgress | undefined;
}

export const throughputDefaults = { rounds: 7, rows: [1, 8, 32, 64, 128] } as const;

/** Rows that throughput is measured on: as many as tell the distribution of lengths. */
const MEASURED_ROWS = 512;

/** So many of all rows, at even distances. */
export function measuredRows<T>(rows: readonly T[]): T[] {
  const count = Math.min(MEASURED_ROWS, rows.length);
  return Array.from({ length: count }, (_, at) => rows[Math.floor((at * rows.length) / count)] as T);
}

/** The batches of one contestant, ready to run. */
interface Lane {
  readonly contestant: Contestant;
  readonly predictor: Predictor;
  readonly batches: readonly Feeds[];
  readonly groups: number;
  /** How often the rows go through in one round. */
  readonly repeats: number;
}

/** Other models' tokens, as many as a model has room for. */
function cutTo(encoding: Encoding, maxTokens: number): Encoding {
  const { ids, types } = encoding;
  return ids.length <= maxTokens ? encoding : { ids: ids.slice(0, maxTokens), types: types.slice(0, maxTokens) };
}

function laneOf(
  contestant: Contestant,
  predictor: Predictor,
  shared: readonly Encoding[],
  groups: number,
  options: ThroughputOptions,
): Lane {
  const own = contestant.own ?? { encodings: shared, padId: options.padId, maxTokens: options.maxTokens };
  const maxTokens = Math.min(own.maxTokens, longestRow(contestant.config));
  const encodings = own.encodings.map((encoding) => cutTo(encoding, maxTokens));
  const lengths = encodings.map(({ ids }) => ids.length);
  const instances = instancesOf(contestant.config);
  const order = encodings.map((_, at) => at);
  const plans = planBatches(order, lengths, { rows: groups * instances, maxTokens }).map((plan) =>
    withoutFillerGroups(plan, instances),
  );
  const batches = plans.map((plan) => batchFeeds(encodings, plan, own.padId));
  return { contestant, predictor, groups, batches, repeats: predictor.streams };
}

/** Seconds for all batches to run once: the mean over repeats, as many runs in flight as there are streams. */
export async function secondsOfRuns(predictor: Predictor, batches: readonly Feeds[], repeats: number): Promise<number> {
  const start = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < repeats * batches.length) await predictor.run(batches[next++ % batches.length] as Feeds);
  };
  await Promise.all(Array.from({ length: predictor.streams }, work));
  return (performance.now() - start) / 1000 / repeats;
}

/** How many repeats take at least so long, where one takes `secondsOnce`: a multiple of the streams. */
export function repeatsLasting(least: number, secondsOnce: number, { streams }: Predictor): number {
  return streams * Math.ceil(least / secondsOnce / streams);
}

const secondsOf = ({ predictor, batches, repeats }: Lane): Promise<number> =>
  secondsOfRuns(predictor, batches, repeats);

/** A round shorter than this would measure the clock and the scheduler. */
const SHORTEST_ROUND_SECONDS = 0.25;
/** And a trial, by which the lane is chosen. */
const SHORTEST_TRIAL_SECONDS = 0.1;

/** Batch sizes to try, in groups. */
function groupChoices({ config }: Contestant, rows: readonly number[]): readonly number[] {
  return [...new Set(rows.map((count) => Math.ceil(count / instancesOf(config))))];
}

/** Counts lanes as they are tried. */
function laneCounter(
  contestants: readonly Contestant[],
  { placement, rows, onProgress }: ThroughputOptions,
): () => void {
  const sizes = contestants.flatMap((contestant) => groupChoices(contestant, rows));
  const total = streamChoices(placement).length * sizes.length;
  let tried = 0;
  return () => onProgress?.('choosing batch sizes', ++tried, total);
}

/** The batch size and the streams with which a contestant is fastest; the first run of each warms up. */
async function bestLane(
  contestant: Contestant,
  encodings: readonly Encoding[],
  options: ThroughputOptions,
  onTried: () => void,
): Promise<Lane> {
  const { config, onnx } = contestant;
  let best: { lane: Lane; seconds: number } | undefined;
  for (const streams of streamChoices(options.placement)) {
    let predictor: Predictor | undefined;
    try {
      predictor = await openStreams(onnx, config, options.placement, streams);
      for (const groups of groupChoices(contestant, options.rows)) {
        const lane = laneOf(contestant, predictor, encodings, groups, options);
        const seconds = await secondsOf(lasting(lane, await secondsOf(lane), SHORTEST_TRIAL_SECONDS));
        onTried();
        if (best !== undefined && best.seconds <= seconds) continue;
        if (best?.lane.predictor !== predictor) await best?.lane.predictor.close();
        best = { lane, seconds };
      }
    } catch (cause) {
      for (const open of new Set([predictor, best?.lane.predictor])) await open?.close();
      throw cause;
    }
    if (best?.lane.predictor !== predictor) await predictor.close();
  }
  assert(best !== undefined, 'a batch size to try');
  return lasting(best.lane, best.seconds, SHORTEST_ROUND_SECONDS);
}

/** The lane with as many repeats as take at least so long. */
function lasting(lane: Lane, secondsOnce: number, least: number): Lane {
  return { ...lane, repeats: repeatsLasting(least, secondsOnce, lane.predictor) };
}

/** Measures all contestants on the same rows; the first one is the baseline of the ratios. */
export async function compareThroughput(
  contestants: readonly Contestant[],
  encodings: readonly Encoding[],
  options: ThroughputOptions,
): Promise<Throughput[]> {
  const lanes: Lane[] = [];
  const rates = contestants.map((): number[] => []);
  const { rounds, onProgress } = options;
  const onTried = laneCounter(contestants, options);
  try {
    for (const contestant of contestants) lanes.push(await bestLane(contestant, encodings, options, onTried));
    for (let round = 0; round < rounds; round++) {
      for (const [at, lane] of lanes.entries()) rates[at]?.push(encodings.length / (await secondsOf(lane)));
      onProgress?.('measuring', round + 1, rounds);
    }
  } finally {
    for (const { predictor } of lanes) await predictor.close();
  }
  const medians = rates.map(median);
  return lanes.map(({ contestant, groups, predictor }, at) => ({
    name: contestant.name,
    groups,
    streams: predictor.streams,
    examplesPerSecond: medians[at] as number,
    ratio: (medians[at] as number) / (medians[0] as number),
    rounds: rates[at] as number[],
  }));
}
