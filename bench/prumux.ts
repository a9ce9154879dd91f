/**
 * Throughput at BERT-base shapes: random weights, 128 tokens, every density and number of instances against the dense model of one input, which has
 * every fusion of the runtime. Claim (issue 2): (N 5, density 0.10) >= 42x, (10, 0.05) >= 140x, fp32.
 *
 *   npx tsx bench/prumux.ts [--rounds 7]
 */
import { parseArgs } from 'node:util';
import { random } from '../src/base/index.ts';
import { type Contestant, compareThroughput, openPredictor } from '../src/infer/index.ts';
import {
  type EncoderConfig,
  type Encoding,
  type LayerShape,
  type ModelConfig,
  presetConfig,
} from '../src/model/index.ts';
import { initialModel } from '../src/mux/index.ts';
import { cpu } from '../src/runtime/index.ts';

const TOKENS = 128;
const TEXTS = 80;
/** Layers of twelve that still have a sub-layer at each density: as CoFi's models, whose high sparsities drop whole layers. */
const ALIVE: Readonly<Record<string, number>> = { '1': 12, '0.4': 12, '0.1': 6, '0.05': 5 };

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

async function contestantOf(instances: number, density: number): Promise<Contestant> {
  const encoder = encoderOf(density);
  const mux = { instances, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' };
  const config: ModelConfig = { encoder, labels: ['no', 'yes'], featureSize: 768, ...(instances > 1 && { mux }) };
  const predictor = await openPredictor(config, initialModel(config, 1), cpu());
  return { name: `N=${instances} density ${density}`, predictor };
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, only: { type: 'string' } } });
const draws = random(1, 'bench');
const texts: Encoding[] = Array.from({ length: TEXTS }, () => ({
  ids: Array.from({ length: TOKENS }, () => 1000 + draws.integer(29000)),
  types: new Array<number>(TOKENS).fill(0),
}));
const points = [1, 0.4, 0.1, 0.05].flatMap((density) => [1, 2, 5, 10].map((instances) => ({ density, instances })));
const chosen =
  values.only === undefined
    ? points
    : points.filter(({ density, instances }) => values.only?.split(' ').includes(`${instances},${density}`));
const contestants: Contestant[] = [];
for (const { instances, density } of chosen) contestants.push(await contestantOf(instances, density));
const results = await compareThroughput(contestants, texts, {
  padId: 0,
  maxTokens: TOKENS,
  rounds: Number(values.rounds),
  rows: [8, 20, 40, 80],
});
for (const { name, examplesPerSecond, ratio, groups } of results) {
  console.log(
    `${name.padEnd(20)} ${examplesPerSecond.toFixed(1).padStart(9)} texts/s ${ratio.toFixed(1).padStart(7)}x  groups ${groups}`,
  );
}
