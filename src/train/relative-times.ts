/**
 * Times of a pass through classifiers that were never trained: exported, opened and run as those that are delivered, side by side, in rounds
 * that take turns. All are told as parts of the time of one of them in the same round, as a machine that also does something else is slower
 * in one minute than in the next.
 */
import {
  type FloatTensor,
  float32,
  int64,
  median,
  type OnProgress,
  type ParameterTree,
  sizeOf,
} from '../base/index.ts';
import { exportClassifier, openStreams, type Predictor, repeatsLasting, secondsOfRuns } from '../infer/index.ts';
import type { EncoderConfig, LayerShape, ModelConfig, Wanted } from '../model/index.ts';
import { instancesOf, modelShapes } from '../mux/index.ts';
import type { Feeds, Placement } from '../runtime/index.ts';

/** How passes are run: as the comparison of throughputs found to be fastest. */
export interface PassSetting {
  readonly config: ModelConfig;
  readonly tokens: number;
  /** Groups per pass. */
  readonly groups: number;
  readonly streams: number;
  readonly placement: Placement;
  readonly onProgress?: OnProgress | undefined;
}

const ROUNDS = 7;
/** A sample shorter than this would measure the clock. */
const SHORTEST_SAMPLE_SECONDS = 0.01;
const MOST_WORDS = 4096;

/** A classifier that is measured. */
export interface Probe {
  readonly config: ModelConfig;
  readonly wanted: Wanted;
  readonly groups: number;
}

/** With few words: what a pass reads of a table of words does not depend on its size. */
function withFewWords(encoder: EncoderConfig): EncoderConfig {
  return { ...encoder, vocabularySize: Math.min(encoder.vocabularySize, MOST_WORDS) };
}

/** The classifier of a setting as it is. */
export function wholeProbe({ config, groups }: PassSetting): Probe {
  return { config: { ...config, encoder: withFewWords(config.encoder) }, wanted: 'first', groups };
}

/** The classifier of a setting with another hidden size and other layers, all of them after the mixture. */
export function probe(
  { config, groups }: PassSetting,
  hiddenSize: number,
  layers: readonly LayerShape[],
  wanted: Wanted,
): Probe {
  const { mux, ...rest } = config;
  const encoder = { ...withFewWords(config.encoder), hiddenSize, layers };
  return {
    config: { ...rest, encoder, ...(mux !== undefined && { mux: { ...mux, prefillLayers: 0 } }) },
    ...{ wanted, groups },
  };
}

/** Small numbers without any meaning: time does not depend on them. */
export function anyParameters(config: ModelConfig): ParameterTree {
  return new Map(
    Array.from(modelShapes(config), ([name, shape]): [string, FloatTensor] => {
      const data = Float32Array.from({ length: sizeOf(shape) }, (_, at) => 0.01 * ((at % 17) - 8));
      return [name, float32(data, shape)];
    }),
  );
}

function feedsFor({ config, groups }: Probe, { tokens }: PassSetting): Feeds {
  const shape = [groups * instancesOf(config), tokens];
  const cells = (value: (at: number) => number) =>
    int64(
      Array.from({ length: sizeOf(shape) }, (_, at) => value(at)),
      shape,
    );
  return {
    input_ids: cells((at) => (at * 7919) % config.encoder.vocabularySize),
    attention_mask: cells(() => 1),
    token_type_ids: cells(() => 0),
  };
}

function openProbe({ config, wanted }: Probe, { placement, streams }: PassSetting): Promise<Predictor> {
  return openStreams(exportClassifier(config, anyParameters(config), { wanted }).bytes, config, placement, streams);
}

/** A probe that is open, and how many passes a sample takes. */
interface Opened {
  readonly predictor: Predictor;
  readonly feeds: Feeds;
  readonly passes: number;
}

/** The first pass warms up, the second says how many a sample takes. */
async function open(one: Probe, setting: PassSetting): Promise<Opened> {
  const [predictor, feeds] = [await openProbe(one, setting), feedsFor(one, setting)];
  await secondsOfRuns(predictor, [feeds], predictor.streams);
  const seconds = await secondsOfRuns(predictor, [feeds], predictor.streams);
  return { predictor, feeds, passes: repeatsLasting(SHORTEST_SAMPLE_SECONDS, seconds, predictor) };
}

/** The time of a pass through each, as part of that through the reference: the median of rounds, in each of which all have a turn. */
export async function relativeTimes(
  probes: readonly Probe[],
  reference: Probe,
  setting: PassSetting,
): Promise<number[]> {
  const opened: Opened[] = [];
  const ratios = probes.map((): number[] => []);
  try {
    for (const one of [reference, ...probes]) opened.push(await open(one, setting));
    for (let round = 0; round < ROUNDS; round++) {
      const seconds: number[] = [];
      for (const { predictor, feeds, passes } of opened) seconds.push(await secondsOfRuns(predictor, [feeds], passes));
      const [whole = 1, ...others] = seconds;
      for (const [at, time] of others.entries()) ratios[at]?.push(time / whole);
      setting.onProgress?.('measuring', round + 1, ROUNDS);
    }
  } finally {
    for (const { predictor } of opened) await predictor.close();
  }
  return ratios.map(median);
}
