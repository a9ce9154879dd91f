/**
 * The training loop. A phase is a value that says what is trained, on what and for how long; `fit` runs one and yields a report per
 * step. Progress bars, checkpoints and learning curves are consumers of the reports and live elsewhere.
 */
import { BackendError, type FloatTensor, seedFor, type Tensor } from '../base/index.ts';
import { input, type Node, type SiteHandler } from '../graph/index.ts';
import { type Parameters, type TokenInputs, tokenInputs } from '../model/index.ts';
import type { Placement } from '../runtime/index.ts';
import type { ParameterGroup } from './adamw.ts';
import type { Batch, Batches } from './batch-source.ts';
import { Dropout, dropoutPool } from './dropout.ts';
import { type CompiledStep, compileStep, type Objective, type TrainState } from './step.ts';

/**
 * The nodes of one training batch of R rows and T tokens. An objective that learns from something else makes its own inputs, which the
 * phase's batches feed by name; inputs that it does not use are no part of the step.
 */
export interface BatchNodes {
  readonly inputs: TokenInputs;
  /** int64 [R]; one per token, [R, T], where tokens are classified */
  readonly labels: Node;
  /** 1 for labels that count, 0 for those of fillers and of tokens that have none: of the shape of the labels */
  readonly weights: Node;
  /** Logits of the teacher, for phases that have one: [R, C] or [R, T, C] */
  readonly teacherLogits: (classes: number) => Node;
}

/** A stretch of training with one objective. */
export interface Phase {
  readonly name: string;
  readonly batches: Batches;
  /** Share of the steps over which the rate climbs to its full height; it then falls linearly to 0. */
  readonly warmup: number;
  readonly dropout: number;
  readonly parameterGroups: readonly ParameterGroup[];
  readonly clipNorm: number;
  /** Parameters that are read but not trained. */
  readonly frozen: ReadonlyMap<string, FloatTensor>;
  /** `dropout` is to be attached to what trains, after everything else. */
  readonly objective: (batch: BatchNodes, parameters: Parameters, dropout: SiteHandler) => Objective;
  /** More inputs of the graph that change with the step. */
  readonly feeds?: (step: number, steps: number) => Readonly<Record<string, Tensor>>;
  /** Called after every step with the state that it left, for constraints on parameters. */
  readonly constrain?: (state: TrainState) => void;
}

export interface FitOptions {
  readonly seed: number;
  readonly placement: Placement;
  /** Steps that are done already; the state must be the one they left. */
  readonly done?: number;
}

/** One step, seen from outside. */
export interface StepReport {
  readonly phase: string;
  /** From 1. */
  readonly step: number;
  readonly steps: number;
  /** Steps of later phases of the same run, where these are known. */
  readonly stepsAhead?: number;
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Rows that counted. */
  readonly examples: number;
  readonly tokens: number;
  readonly seconds: number;
}

/** Linear warm-up to 1, then linear decay to 0. */
export function schedule(step: number, steps: number, warmup: number): number {
  const rising = Math.round(warmup * steps);
  return step <= rising ? step / rising : Math.max(0, (steps - step + 1) / (steps - rising));
}

/** A step compiled for one shape, with its dropout. */
interface ShapedStep {
  readonly compiled: CompiledStep;
  readonly dropout: Dropout;
}

async function compileFor(phase: Phase, shape: Batch, state: TrainState, placement: Placement): Promise<ShapedStep> {
  const { rows: R, tokens: T, feeds } = shape;
  const labelled = feeds['batch.labels']?.shape ?? [R];
  const dropout = new Dropout();
  const batch: BatchNodes = {
    inputs: tokenInputs(R, T),
    labels: input('batch.labels', labelled, 'int64'),
    weights: input('batch.weights', labelled),
    teacherLogits: (classes) => input('batch.teacherLogits', [...labelled, classes]),
  };
  const handler: SiteHandler = phase.dropout > 0 ? dropout.handler : () => undefined;
  const compiled = await compileStep(
    {
      trained: state.parameters,
      frozen: phase.frozen,
      parameterGroups: phase.parameterGroups,
      clipNorm: phase.clipNorm,
      objective: (parameters) => phase.objective(batch, parameters, handler),
    },
    placement,
  );
  return { compiled, dropout };
}

/** How many steps a phase takes. */
export function countSteps({ batches }: Pick<Phase, 'batches'>): number {
  return batches(0).steps;
}

/** A loss or gradients that are no numbers have spoilt the weights: better to stop here, with the last checkpoint still good. */
function requireFinite(reported: Readonly<Record<string, number>>, phase: Phase, step: number): void {
  const { name, parameterGroups } = phase;
  const { loss = Number.NaN, gradientNorm = 0 } = reported; // without clipping there is no norm
  const [expected, got] = Number.isFinite(loss)
    ? ['a finite norm of the gradients', gradientNorm]
    : ['a finite loss', loss];
  if (Number.isFinite(got)) return;
  const rates = parameterGroups.map((group) => `${group.name} ${group.learningRate}`).join(', ');
  throw new BackendError(`phase ${name}, step ${step}`, {
    expected,
    got: String(got),
    hint: `Lower the learning rate (${rates}): that is another run, which starts afresh; remove the folder of checkpoints first.`,
  });
}

/** Runs a phase from `done` to its end, overwriting the state step by step. */
export async function* fit(phase: Phase, state: TrainState, options: FitOptions): AsyncGenerator<StepReport> {
  const { placement, done = 0 } = options;
  const seed = seedFor(options.seed, phase.name);
  const source = phase.batches(seed);
  const { steps } = source;
  const shapes = new Map<string, ShapedStep>();
  let pool = dropoutPool(phase.dropout, seed, 0);
  try {
    for (let step = done + 1; step <= steps; step++) {
      const start = performance.now();
      const batch = await source.batch(step);
      const shape = `${batch.rows}x${batch.tokens}`;
      const shaped = shapes.get(shape) ?? (await compileFor(phase, batch, state, placement));
      shapes.set(shape, shaped);
      if (shaped.dropout.poolSize > pool.data.length) pool = dropoutPool(phase.dropout, seed, shaped.dropout.poolSize);
      const feeds = {
        ...batch.feeds,
        ...shaped.dropout.offsets(seed, step),
        'dropout.pool': pool,
        ...phase.feeds?.(step, steps),
      };
      const reported = await shaped.compiled.run(state, feeds, schedule(step, steps, phase.warmup), step);
      requireFinite(reported, phase, step);
      const { loss = Number.NaN, ...metrics } = reported;
      phase.constrain?.(state);
      yield {
        phase: phase.name,
        step,
        steps,
        loss,
        metrics,
        examples: batch.examples,
        tokens: batch.rows * batch.tokens,
        seconds: (performance.now() - start) / 1000,
      };
    }
  } finally {
    for (const { compiled } of shapes.values()) await compiled.close();
  }
}
