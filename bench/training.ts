/**
 * Training speed: one full step (forward, backward, clipping, AdamW) of 4 layers x 256 with BERT's vocabulary, batch 32 x 64 tokens, dropout on, against
 * the plain rate of the same runtime's matrix product in the same run. Claims (issue 2): >= 70 % of that rate; peak memory <= 1.5 GiB.
 *
 *   npx tsx bench/training.ts [--rounds 9] [--threads 2]
 *
 * The step computes every position of the last layer, as its arithmetic is counted; the step that training really takes leaves out what
 * classification does not read, and is printed beside it. PyTorch's step is printed where `python3` has torch.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { float32, int64, median, random, type Tensor } from '../src/base/index.ts';
import { attach, crossEntropy, input, matmul, type Node, weightedMean } from '../src/graph/index.ts';
import { type ModelConfig, presetConfig, tokenInputs, type Wanted } from '../src/model/index.ts';
import { classifier, initialModel } from '../src/mux/index.ts';
import { compile, cpu } from '../src/runtime/index.ts';
import {
  CLIP_NORM,
  type CompiledStep,
  compileStep,
  Dropout,
  dropoutPool,
  startState,
  weightGroups,
} from '../src/train/index.ts';

const R = 32;
const T = 64;
const WORDS = 900;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
});
const placement = cpu(Number(values.threads));
const encoder = presetConfig('mini');
const config: ModelConfig = { encoder, labels: ['no', 'yes'], featureSize: encoder.hiddenSize };
const parameters = initialModel(config, 1);
const draws = random(1, 'bench');

/** Multiplications and additions of one step: three passes of matrix products, every position of every layer. */
function stepOperations(): number {
  const D = encoder.hiddenSize;
  const perLayer = encoder.layers.map(
    ({ intermediateSize: F }) => 2 * R * T * (4 * D * D + 2 * D * F) + 2 * 2 * R * T * T * D,
  );
  return 3 * perLayer.reduce((sum, operations) => sum + operations, 0);
}

interface BenchStep {
  run(step: number): Promise<number>;
}

async function stepOf(wanted: Wanted): Promise<BenchStep> {
  const dropout = new Dropout();
  const compiled: CompiledStep = await compileStep(
    {
      trained: parameters,
      frozen: new Map(),
      parameterGroups: weightGroups(5e-4, 0.01),
      clipNorm: CLIP_NORM,
      objective: (p) => {
        const [logits] = attach([classifier(tokenInputs(R, T), config, p, wanted)], [dropout.handler]) as [Node];
        const losses = crossEntropy(logits, input('batch.labels', [R], 'int64'));
        return { loss: weightedMean(losses, input('batch.weights', [R])), metrics: {} };
      },
    },
    placement,
  );
  const state = startState(parameters);
  const filled = (value: number): Tensor => int64(new Array<number>(R * T).fill(value), [R, T]);
  const feeds: Record<string, Tensor> = {
    input_ids: int64(
      Array.from({ length: R * T }, () => Math.floor(draws.uniform() ** 2 * WORDS)),
      [R, T],
    ),
    attention_mask: filled(1),
    token_type_ids: filled(0),
    'batch.words': int64(
      Array.from({ length: WORDS }, (_, at) => at * 30),
      [WORDS],
    ),
    'batch.labels': int64(
      Array.from({ length: R }, (_, row) => row % 2),
      [R],
    ),
    'batch.weights': float32(new Float32Array(R).fill(1), [R]),
    'dropout.pool': dropoutPool(0.1, 1, dropout.poolSize),
  };
  return {
    async run(step) {
      const start = performance.now();
      await compiled.run(state, { ...feeds, ...dropout.offsets(1, step) }, 1, step);
      return (performance.now() - start) / 1000;
    },
  };
}

/** Shapes of the step's own products, and a large one: the plain rate is the best of them. */
const PRODUCTS = [
  [2048, 1024, 1024],
  [2048, 256, 1024],
  [2048, 1024, 256],
] as const;

async function productOf([m, k, n]: readonly [number, number, number]): Promise<() => Promise<number>> {
  const session = await compile({ outputs: { y: matmul(input('a', [m, k]), input('b', [k, n])) } }, placement);
  const filled = (shape: readonly [number, number]): Tensor =>
    float32(new Float32Array(shape[0] * shape[1]).fill(0.1), shape);
  const feeds = { a: filled([m, k]), b: filled([k, n]) };
  const into = { y: filled([m, n]) };
  return async () => {
    const start = performance.now();
    await session.run(feeds, into);
    return (2 * m * k * n) / ((performance.now() - start) / 1000);
  };
}

const full = await stepOf('all');
const memoryBytes = async (): Promise<number> => {
  for (let step = 1; step <= 3; step++) await full.run(step);
  return process.resourceUsage().maxRSS * 1024;
};
const peak = await memoryBytes();
const real = await stepOf('first');
const products = await Promise.all(PRODUCTS.map(productOf));
for (let step = 1; step <= 3; step++) await real.run(step);
const seconds: { full: number[]; real: number[]; rates: number[][] } = {
  full: [],
  real: [],
  rates: PRODUCTS.map(() => []),
};
for (let round = 1; round <= Number(values.rounds); round++) {
  for (let step = 0; step < 3; step++) seconds.full.push(await full.run(3 * round + step));
  for (const [at, product] of products.entries()) {
    for (let repeat = 0; repeat < 6; repeat++) seconds.rates[at]?.push(await product());
  }
  for (let step = 0; step < 3; step++) seconds.real.push(await real.run(3 * round + step));
}
const plain = Math.max(...seconds.rates.map(median));
const rate = stepOperations() / median(seconds.full);
const giga = (value: number): string => (value / 1e9).toFixed(1);
PRODUCTS.forEach((shape, at) => {
  console.log(`plain MatMul ${shape.join(' x ').padEnd(18)} ${giga(median(seconds.rates[at] ?? []))} GFLOP/s`);
});
console.log(
  `step, all positions            ${giga(rate)} GFLOP/s  ${(R / median(seconds.full)).toFixed(1)} examples/s`,
);
console.log(`ratio to the plain rate        ${(rate / plain).toFixed(3)}`);
console.log(`step as training takes it      ${(R / median(seconds.real)).toFixed(1)} examples/s`);
console.log(`peak resident memory           ${(peak / 2 ** 30).toFixed(2)} GiB`);
const script = fileURLToPath(new URL('training-torch.py', import.meta.url));
const torch = spawnSync(process.env.PYTHON ?? 'python3', [script, String(placement.threads)], { encoding: 'utf8' });
console.log(torch.status === 0 ? torch.stdout.trim() : 'PyTorch: skipped, python3 has no torch (PYTHON names another)');
