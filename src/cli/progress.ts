/** Progress of long work on standard error: a bar with rate and time left on a terminal, a line now and then with `--progress`, else nothing. */
import { type Options as BarOptions, SingleBar } from 'cli-progress';
import type { StepReport } from '../train/index.ts';
import type { Terminal } from './terminal.ts';

/** What a rate counts. */
type Unit = 'examples' | 'tokens';

export interface Progress {
  /** What is going on, for the steps that follow. */
  title(text: string): void;
  /** The rate is that of the unit. */
  step(report: StepReport, unit?: Unit): void;
  stop(): void;
}

const QUIET: Progress = { title: () => undefined, step: () => undefined, stop: () => undefined };
const SMOOTHING = 0.95;
const SECONDS_BETWEEN_LINES = 10;

/** `isWanted` shows progress even where there is no terminal. */
export function progressOn(stderr: Terminal['stderr'], isWanted: boolean): Progress {
  if (!stderr.isTTY && !isWanted) return QUIET;
  let bar: SingleBar | undefined;
  let phase = '';
  let heading = '';
  let rate: Rate | undefined;

  function stop(): void {
    bar?.stop();
    bar = undefined;
    phase = '';
  }

  return {
    stop,
    title(text) {
      stop();
      heading = `${text} · `;
      stderr.write(`${text}\n`);
    },
    step(report, unit = 'examples') {
      if (report.phase !== phase) {
        stop();
        phase = report.phase;
        rate = new Rate(unit);
        bar = new SingleBar(barOptions(stderr));
        bar.start(report.steps, report.step - 1, { name: `${heading}${phase}`, facts: '', left: '' });
      }
      rate?.add(report);
      bar?.update(report.step, { facts: factsOf(report), left: rate?.left(report) ?? '' });
      if (report.step === report.steps) stop(); // what follows is not this phase's any more
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

/** Examples, or tokens, per second and the time left, from a decaying mean over steps. */
class Rate {
  private readonly unit: Unit;
  private seconds = 0;
  private count = 0;
  private steps = 0;

  constructor(unit: Unit) {
    this.unit = unit;
  }

  add(report: StepReport): void {
    this.seconds = SMOOTHING * this.seconds + report.seconds;
    this.count = SMOOTHING * this.count + report[this.unit];
    this.steps = SMOOTHING * this.steps + 1;
  }

  left({ step, steps }: StepReport): string {
    const left = Math.round(((steps - step) * this.seconds) / this.steps);
    return `${Math.round(this.count / this.seconds)} ${this.unit}/s, ${clock(left)} left`;
  }
}

/** 75 -> `1:15`, 3675 -> `1:01:15` */
export function clock(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const [hours, ...rest] = parts as [number, number, number];
  const digits = rest.map((part) => String(part).padStart(2, '0')).join(':');
  return hours > 0 ? `${hours}:${digits}` : digits.replace(/^0/, '');
}

/** Metrics that are of use to a person who waits, and what they are called there. */
const SHOWN = { accuracy: 'accuracy', retrievalAccuracy: 'retrieval', sparsity: 'sparsity', target: 'target' } as const;

function factsOf({ loss, metrics }: StepReport): string {
  const shown = Object.entries(SHOWN).flatMap(([metric, name]) => {
    const value = metrics[metric];
    return value === undefined ? [] : [`${name} ${value.toFixed(2)}`];
  });
  return [`loss ${loss.toFixed(3)}`, ...shown].join(', ');
}
