/** A command is a declaration and one call: options, an example, what it does, and how its result reads. */
import { stripVTControlCharacters } from 'node:util';
import { type ArgsDef, renderUsage } from 'citty';
import { VERSION } from '../base/index.ts';
import type { Placement } from '../runtime/index.ts';
import { commonOf, commonWithout, placementOf, type Unheeded } from './common-options.ts';
import type { Options, Values } from './option.ts';
import { cittyArgs, parseOptions, withVariables } from './parse-options.ts';
import { type Progress, progressOn } from './progress.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/** The arguments that are no flags. */
export interface Operands {
  readonly name: string;
  readonly description: string;
  /** Whether more than one may be given. */
  readonly isMany?: boolean;
  /** More of another kind after the first, by name and meaning. */
  readonly rest?: { readonly name: string; readonly description: string };
}

/** What a command has besides its options. */
export interface Context {
  readonly terminal: Terminal;
  readonly progress: Progress;
  readonly placement: Placement;
  readonly seed: number;
  readonly isJson: boolean;
  /** Names of the options that were given, in whichever way; the others have their defaults. */
  readonly given: ReadonlySet<string>;
  /** What was typed, for records. */
  readonly commandLine: string;
}

/** What every training is told of its surroundings. */
export function trainingIn({ seed, placement, progress, terminal }: Context) {
  return { seed, placement, onStep: progress.step, onProgress: progress.work, interrupt: terminal.interrupt };
}

export interface CommandSpec<O extends Options, Document extends object> {
  readonly name: string;
  readonly description: string;
  /** Arguments after the command's name. */
  readonly example: string;
  readonly operands?: Operands;
  readonly options: O;
  /** Options in common that it does not have, as nothing that it does follows from them. */
  readonly unheeded?: readonly Unheeded[];
  /** Whether a stopped run goes on when the command is given again; such a run is given time to save. */
  readonly isResumable?: boolean;
  /** Whether it comes to its own end when it is interrupted, which is then no failure. */
  readonly isEndless?: boolean;
  /** Whether options come from variables of the environment, too. */
  readonly hasVariables?: boolean;
  run(values: Values<O>, operands: readonly [string, ...string[]], context: Context): Promise<Document>;
  /** The result in words; nothing where the command has written already. */
  print(document: Document): string;
}

export interface Command {
  readonly name: string;
  readonly description: string;
  readonly isResumable: boolean;
  readonly isEndless: boolean;
  help(): Promise<string>;
  /** Parses, runs, prints. */
  execute(argv: readonly string[], terminal: Terminal): Promise<void>;
}

export function command<O extends Options, Document extends object>(spec: CommandSpec<O, Document>): Command {
  const { name, description, example, isResumable = false, isEndless = false, hasVariables = false } = spec;
  const options = { ...spec.options, ...commonWithout(spec.unheeded ?? []) };
  return {
    name,
    description,
    isResumable,
    isEndless,
    async help() {
      const shown = hasVariables ? withVariables(options) : options;
      const args = { ...operandArgs(spec.operands), ...cittyArgs(shown) };
      const usage = await renderUsage({ meta: { name: `prumux ${name}`, description, version: VERSION }, args });
      return stripVTControlCharacters(`${usage}\nEXAMPLE\n\n  prumux ${name} ${example}\n`);
    },
    async execute(argv, terminal) {
      const { values, operands, given } = parseOptions(argv, options, hasVariables ? terminal.environment : {});
      const common = commonOf(values);
      const progress = progressOn(terminal.stderr, common.progress);
      const context: Context = {
        terminal,
        progress,
        placement: placementOf(common),
        seed: common.seed,
        isJson: common.json,
        given,
        commandLine: `prumux ${[name, ...argv].map(quoted).join(' ')}`,
      };
      // A bar that is not stopped leaves the terminal without line breaks.
      terminal.interrupt.addEventListener('abort', progress.end, { once: true });
      try {
        const document = await spec.run(values as Values<O>, checkOperands(operands, spec.operands), context);
        progress.stop();
        terminal.stdout.write(common.json ? `${JSON.stringify(document, null, 2)}\n` : spec.print(document));
      } finally {
        terminal.interrupt.removeEventListener('abort', progress.end);
        progress.stop();
      }
    },
  };
}

/** As a shell takes it; a password in an address is left out, as records are shown around. */
export function quoted(given: string): string {
  const word = given.replace(/(\w:\/\/[^\s:@/]*):[^\s@/]*@/, '$1:PASSWORD@');
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function operandArgs(operands: Operands | undefined): ArgsDef {
  if (operands === undefined) return {};
  const { name, description, rest } = operands;
  return {
    [name]: { type: 'positional', description, required: true },
    ...(rest && { [rest.name]: { type: 'positional', description: rest.description, required: false } }),
  };
}

/** As many as the command takes; one that takes none is handed an empty name, which it never reads. */
function checkOperands(given: readonly string[], operands: Operands | undefined): readonly [string, ...string[]] {
  const [first, ...rest] = given;
  if (operands === undefined) {
    if (first !== undefined) throw new UsageError(first, { expected: 'flags only', got: 'an argument without a flag' });
    return [''];
  }
  const what = operands.name.toUpperCase();
  if (first === undefined) {
    throw new UsageError(what, { expected: operands.description, got: 'nothing', hint: 'See --help.' });
  }
  const [surplus] = rest;
  if (surplus !== undefined && !operands.isMany && operands.rest === undefined) {
    throw new UsageError(surplus, { expected: `one ${what}`, got: `${given.length} arguments` });
  }
  return [first, ...rest];
}
