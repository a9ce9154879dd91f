/**
 * The cost of a pruning step: gates, distillation from logits and layers, and the Lagrangian, beside a plain fine-tuning step of the same student and the
 * forward pass of its unpruned self that teaches the layers (the dense teacher's logits are computed once, before). Claim (issue 4): at most 1.5 times
 * the plain step plus the forward.
 *
 *   npx tsx bench/pruning-step.ts [--rounds 9] [--instances 1,4]
 */
import { parseArgs } from 'node:util';
import { float32, median, random } from '../src/base/index.ts';
import { batchFeeds, exportClassifier, openStreams, secondsOfRuns } from '../src/infer/index.ts';
import { type ModelConfig, presetConfig } from '../src/model/index.ts';
import { initialModel } from '../src/mux/index.ts';
import { weightBudget } from '../src/prune/index.ts';
import { cpu } from '../src/runtime/index.ts';
import {
  CLIP_NORM,
  compressDefaults,
  type EncodedSet,
  fit,
  labelledBatches,
  labelObjective,
  type Phase,
  recipeFor,
  type StepReport,
  startState,
  weightGroups,
} from '../src/train/index.ts';
import { asUnpruned, initialGates, prunePhase } from '../src/train/prune-phase.ts';

const GROUPS = 32;
const T = 64;

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, instances: { type: 'string', default: '1,4' } },
});
const rounds = Number(values.rounds);
const placement = cpu();

function configOf(instances: number): ModelConfig {
  const encoder = presetConfig('mini');
  const shared = { encoder, labels: ['no', 'yes'], featureSize: encoder.hiddenSize };
  const mux = { instances, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa', prefillLayers: 0 } as const;
  return instances === 1 ? shared : { ...shared, mux };
}

/** Rows of T random words, as many as the steps of the measurement take. */
function randomSet(rows: number): EncodedSet {
  const draws = random(1, 'bench');
  const ids = (): number[] => Array.from({ length: T }, () => 1000 + draws.integer(900));
  const every = <X>(value: X): X[] => new Array<X>(rows).fill(value);
  return {
    task: 'sequence',
    encodings: Array.from({ length: rows }, () => ({ ids: ids(), types: new Array<number>(T).fill(0) })),
    lengths: every(T),
    labels: Array.from({ length: rows }, (_, row) => [row % 2]),
    positions: every([0]),
    padId: 0,
  };
}

interface Lane {
  readonly name: string;
  readonly seconds: () => Promise<number>;
}

function stepLane(name: string, phase: Phase, trained: Parameters<typeof startState>[0]): Lane {
  const steps = fit(phase, startState(trained), { seed: 1, placement });
  return { name, seconds: async () => ((await steps.next()).value as StepReport).seconds };
}

/** The unpruned student's forward, every position of every layer, as the layers' loss reads it. */
async function forwardLane(config: ModelConfig, set: EncodedSet, rows: number): Promise<Lane> {
  const { bytes } = exportClassifier(config, initialModel(config, 1), { wanted: 'all' });
  const predictor = await openStreams(bytes, config, placement, 1);
  const plan = { examples: [...new Array(rows).keys()], weights: new Array<1>(rows).fill(1), tokens: T };
  const feeds = batchFeeds(set.encodings, plan, set.padId);
  return { name: 'forward of the unpruned student', seconds: () => secondsOfRuns(predictor, [feeds], 1) };
}

const STEP_OPTIONS = { warmup: 0.1, dropout: 0.1, clipNorm: CLIP_NORM, parameterGroups: weightGroups(3e-4, 0.01) };

async function measure(instances: number): Promise<void> {
  const config = configOf(instances);
  const { encoder } = config;
  const parameters = initialModel(config, 1);
  const rows = GROUPS * instances;
  const set = randomSet(rows * (rounds + 1));
  const teacherLogits = set.labels.map(([label]) => float32(label === 0 ? [1, -1] : [-1, 1], [2]));
  const batches = labelledBatches(set, { epochs: 1, rows, maxTokens: T, teacherLogits });
  const plain: Phase = {
    ...STEP_OPTIONS,
    ...{ name: 'plain', batches, frozen: new Map(), objective: labelObjective(config) },
  };
  const recipe = recipeFor(config, { ...compressDefaults, instances });
  const pruning = { config, recipe, budget: weightBudget(encoder), shares: { from: 0, to: 0.8 }, seed: 1 };
  const base = { ...STEP_OPTIONS, name: 'prune', batches, frozen: asUnpruned(parameters), feeds: () => ({}) };
  const trained = new Map([...parameters, ...initialGates(config, recipe, 1)]);
  const lanes = [
    stepLane('plain fine-tuning step', plain, parameters),
    stepLane('pruning step', prunePhase(base, pruning), trained),
    await forwardLane(config, set, rows),
  ];
  const seconds = lanes.map((): number[] => []);
  // The first round compiles.
  for (let round = 0; round <= rounds; round++) {
    for (const [at, lane] of lanes.entries()) {
      const taken = await lane.seconds();
      if (round > 0) seconds[at]?.push(taken);
    }
  }
  const [step, prune, forward] = seconds.map(median) as [number, number, number];
  for (const [at, { name }] of lanes.entries()) {
    console.log(`N=${instances}  ${name.padEnd(34)} ${(1000 * median(seconds[at] as number[])).toFixed(1)} ms`);
  }
  console.log(
    `N=${instances}  pruning step less that forward, to the plain step: ${((prune - forward) / step).toFixed(2)} (bar 1.5)`,
  );
}

for (const instances of values.instances.split(',').map(Number)) await measure(instances);
