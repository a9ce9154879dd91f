/** Progress of long work on standard error: a bar with rate and time left on a terminal, a line now and then with `--progress`, else nothing. */
import { type Options as BarOptions, SingleBar } from 'cli-progress';
import type { StepReport } from '../train/index.ts';
import type { Terminal } from './terminal.ts';

export interface Progress {
  /** What is going on, for the steps that follow. */
  title(text: string): void;
  step(report: StepReport): void;
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
    step(report) {
      if (report.phase !== phase) {
        stop();
        phase = report.phase;
        rate = new Rate();
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

/** Examples per second and the time left, from a decaying mean over steps. */
class Rate {
  private seconds = 0;
  private examples = 0;
  private steps = 0;

  add({ seconds, examples }: StepReport): void {
    this.seconds = SMOOTHING * this.seconds + seconds;
    this.examples = SMOOTHING * this.examples + examples;
    this.steps = SMOOTHING * this.steps + 1;
  }

  left({ step, steps }: StepReport): string {
    const left = Math.round(((steps - step) * this.seconds) / this.steps);
    return `${Math.round(this.examples / this.seconds)} examples/s, ${clock(left)} left`;
  }
}

/** 75 -> `1:15`, 3675 -> `1:01:15` */
export function clock(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const [hours, ...rest] = parts as [number, number, number];
  const digits = rest.map((part) => String(part).padStart(2, '0')).join(':');
  return hours > 0 ? `${hours}:${digits}` : digits.replace(/^0/, '');
}

/** Metrics that are of use to a person who waits, with their digits: while pruning, both losses, and what is reached of the target. */
const SHOWN = { prediction: 3, layers: 3, accuracy: 2, sparsity: 3, speedup: 2 } as const;
/** Those that the target is in the measure of. */
const AIMED = new Set(['sparsity', 'speedup']);

function factsOf({ loss, metrics }: StepReport): string {
  const shown = Object.entries(SHOWN).flatMap(([name, digits]) => {
    const value = metrics[name];
    if (value === undefined) return [];
    const aim = AIMED.has(name) && metrics.target !== undefined ? ` of ${metrics.target.toFixed(digits)}` : '';
    return [`${name} ${value.toFixed(digits)}${aim}`];
  });
  return [`loss ${loss.toFixed(3)}`, ...shown].join(', ');
}
