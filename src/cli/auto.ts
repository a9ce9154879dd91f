/** `prumux auto`: the fastest model within an allowed drop in accuracy, delivered with its report. */
import { join } from 'node:path';
import { explore, gridOf, type Instruments, nameOf, type Question, verdictWith } from '../auto/index.ts';
import { CheckpointError, messageOf, PRECISIONS } from '../base/index.ts';
import { closing } from '../infer/index.ts';
import { checkDestination } from '../model/index.ts';
import { interruptible, refuseOverwriting } from '../train/index.ts';
import { assessTrial, finalFigures, guessDrops, tryShortly } from './candidates.ts';
import { type Context, command, trainingIn } from './command.ts';
import { DATA, dataSourceOf } from './common-options.ts';
import { deliverChoice } from './deliver-choice.ts';
import { parseDuration } from './duration.ts';
import { explorationLines } from './exploration-lines.ts';
import { levelsCommand } from './levels-command.ts';
import { choices, number, numbers, option, optional, parsed, required, text, toggle, type Values } from './option.ts';
import { QUEUE, workplaceOpener } from './queue-options.ts';
import { COMPRESSION, compressSettingsOf, PRUNING, RECOVERY, refuseAlone, refuseIdle } from './recipe-options.ts';
import { oneLine } from './result-lines.ts';
import { measureCandidates, measureShapes } from './speed-measurements.ts';
import { checkPoint, denseTrial, type Laboratory, openLaboratory, trainTrial, trialsOf } from './trials.ts';
import { UsageError } from './usage-error.ts';

const options = {
  ...DATA,
  output: required(
    'model folder to write; trials go into DIR.run, which stays and may be removed; with --queue, into --artefacts',
    text('DIR'),
    'o',
  ),
  maxDrop: option(
    'points of accuracy (of span F1, where tokens are classified) that may be lost',
    number({ least: 0 }, 'POINTS'),
    2,
  ),
  confidence: option(
    'that the drop is no more: its upper bound with this confidence must be within --max-drop',
    number({ least: 0.5, below: 1 }, 'SHARE'),
    0.9,
  ),
  instances: option(
    'inputs per forward pass to try; 1 always belongs to them',
    numbers({ least: 1, isWhole: true }, 'N,N'),
    [1, 2, 4],
  ),
  sparsities: option(
    'sparsities to try; 0 always belongs to them',
    numbers({ least: 0, below: 1 }, 'S,S'),
    [0, 0.6, 0.8],
  ),
  precisions: option('numbers to try; fp32 always belongs to them', choices(PRECISIONS, 'P,P'), PRECISIONS),
  budget: optional('time after which no training begins, as 2h or 90m [none]', parsed('TIME', parseDuration)),
  exhaustive: option('train every point of the grid, whatever it promises', toggle, false),
  shortRuns: option(
    'train unpruned models of several inputs for an eighth of their epochs first, to tell whether all are worth it',
    toggle,
    false,
  ),
  ...QUEUE,
  ...COMPRESSION,
  pruneEpochs: {
    ...COMPRESSION.pruneEpochs,
    description:
      'epochs of learning what to keep, for each point; half of them where pruning goes on from another point',
  },
  sparsityWarmup: {
    ...COMPRESSION.sparsityWarmup,
    description: "share of a point's pruning over which the target rises",
  },
};

function questionOf(values: Values<typeof options>): Question {
  const { maxDrop, confidence, budget = Number.POSITIVE_INFINITY } = values;
  return {
    grid: gridOf(values.instances, values.sparsities),
    precisions: PRECISIONS.filter((precision) => precision === 'fp32' || values.precisions.includes(precision)),
    ...{ maxDrop, confidence, budgetSeconds: budget },
    ...{ isExhaustive: values.exhaustive, hasShortRuns: values.shortRuns },
  };
}

