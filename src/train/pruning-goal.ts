/**
 * What a compression prunes for, on this machine: the budget of its gates, how they are decided for a level, and what is told of the model
 * that is left. Sparsity needs no machine; speed is measured before, and again where gates are decided, as tables of parts cannot tell all.
 */
import { assert, ConfigError, type ParameterTree } from '../base/index.ts';
import { bucketOf, compareThroughput, exportClassifier, measuredRows, throughputDefaults } from '../infer/index.ts';
import type { ModelConfig } from '../model/index.ts';
import {
  type Budget,
  type HardGates,
  hardGatesAt,
  type Measure,
  type SlicedModel,
  type TimeTable,
  timeBudget,
  weightBudget,
  wholeStructure,
} from '../prune/index.ts';
import { fingerprintOf, machineOf } from './deliver.ts';
import type { EncodedSet } from './encoded-set.ts';
import type { Run } from './run-phase.ts';
import { measureTimes } from './sub-layer-times.ts';

/** A model without its tokenizer. */
type Model = SlicedModel;

/** How many times as fast as the dense teacher: asked for, by the table of times, and measured side by side with it. */
export interface Speedup {
  readonly asked: number;
  readonly predicted: number;
  readonly measured: number;
}

export interface GoalFigures {
  readonly speedup?: Speedup;
}

/** Learned gates, and the model that deciding them leaves. */
export interface Undecided {
  readonly logAlpha: ParameterTree;
  readonly slice: (gates: HardGates) => Model;
}

export interface Goal {
  readonly budget: Budget;
  readonly decide: (level: number, undecided: Undecided) => Promise<HardGates>;
  readonly figures: (level: number, model: Model) => Promise<GoalFigures>;
}

/** What a goal is set for. */
export interface GoalContext {
  readonly teacher: Model;
  /** The same rows in the teacher's tokens. */
  readonly teacherSet: EncodedSet;
  /** The model of as many inputs as are wanted, before pruning; its weights do not matter. */
  readonly student: Model;
  /** Rows that speed is measured on. */
  readonly evaluationSet: EncodedSet;
  readonly maxTokens: number;
  readonly run: Run;
}

async function sparsityGoal({ student }: GoalContext): Promise<Goal> {
  const { encoder } = student.config;
  const budget = weightBudget(encoder);
  return {
    budget,
    decide: async (sparsity, { logAlpha }) => hardGatesAt(encoder, logAlpha, budget, sparsity),
    figures: async () => ({}),
  };
}

/** How fast a model is: how many times as fast as the teacher, in passes of how many groups, in how many streams. */
export interface Pace {
  readonly ratio: number;
  readonly groups: number;
  readonly streams: number;
}

/** What is measured on a machine. */
export interface Stopwatch {
  /** A model and the teacher on the same rows, each as it is fastest; a median of rounds. */
  readonly pace: (model: Model, rounds: number) => Promise<Pace>;
  /** The table of times of the student, in such passes. */
  readonly times: (passes: Pace) => Promise<TimeTable>;
}

/** The bucket of the mean length. */
function typicalTokens({ evaluationSet: { lengths }, maxTokens }: GoalContext): number {
  return bucketOf(Math.round(lengths.reduce((sum, length) => sum + length, 0) / lengths.length), maxTokens);
}

function stopwatchFor(context: GoalContext): Stopwatch {
  const { teacher, teacherSet, student, evaluationSet, maxTokens, run } = context;
  const { placement, folder, onProgress } = run;
  const { padId, encodings } = evaluationSet;
  const own = { encodings: measuredRows(teacherSet.encodings), padId: teacherSet.padId, maxTokens };
  const contestant = (name: string, { config, parameters }: Model) => ({
    ...{ name, config },
    onnx: exportClassifier(config, parameters).bytes,
  });
  return {
    async pace(model, rounds) {
      const contestants = [{ ...contestant('teacher', teacher), own }, contestant('model', model)];
      const options = { ...throughputDefaults, rounds, padId, maxTokens, placement, onProgress };
      const [, measured] = await compareThroughput(contestants, measuredRows(encodings), options);
      assert(measured !== undefined, 'a result for each contestant');
      const { ratio, groups, streams } = measured;
      return { ratio, groups, streams };
    },
    times({ groups, streams }) {
      const tokens = typicalTokens(context);
      return measureTimes({ config: student.config, placement, tokens, groups, streams, onProgress }, folder);
    },
  };
}

