/**
 * Throughput at BERT-base shapes: random weights, 128 tokens, every density and number of instances against the dense model of one input. Claim
 * (issue 2): (N 5, density 0.10) >= 42x, (10, 0.05) >= 140x, fp32.
 *
 *   npx tsx bench/prumux.ts [--rounds 7] [--only "1,1 5,0.1 10,0.05"] [--demultiplexer rsa]
 *
 * For multiplexed models it also prints the share of a forward pass that is no encoder layer: embedding the N inputs, mixing them, embedding the
 * mixture, demultiplexing. Claim (issue 3): at most 20 % at (10, 0.05).
 *
 * The baseline is the dense graph as exporters make it: every position of the last layer is computed. Our own export leaves out what
 * classification does not read; it is measured beside it. How near the baseline is to the machine's plain matrix rate says how much any
 * further fusion could give it.
 */
import { parseArgs } from 'node:util';
import { float32, int64, median, type ParameterTree, random } from '../src/base/index.ts';
import { input, matmul } from '../src/graph/index.ts';
import { batchFeeds, type Contestant, compareThroughput, exportClassifier } from '../src/infer/index.ts';
import {
  attentionBias,
  type EncoderConfig,
  type Encoding,
  encode,
  type LayerShape,
  type ModelConfig,
  parameterInputs,
  parameterShapes,
  parametersFrom,
  presetConfig,
  type Wanted,
} from '../src/model/index.ts';
import { initialModel } from '../src/mux/index.ts';
import { compile, cpu, type EmitOptions, type Feeds, openSession, type Session } from '../src/runtime/index.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    only: { type: 'string' },
    demultiplexer: { type: 'string', default: 'rsa' },
  },
});
const { demultiplexer } = values;

const TOKENS = 128;
const TEXTS = 40;
/** Layers of twelve that still have a sub-layer at each density: as CoFi's models, whose high sparsities drop whole layers. */
const ALIVE: Readonly<Record<string, number>> = { '1': 12, '0.4': 12, '0.2': 12, '0.1': 6, '0.05': 5 };

/** Spreads a total over layers as evenly as multiples of `unit` allow. */
function spread(total: number, layers: number, unit = 1): number[] {
  const upTo = (at: number): number => unit * Math.round((at * total) / (layers * unit));
  return Array.from({ length: layers }, (_, at) => upTo(at + 1) - upTo(at));
}

function encoderOf(density: number): EncoderConfig {
  const base = presetConfig('base');
  const alive = ALIVE[String(density)] ?? 12;
  const [full] = base.layers as readonly [LayerShape];
  const heads = spread(Math.round(density * base.layers.length * full.heads), alive);
  const units = spread(Math.round(density * base.layers.length * full.intermediateSize), alive, 16);
  const layers = base.layers.map((_, at) => ({ heads: heads[at] ?? 0, intermediateSize: units[at] ?? 0 }));
  return { ...base, layers };
}

const muxOf = (instances: number) => ({ instances, multiplexer: 'gaussian-hadamard', demultiplexer });

function contestantOf(instances: number, density: number, wanted: Wanted = 'first'): Contestant {
  // A student of single texts has no second segment: compress leaves out what no row of the data has.
  const isStudent = instances > 1 || density < 1;
  const encoder = { ...encoderOf(density), ...(isStudent && { typeVocabularySize: 1 }) };
  const mux = instances > 1 && { mux: muxOf(instances) };
  const config: ModelConfig = { encoder, labels: ['no', 'yes'], featureSize: 768, ...mux };
  const { bytes } = exportClassifier(config, initialModel(config, 1), { wanted });
  const name = `N=${instances} density ${density}${wanted === 'all' ? ', all positions' : ''}`;
  return { name, config, onnx: bytes };
}

/** The layers of a multiplexed model as a model of their own: what the first layer reads to the states that are told apart. */
function layersOf({ encoder }: ModelConfig, parameters: ParameterTree): EmitOptions {
  const embedded = input('embedded', ['B', 'T', encoder.hiddenSize]);
  const mask = input('attention_mask', ['B', 'T'], 'int64');
  const p = parametersFrom(parameterInputs(parameterShapes(encoder)));
  return { outputs: { states: encode(embedded, attentionBias(mask), encoder, p, 1) }, weights: parameters };
}

const BLOCKS = 10;
const PASSES = 20;

/**
 * Share of a forward pass of one thread that is no layer: what a pass takes more than its layers alone. The two take turns by blocks of passes, as a
 * server runs one model again and again: where they took turns by passes, each would find the other's weights in the cache.
 */