/** Every kind of work with its title; the search knows none of it. */
function instrumentsOf(question: Question, laboratory: Laboratory, { progress, terminal }: Context): Instruments {
  const { precisions, confidence } = question;
  const { notes, rows, queue } = laboratory;
  let current = '';
  return {
    dense: denseTrial(laboratory),
    rows: rows.choosing.length,
    onDecision({ point, gain }, earlier) {
      current = `trial ${earlier + 1}: ${nameOf(point)}`;
      const why = question.isExhaustive ? '' : `, expected to gain ${(100 * Math.expm1(gain)).toFixed(0)} %`;
      progress.title(`${current}${why}`);
    },
    guess(sparsities) {
      progress.title('pruned without training, for a first guess');
      return guessDrops(sparsities, confidence, laboratory);
    },
    tryShortly(point) {
      progress.title(`a short run of ${nameOf(point)}`);
      return tryShortly(point, confidence, laboratory);
    },
    train: (point, from) => trainTrial(point, from, laboratory),
    assess(trial) {
      progress.title(trial.seconds === 0 ? 'the dense model' : `assessing ${trial.name}`);
      return assessTrial(trial, precisions, confidence, laboratory);
    },
    measureShapes(points) {
      progress.title('random models of every shape');
      return measureShapes(points, precisions, laboratory);
    },
    measure(models) {
      progress.title(`${models.length} models side by side`);
      return measureCandidates(models, laboratory);
    },
    onFailure(point, error, endsSearch) {
      if (terminal.interrupt.aborted) return;
      progress.stop();
      for (const trial of trialsOf(point)) progress.ended(trial);
      const what = endsSearch ? 'the search ends when the others have' : 'the search goes on';
      terminal.stderr.write(`prumux: ${nameOf(point)} failed, ${what}: ${oneLine(messageOf(error))}\n`);
    },
    // What is wrong with files and folders is in the way of other trials, too. A queue that is lost is told by what is asked of it next.
    endsSearch: (error) => terminal.interrupt.aborted || error instanceof CheckpointError,
    workers: async () => Math.max(1, await queue.capacity()),
    secondsSpent: () => notes.elapsed(),
  };
}

export default command({
  name: 'auto',
  description: 'Find the fastest model that loses at most so many points of accuracy, and deliver it with a report.',
  example: 'models/dense --data train.tsv --eval dev.tsv --max-drop 2 --budget 2h -o models/fast',
  operands: { name: 'model', description: 'folder or Hub id of the dense classifier' },
  options,
  isResumable: true,
  async run(values, [model], context) {
    const { output } = values;
    if (values.instances.every((instances) => instances === 1)) refuseAlone(values);
    if (values.sparsities.every((sparsity) => sparsity === 0)) {
      refuseIdle([...PRUNING, ...RECOVERY], values, context.given, { expected: 'nothing at sparsity 0' });
    }
    if (values.exhaustive && values.shortRuns) {
      throw new UsageError('--short-runs', { expected: 'nothing, as --exhaustive trains every point', got: 'it' });
    }
    await checkDestination(output);
    await refuseOverwriting(model, output);
    const local = `${output.replace(/[/\\]+$/, '')}.run`;
    const openWorkplace = workplaceOpener(values, local, context);
    const settings = compressSettingsOf(values);
    const laboratory = await openLaboratory(
      model,
      { settings, options: { source: dataSourceOf(values), ...interruptible(trainingIn(context)) } },
      openWorkplace,
    );
    const question = questionOf(values);
    const explored = await closing(laboratory.queue, async () => {
      for (const point of question.grid) checkPoint(point, laboratory);
      return explore(question, instrumentsOf(question, laboratory, context));
    });
    const final = await finalFigures(explored.chosen, question, laboratory);
    const exploration = { ...explored, verdict: verdictWith(explored.verdict, final) };
    const { commandLine } = context;
    const { seconds, rows } = await deliverChoice(output, { exploration, final, commandLine }, laboratory);
    const { trials: measured, ...found } = exploration;
    const serve = await levelsCommand(exploration, output, values.maxTokens);
    return {
      ...found,
      measured,
      ...(final && { final }),
      rows,
      seconds,
      folder: output,
      report: join(output, 'report.html'),
      ...(serve !== undefined && { serve }),
    };
  },
  print: explorationLines,
});
