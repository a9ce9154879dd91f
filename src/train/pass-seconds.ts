/**
 * Seconds of a pass through classifiers that were never trained: exported, opened and run as those that are delivered, side by side, in rounds
 * that take turns, medians over rounds.
 */
import { type FloatTensor, float32, int64, type OnProgress, type ParameterTree, sizeOf } from '../base/index.ts';
import { exportClassifier, median, openStreams, type Predictor, predictorOf } from '../infer/index.ts';
import type { LayerShape, ModelConfig, Wanted } from '../model/index.ts';
import { instancesOf, modelShapes } from '../mux/index.ts';
import { type Feeds, openSession, type Placement } from '../runtime/index.ts';

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
const SHORTEST_SAMPLE_SECONDS = 0.005;
/** Rows of the word table that are drawn from: what a pass reads of a real one does not depend on its size. */
const MOST_WORDS = 4096;

/** A classifier that is measured. */
export interface Probe {
  readonly config: ModelConfig;
  readonly wanted: Wanted;
}

/** The classifier of a setting with another hidden size and other layers, all of them after the mixture. */
export function probe(
  { config }: PassSetting,
  hiddenSize: number,
  layers: readonly LayerShape[],
  wanted: Wanted,
): Probe {
  const vocabularySize = Math.min(config.encoder.vocabularySize, MOST_WORDS);
  const encoder = { ...config.encoder, vocabularySize, hiddenSize, layers };
  const { mux, ...rest } = config;
  return { config: { ...rest, encoder, ...(mux !== undefined && { mux: { ...mux, prefillLayers: 0 } }) }, wanted };
}

/** Small numbers without any meaning: time does not depend on them. */
function anyParameters(config: ModelConfig): ParameterTree {
  return new Map(
    Array.from(modelShapes(config), ([name, shape]): [string, FloatTensor] => {
      const data = Float32Array.from({ length: sizeOf(shape) }, (_, at) => 0.01 * ((at % 17) - 8));
      return [name, float32(data, shape)];
    }),
  );
}

function feedsFor({ config }: Probe, { groups, tokens }: PassSetting): Feeds {
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

async function openProbe({ config, wanted }: Probe, { placement, streams }: PassSetting): Promise<Predictor> {
  const { bytes } = exportClassifier(config, anyParameters(config), wanted);
  if (streams === 1) return predictorOf(await openSession(bytes, placement), config);
  return openStreams(bytes, config, placement, streams);
}

/** Seconds of so many passes, one after the other in each stream, per pass. */
async function sample(predictor: Predictor, feeds: Feeds, passes: number): Promise<number> {
  const start = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    while (next++ < passes) await predictor.run(feeds);
  };
  await Promise.all(Array.from({ length: predictor.streams }, work));
  return (performance.now() - start) / 1000 / passes;
}

/** Median seconds of a pass through each, in rounds that take turns; the first pass warms up, the second says how many a sample takes. */
export async function passSeconds(probes: readonly Probe[], setting: PassSetting): Promise<number[]> {
  const opened: { predictor: Predictor; feeds: Feeds; passes: number; samples: number[] }[] = [];
  try {
    for (const one of probes) {
      const [predictor, feeds] = [await openProbe(one, setting), feedsFor(one, setting)];
      await sample(predictor, feeds, predictor.streams);
      const seconds = await sample(predictor, feeds, predictor.streams);
      const passes = predictor.streams * Math.ceil(SHORTEST_SAMPLE_SECONDS / seconds / predictor.streams);
      opened.push({ predictor, feeds, passes, samples: [] });
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const { predictor, feeds, passes, samples } of opened) samples.push(await sample(predictor, feeds, passes));
      setting.onProgress?.('measuring', round + 1, ROUNDS);
    }
  } finally {
    for (const { predictor } of opened) await predictor.close();
  }
  return opened.map(({ samples }) => median(samples));
}