const CORRECTIONS = 2;
const CLOSE = 0.03;

/** Gates decided for a share of the time, and how fast the model was that they leave. */
interface Trial {
  readonly share: number;
  readonly gates: HardGates;
  readonly measured: number;
}

const missOf = (level: number, { measured }: Trial): number => Math.abs(Math.log(measured / level));

/**
 * Decides for the time that the table says, measures what is left, and decides again for as much less or more as it was off; the trial that
 * came nearest holds.
 */
async function decideMeasured(
  level: number,
  share: number,
  attempt: (share: number) => Promise<Trial>,
): Promise<HardGates> {
  let best = await attempt(share);
  let last = best;
  for (let round = 0; round < CORRECTIONS && missOf(level, best) > CLOSE; round++) {
    last = await attempt(1 - ((1 - last.share) * last.measured) / level);
    if (missOf(level, last) < missOf(level, best)) best = last;
  }
  return best.gates;
}

/** The most that can be saved: what is left is no layer at all, in the smallest hidden size of the table. */
function mostSaved(budget: Budget, { hidden: [least = 1] }: TimeTable, { encoder }: ModelConfig): number {
  const { hidden } = wholeStructure({ ...encoder, hiddenSize: least });
  return budget.saved({ hidden, layers: encoder.layers.map(() => ({ heads: [], intermediate: [] })) });
}

/** Rounds of a measurement on the way, and of the one that is reported. */
const ROUNDS = { decision: 3, report: 7 } as const;

export async function speedupGoal(context: GoalContext, stopwatch = stopwatchFor(context)): Promise<Goal> {
  const { student, run } = context;
  const { encoder } = student.config;
  const machine = fingerprintOf(machineOf(run.placement)).slice(0, 8); // a run that goes on elsewhere measures anew; what it has decided holds
  const unpruned = await run.folder.remembered(`pace-${machine}`, () => stopwatch.pace(student, ROUNDS.decision));
  const table = await stopwatch.times(unpruned);
  const budget = timeBudget(encoder, table, unpruned.ratio);
  const most = mostSaved(budget, table, student.config);

  return {
    budget: {
      ...budget,
      shareAt(level) {
        const share = budget.shareAt(level);
        if (share < most) return share;
        const expected = `below ${budget.levelAt(most).toFixed(1)}, which is a model of ${table.hidden[0]} hidden dimensions and no layers`;
        throw new ConfigError('speedup', {
          expected,
          got: String(level),
          hint: 'More inputs per pass make more of it.',
        });
      },
    },
    decide: (level, { logAlpha, slice }) =>
      run.folder.remembered(`gates-x${level}`, () =>
        decideMeasured(level, budget.shareAt(level), async (share) => {
          const gates = hardGatesAt(encoder, logAlpha, budget, Math.min(share, most));
          return { share, gates, measured: (await stopwatch.pace(slice(gates), ROUNDS.decision)).ratio };
        }),
      ),
    async figures(level, model) {
      const { ratio } = await stopwatch.pace(model, ROUNDS.report);
      const predicted = budget.levelAt(budget.saved(wholeStructure(model.config.encoder)));
      return { speedup: { asked: level, predicted, measured: ratio } };
    },
  };
}

const GOALS: Readonly<Record<Measure, (context: GoalContext) => Promise<Goal>>> = {
  sparsity: sparsityGoal,
  speedup: (context) => speedupGoal(context),
};

export function openGoal(measure: Measure, context: GoalContext): Promise<Goal> {
  return GOALS[measure](context);
}
