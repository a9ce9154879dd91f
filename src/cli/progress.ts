/** Progress of long work on standard error: a bar with rate and time left on a terminal, a line now and then with `--progress`, else nothing. */
import { type Options as BarOptions, SingleBar } from 'cli-progress';
import type { OnProgress } from '../base/index.ts';
import type { StepReport } from '../train/index.ts';
import type { Terminal } from './terminal.ts';

export interface Progress {
  /** What is going on, for what follows. */
  title(text: string): void;
  /** A step of training. */
  step(report: StepReport): void;
  /** Any other work that takes long. */
  work: OnProgress;
  stop(): void;
}

const QUIET: Progress = {
  title: () => undefined,
  step: () => undefined,
  work: () => undefined,
  stop: () => undefined,
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

  function stop(): void {
    shown?.bar.stop();
    shown = undefined;
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
    title(text) {
      stop();
      heading = `${text} · `;
      stderr.write(`${text}\n`);
    },
    step(report) {
      const { phase, step, steps } = report;
      const { bar, pace } = show(phase, step - 1, steps);
      pace.add(1, report);
      bar.update(step, { facts: factsOf(report), left: `${pace.throughput}, ${pace.left(steps - step)}` });
      if (step === steps) stop(); // what follows is not this phase's any more
    },
    work(name, done, total) {
      const { bar, pace } = show(name, done, total);
      pace.reach(done);
      bar.update(done, { left: pace.left(total - done) });
      if (done === total) stop();
    },
  };
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
  private examples = 0;
  private steps = 0;
  private done: number;
  private since = performance.now();

  constructor(done: number) {
    this.done = done;
  }

  add(steps: number, { seconds, examples }: Pick<StepReport, 'seconds' | 'examples'>): void {
    this.seconds = SMOOTHING * this.seconds + seconds;
    this.examples = SMOOTHING * this.examples + examples;
    this.steps = SMOOTHING * this.steps + steps;
  }

  /** Adds what has been done since the last time, by the clock. */
  reach(done: number): void {
    const now = performance.now();
    this.add(done - this.done, { seconds: (now - this.since) / 1000, examples: 0 });
    this.done = done;
    this.since = now;
  }

  get throughput(): string {
    return `${Math.round(this.examples / this.seconds)} examples/s`;
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

/** Metrics that are of use to a person who waits. */
const SHOWN = { accuracy: 2, sparsity: 2, target: 2 } as const;

function factsOf({ loss, metrics }: StepReport): string {
  const shown = Object.entries(SHOWN).flatMap(([name, digits]) => {
    const value = metrics[name];
    return value === undefined ? [] : [`${name} ${value.toFixed(digits)}`];
  });
  return [`loss ${loss.toFixed(3)}`, ...shown].join(', ');
}