async function shareOfEnds({ config, onnx }: Contestant, groups: number): Promise<number> {
  const { instances = 1 } = config.mux ?? {};
  const { hiddenSize } = config.encoder;
  const whole = await openSession(onnx, cpu(1));
  const layers = await compile(layersOf(config, initialModel(config, 1)), cpu(1));
  const rows = groups * instances;
  const batches = Array.from({ length: TEXTS / rows }, (_, batch) => {
    const examples = Array.from({ length: rows }, (_, row) => batch * rows + row);
    return batchFeeds(texts, { examples, weights: [], tokens: TOKENS }, 0);
  });
  const mixture = {
    embedded: float32(new Float32Array(groups * TOKENS * hiddenSize).fill(0.1), [groups, TOKENS, hiddenSize]),
    attention_mask: int64(new Array<number>(groups * TOKENS).fill(1), [groups, TOKENS]),
  };
  const timed = async (session: Session, feeds: Feeds): Promise<number> => {
    const start = performance.now();
    await session.run(feeds);
    return performance.now() - start;
  };
  const times = { whole: [] as number[], layers: [] as number[] };
  for (let block = 0; block < BLOCKS; block++) {
    for (let pass = 0; pass < PASSES; pass++) {
      times.whole.push(await timed(whole, batches[pass % batches.length] as Feeds));
    }
    for (let pass = 0; pass < PASSES; pass++) times.layers.push(await timed(layers, mixture));
  }
  await whole.close();
  await layers.close();
  return 1 - median(times.layers) / median(times.whole);
}

/** Multiplications and additions of the dense model per text. */
function denseOperations(): number {
  const { hiddenSize: D, layers } = presetConfig('base');
  const T = TOKENS;
  return layers.reduce((sum, { intermediateSize: F }) => sum + 2 * T * (4 * D * D + 2 * D * F) + 4 * T * T * D, 0);
}

/** Operations per second of one large product: the most that the machine gives. */
async function plainRate(): Promise<number> {
  const [m, k, n] = [2048, 1024, 1024];
  const session = await compile({ outputs: { y: matmul(input('a', [m, k]), input('b', [k, n])) } }, cpu());
  const feeds = {
    a: float32(new Float32Array(m * k).fill(0.1), [m, k]),
    b: float32(new Float32Array(k * n).fill(0.1), [k, n]),
  };
  const into = { y: float32(new Float32Array(m * n), [m, n]) };
  const rates: number[] = [];
  for (let repeat = 0; repeat < 30; repeat++) {
    const start = performance.now();
    await session.run(feeds, into);
    rates.push((2 * m * k * n) / ((performance.now() - start) / 1000));
  }
  await session.close();
  return median(rates);
}

const draws = random(1, 'bench');
const texts: Encoding[] = Array.from({ length: TEXTS }, () => ({
  ids: Array.from({ length: TOKENS }, () => 1000 + draws.integer(29000)),
  types: new Array<number>(TOKENS).fill(0),
}));
const wanted = values.only?.split(' ');
const points = [1, 0.4, 0.2, 0.1, 0.05]
  .flatMap((density) => [1, 2, 5, 10].map((instances) => ({ density, instances })))
  .filter(({ density, instances }) => wanted === undefined || wanted.includes(`${instances},${density}`));
const before = await plainRate();
const contestants = [contestantOf(1, 1, 'all'), ...points.map((at) => contestantOf(at.instances, at.density))];
const results = await compareThroughput(contestants, texts, {
  padId: 0,
  maxTokens: TOKENS,
  rounds: Number(values.rounds),
  rows: [10, 20, 40],
  placement: cpu(),
});
const plain = median([before, await plainRate()]);
for (const { name, examplesPerSecond, ratio, groups, streams } of results) {
  console.log(
    `${name.padEnd(30)} ${examplesPerSecond.toFixed(1).padStart(9)} texts/s ${ratio.toFixed(1).padStart(7)}x  groups ${groups}, streams ${streams}`,
  );
}
for (const contestant of contestants) {
  if (contestant.config.mux === undefined) continue;
  const groups = results.find(({ name }) => name === contestant.name)?.groups ?? 1;
  const share = await shareOfEnds(contestant, groups);
  console.log(`${contestant.name}: ${(100 * share).toFixed(1)} % of a pass is embedding, mixing and demultiplexing`);
}
const dense = ((results[0]?.examplesPerSecond ?? 0) * denseOperations()) / 1e9;
console.log(`baseline ${dense.toFixed(0)} GFLOP/s, plain matrix product ${(plain / 1e9).toFixed(0)} GFLOP/s`);
