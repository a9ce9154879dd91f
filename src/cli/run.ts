/** The program as a function: arguments and streams in, exit code out. 0 it worked, 1 it failed, 2 it was called wrongly. */
import { messageOf, PrumuxError, VERSION } from '../base/index.ts';
import type { Command } from './command.ts';
import { Interruption, untilAborted } from './interruption.ts';
import { nearest } from './parse-options.ts';
import { oneLine } from './result-lines.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/** Loaded when called, so that a command starts without the others' libraries. */
export const COMMANDS = {
  pretrain: () => import('./pretrain.ts'),
  train: () => import('./train.ts'),
  compress: () => import('./compress.ts'),
  quantize: () => import('./quantize.ts'),
  auto: () => import('./auto.ts'),
  worker: () => import('./worker.ts'),
  eval: () => import('./eval.ts'),
  predict: () => import('./predict.ts'),
  bench: () => import('./bench.ts'),
  calibrate: () => import('./calibrate.ts'),
  serve: () => import('./serve.ts'),
  report: () => import('./report.ts'),
  doctor: () => import('./doctor.ts'),
} satisfies Record<string, () => Promise<{ readonly default: Command }>>;

const isCommand = (name: string): name is keyof typeof COMMANDS => Object.hasOwn(COMMANDS, name);

export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await dispatch(argv, terminal);
  } catch (error) {
    terminal.stderr.write(`prumux: ${describe(error)}\n`);
    if (error instanceof Interruption) return error.exitCode;
    return error instanceof UsageError ? 2 : 1;
  }
}

async function dispatch([name, ...rest]: readonly string[], terminal: Terminal): Promise<number> {
  if (name === 'help' && rest[0] !== undefined) return dispatch([rest[0], '--help'], terminal);
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    terminal.stdout.write(await overview());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    terminal.stdout.write(`${VERSION}\n`);
    return 0;
  }
  const command = await commandOf(name);
  if (isHelpWanted(rest)) terminal.stdout.write(await command.help());
  else await perform(command, rest, terminal);
  return 0;
}

async function commandOf(name: string): Promise<Command> {
  if (isCommand(name)) return (await COMMANDS[name]()).default;
  const expected = `a command, as ${nearest(name, Object.keys(COMMANDS)).join(' or ')}`;
  throw new UsageError(name, { expected, got: 'an unknown one', hint: 'See prumux --help.' });
}

function isHelpWanted(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? argv.length : end).some((word) => word === '--help' || word === '-h');
}

/** A resumable command stops by itself, after saving, an endless one after what it owes; others have nothing to lose. */
async function perform(command: Command, argv: readonly string[], terminal: Terminal): Promise<void> {
  const work = command.execute(argv, terminal);
  if (command.isEndless) {
    await work;
    return;
  }
  if (!command.isResumable) {
    await Promise.race([work, untilAborted(terminal.interrupt)]);
    return;
  }
  try {
    await work;
  } catch (error) {
    if (error instanceof Interruption)
      terminal.stderr.write('prumux: stopped; the same command goes on from what is saved\n');
    throw error;
  }
}

/** Errors of this project speak for themselves; others are defects, or the system's. */
function describe(error: unknown): string {
  if (error instanceof PrumuxError || error instanceof Interruption) return oneLine(error.message);
  const details = process.env.PRUMUX_DEBUG && error instanceof Error ? `\n${error.stack}` : '';
  return `internal error: ${oneLine(messageOf(error))} (PRUMUX_DEBUG=1 shows where)${details}`;
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map(async (load) => (await load()).default));
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, description }) => `  ${name.padEnd(width)}  ${description}`);
  return `Text classifiers that answer many requests for the price of one (v${VERSION}).

USAGE  prumux <command> [OPTIONS]

COMMANDS

${lines.join('\n')}

prumux <command> --help describes a command.
`;
}
