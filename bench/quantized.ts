/**
 * int8 against fp32 of the same model: random weights, 128 tokens; the shapes of `mini` and of BERT-base, dense, one text per pass; and BERT-base
 * of ten texts per pass with most of its parts gone, where products are narrow. Processor time of one thread, which a busy machine changes
 * little; rounds take turns, medians count.
 *
 *   npx tsx bench/quantized.ts [--rounds 9] [--only mini,base,pruned]
 */
import { parseArgs } from 'node:util';
import { median, PRECISIONS, type Precision, random } from '../src/base/index.ts';
import { batchFeeds, exportClassifier } from '../src/infer/index.ts';
import { type EncoderConfig, type ModelConfig, presetConfig } from '../src/model/index.ts';
import { initialModel, instancesOf } from '../src/mux/index.ts';
import { cpu, type Feeds, openSession, type Session } from '../src/runtime/index.ts';

const TOKENS = 128;
/** Groups per pass: one alone, and as many as the rates of wide products need. */
const GROUPS = [1, 8];

/** One head and 160 units in every layer: density 0.06. */
function prunedBase(): EncoderConfig {
  const base = presetConfig('base');
  return { ...base, typeVocabularySize: 1, layers: base.layers.map(() => ({ heads: 1, intermediateSize: 160 })) };
}

const labels = ['no', 'yes'];
const dense = (encoder: EncoderConfig): ModelConfig => ({ encoder, labels, featureSize: encoder.hiddenSize });

const SHAPES: Readonly<Record<string, ModelConfig>> = {
  mini: dense(presetConfig('mini')),
  base: dense(presetConfig('base')),
  pruned: {
    ...dense(prunedBase()),
    mux: { instances: 10, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' },
  },
};

function feedsOf(rows: number): Feeds {
  const draws = random(1, 'bench', rows);
  const encodings = Array.from({ length: rows }, () => ({
    ids: Array.from({ length: TOKENS }, () => 1000 + draws.integer(29000)),
    types: new Array<number>(TOKENS).fill(0),
  }));
  const examples = encodings.map((_, at) => at);
  return batchFeeds(encodings, { examples, weights: examples.map(() => 1), tokens: TOKENS }, 0);
}

/** Milliseconds of the processor. */
async function costOf(session: Session, feeds: Feeds): Promise<number> {
  const before = process.cpuUsage();
  await session.run(feeds);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

type Both<T> = Readonly<Record<Precision, T>>;

/** Median cost of a pass in either precision; the first pass warms up. */
async function compare(sessions: Both<Session>, feeds: Feeds, rounds: number): Promise<Both<number>> {
  const costs: Both<number[]> = { fp32: [], int8: [] };
  for (let round = 0; round <= rounds; round++) {
    for (const precision of PRECISIONS) {
      const cost = await costOf(sessions[precision], feeds);
      if (round > 0) costs[precision].push(cost);
    }
  }
  return { fp32: median(costs.fp32), int8: median(costs.int8) };
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, only: { type: 'string', default: 'mini,base,pruned' } },
});
for (const [name, config] of Object.entries(SHAPES)) {
  if (!values.only.split(',').includes(name)) continue;
  const parameters = initialModel(config, 1);
  const bytesOf = (precision: Precision): Uint8Array => exportClassifier(config, parameters, { precision }).bytes;
  const bytes: Both<Uint8Array> = { fp32: bytesOf('fp32'), int8: bytesOf('int8') };
  const sessions = { fp32: await openSession(bytes.fp32, cpu(1)), int8: await openSession(bytes.int8, cpu(1)) };
  const sizes = PRECISIONS.map((precision) => `${(bytes[precision].length / 1e6).toFixed(1)} MB`);
  console.log(`${name}: ${sizes.join(' -> ')}, ${(bytes.int8.length / bytes.fp32.length).toFixed(2)} of the size`);
  for (const groups of GROUPS) {
    const rows = groups * instancesOf(config);
    const { fp32, int8 } = await compare(sessions, feedsOf(rows), Number(values.rounds));
    const each = (cost: number): string => (cost / rows).toFixed(2);
    console.log(`  ${rows} texts: ${each(fp32)} -> ${each(int8)} ms per text, ${(fp32 / int8).toFixed(2)}x`);
  }
  await Promise.all([sessions.fp32.close(), sessions.int8.close()]);
}
