/** Progress of long work on standard error: a bar with rate and time left on a terminal, a line now and then with `--progress`, else nothing. */
import { type Options as BarOptions, SingleBar } from 'cli-progress';
import type { OnProgress } from '../base/index.ts';
import type { TrialProgress } from '../queue/index.ts';
import type { StepReport } from '../train/index.ts';
import type { Terminal } from './terminal.ts';

/** What a rate counts. */
type Unit = 'examples' | 'tokens';

export interface Progress {
  /** What is going on, for what follows. */
  title(text: string): void;
  /** A step of training; the rate is that of the unit. */
  step(report: StepReport, unit?: Unit): void;
  /** A step of a trial among others that are trained side by side. */
  trial(report: TrialProgress): void;
  /** No more is to come of a trial. */
  ended(trial: string): void;
  /** Any other work that takes long. */
  work: OnProgress;
  stop(): void;
  /** For good: nothing is shown any more. */
  end(): void;
}

const QUIET: Progress = {
  title: () => undefined,
  step: () => undefined,
  trial: () => undefined,
  ended: () => undefined,
  work: () => undefined,
  stop: () => undefined,
  end: () => undefined,
};
const SMOOTHING = 0.95;
const SECONDS_BETWEEN_LINES = 10;

/** What is on the screen. */
interface Shown {
  readonly name: string;
  readonly bar: SingleBar;
  readonly pace: Pace;
}

/** `isWanted` shows progress even where there is no terminal. */
export function progressOn(stderr: Terminal['stderr'], isWanted: boolean): Progress {
  if (!stderr.isTTY && !isWanted) return QUIET;
  let heading = '';
  let shown: Shown | undefined;
  let isOver = false;
  const trials = new Map<string, TrialProgress>();

  function stop(): void {
    shown?.bar.stop();
    shown = undefined;
  }

  function ended(trial: string): void {
    trials.delete(trial);
    if (trials.size === 0) stop();
  }

  /** The bar of some work, which is new where the last one was of another. */
  function show(name: string, done: number, total: number): Shown {
    if (shown?.name === name) return shown;
    stop();
    const bar = new SingleBar(barOptions(stderr));
    bar.start(total, done, { name: `${heading}${name}`, facts: '', left: '' });
    shown = { name, bar, pace: new Pace(done) };
    return shown;
  }

  return {
    stop,
    end() {
      stop();
      isOver = true;
    },
    title(text) {
      if (isOver) return;
      stop();
      heading = `${text} · `;
      stderr.write(`${text}\n`);
    },
    step(report, unit = 'examples') {
      if (isOver) return;
      const { phase, step, steps, seconds, stepsAhead = 0 } = report;
      const { bar, pace } = show(phase, step - 1, steps);
      pace.add(1, seconds, report[unit]);
      const throughput = `${Math.round(pace.perSecond)} ${unit}/s`;
      const left = [
        pace.left(steps - step),
        ...(stepsAhead > 0 ? [`about ${pace.left(steps - step + stepsAhead)} in all`] : []),
      ];
      bar.update(step, { facts: factsOf(report), left: [throughput, ...left].join(', ') });
      if (step === steps) stop(); // what follows is not this phase's any more
    },
    trial(report) {
      if (isOver) return;
      trials.set(report.trial, report);
      const [name, done, total] = ['trials', sumOf(trials, 'step'), sumOf(trials, 'steps')];
      const { bar } = show(name, done, total);
      bar.setTotal(total);
      bar.update(done, { facts: [...trials.values()].map(trialFacts).join(', '), left: '' });
      if (report.step === report.steps) ended(report.trial);
    },
    ended,
    work(name, done, total) {
      if (isOver) return;
      const { bar, pace } = show(name, done, total);
      pace.reach(done);
      bar.update(done, { left: pace.left(total - done) });
      if (done === total) stop();
    },
  };
}

/** Of all trials that are under way. */
function sumOf(trials: ReadonlyMap<string, TrialProgress>, count: 'step' | 'steps'): number {
  return [...trials.values()].reduce((sum, trial) => sum + trial[count], 0);
}

function trialFacts({ trial, phase, step, steps, worker }: TrialProgress): string {
  const where = worker === undefined ? '' : ` on ${worker}`;
  return `${trial} ${phase} ${step}/${steps}${where}`;
}

function barOptions(stream: Terminal['stderr']): BarOptions {
  return {
    format: '{name} {bar} {value}/{total} {facts} {left}',
    stream,
    barsize: 20,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    fps: 4,
    noTTYOutput: true,
    notTTYSchedule: SECONDS_BETWEEN_LINES * 1000,
  };
}

/** How fast work goes, from means that decay from report to report. */
class Pace {
  private seconds = 0;
  private count = 0;
  private steps = 0;
  private done: number;
  private since = performance.now();

  constructor(done: number) {
    this.done = done;
  }

  /** Steps that took so many seconds, with so many units in them. */
  add(steps: number, seconds: number, count = 0): void {
    this.seconds = SMOOTHING * this.seconds + seconds;
    this.count = SMOOTHING * this.count + count;
    this.steps = SMOOTHING * this.steps + steps;
  }

  /** Adds the steps since the last time, by the clock. */
  reach(done: number): void {
    const now = performance.now();
    this.add(done - this.done, (now - this.since) / 1000);
    this.done = done;
    this.since = now;
  }

  /** Units. */
  get perSecond(): number {
    return this.count / this.seconds;
  }

  /** Until so many more steps are done; nothing where none has been timed. */
  left(steps: number): string {
    return this.steps === 0 ? '' : `${clock(Math.round((steps * this.seconds) / this.steps))} left`;
  }
}

/** 75 -> `1:15`, 3675 -> `1:01:15` */
export function clock(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const [hours, ...rest] = parts as [number, number, number];
  const digits = rest.map((part) => String(part).padStart(2, '0')).join(':');
  return hours > 0 ? `${hours}:${digits}` : digits.replace(/^0/, '');
}

/** Metrics that are of use to a person who waits, what they are called there, and their digits: while pruning, both losses and what is reached. */
const SHOWN = {
  prediction: ['prediction', 3],
  layers: ['layers', 3],
  accuracy: ['accuracy', 2],
  retrievalAccuracy: ['retrieval', 2],
  sparsity: ['sparsity', 3],
  speedup: ['speedup', 2],
} as const;
/** Those that the target is in the measure of. */
const AIMED = new Set(['sparsity', 'speedup']);

function factsOf({ loss, metrics }: StepReport): string {
  const shown = Object.entries(SHOWN).flatMap(([metric, [name, digits]]) => {
    const value = metrics[metric];
    if (value === undefined) return [];
    const aim = AIMED.has(metric) && metrics.target !== undefined ? ` of ${metrics.target.toFixed(digits)}` : '';
    return [`${name} ${value.toFixed(digits)}${aim}`];
  });
  return [`loss ${loss.toFixed(3)}`, ...shown].join(', ');
}
