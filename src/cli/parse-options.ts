/** From the command line and `--config` to the values of a command's options. Unknown names are refused, with the nearest known ones. */
import { readFileSync } from 'node:fs';
import { type ArgsDef, parseArgs } from 'citty';
import { messageOf, parseJsonText } from '../base/index.ts';
import { type Option, type Options, toggle, type Values } from './option.ts';
import type { Environment } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/** What was given, by option; `where` is how an error names it. */
type Given = Map<string, { readonly value: unknown; readonly where: string }>;

export interface ParsedLine<O extends Options> {
  readonly values: Values<O>;
  readonly operands: readonly string[];
  /** Names of the options that were given. */
  readonly given: ReadonlySet<string>;
}

/** `learningRate` -> `learning-rate` */
export function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `learningRate` -> `PRUMUX_LEARNING_RATE` */
export function variableOf(name: string): string {
  return `PRUMUX_${flagOf(name).replaceAll('-', '_').toUpperCase()}`;
}

/** The options as citty's arguments, for parsing and for the help. */
export function cittyArgs(options: Options): ArgsDef {
  return Object.fromEntries(Object.entries(options).map(([name, option]) => [flagOf(name), cittyArg(option)]));
}

/** Asked for on the command line only, before options are read. */
const HELP = 'help';

/** The options with the variables, in their descriptions, that they may come from as well. */
export function withVariables(options: Options): Options {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => {
      if (name === HELP) return [name, option];
      return [name, { ...option, description: `${option.description} (${variableOf(name)})` }];
    }),
  );
}

function cittyArg({ description, reader, alias, shownDefault }: Option<unknown>): ArgsDef[string] {
  const shown = shownDefault === undefined ? description : `${description} [${shownDefault}]`;
  const common = { description: shown, ...(alias !== undefined && { alias }) };
  return reader === toggle ? { ...common, type: 'boolean' } : { ...common, type: 'string', valueHint: reader.hint };
}

/**
 * A flag wins over a variable of `environment`, and that over the config file. Throws a UsageError for whatever cannot be.
 */
export function parseOptions<O extends Options>(
  argv: readonly string[],
  options: O,
  environment: Environment = {},
): ParsedLine<O> {
  const args = cittyArgs(options);
  const { words, lists } = takeLists(argv, options);
  checkFlags(words, options);
  const line = parseArgs([...words], args);
  const given: Given = new Map();
  const configFile = line.config ?? environment[variableOf('config')];
  if (typeof configFile === 'string' && (configFile !== '' || line.config !== undefined))
    readConfig(configFile, options, given);
  readVariables(environment, options, given);
  for (const name of Object.keys(options)) {
    const value: unknown = lists.get(name) ?? valueOfFlag(flagOf(name), line);
    if (value !== undefined) given.set(name, { value, where: `--${flagOf(name)}` });
  }
  const values = Object.entries(options).map(([name, option]) => {
    const found = given.get(name);
    return [name, found ? option.reader.read(found.value, found.where) : option.absent(`--${flagOf(name)}`)];
  });
  return { values: Object.fromEntries(values), operands: line._, given: new Set(given.keys()) };
}

/** What citty read of a flag. A flag that begins with `no-` it takes for another one's opposite. */
function valueOfFlag(flag: string, line: Readonly<Record<string, unknown>>): unknown {
  const opposite = /^no-(.+)$/.exec(flag)?.[1];
  return opposite !== undefined && line[opposite] === false ? true : line[flag];
}

/** What options that take several words are given, by name, and the words that are left. */
function takeLists(argv: readonly string[], options: Options): { words: string[]; lists: Map<string, string[]> } {
  const named = Object.keys(options).filter((name) => options[name]?.reader.isList === true);
  const words: string[] = [];
  const lists = new Map<string, string[]>();
  let open: string[] | undefined;
  for (const [at, word] of argv.entries()) {
    if (word === '--') return { words: [...words, ...argv.slice(at)], lists };
    const [flag, ...value] = word.split('=');
    const name = named.find((each) => `--${flagOf(each)}` === flag);
    if (name !== undefined) {
      open = lists.get(name) ?? [];
      lists.set(name, open);
      if (value.length > 0) open.push(value.join('='));
    } else if (/^-./.test(word)) {
      open = undefined;
      words.push(word);
    } else (open ?? words).push(word);
  }
  return { words, lists };
}

/** Refuses flags that are not there, or there twice; citty lets them through, and keeps the last. */
function checkFlags(argv: readonly string[], options: Options): void {
  const names = Object.entries(options);
  const flags = names.map(([name]) => `--${flagOf(name)}`);
  const known = new Map<string, Option<unknown>>(names.map(([name, option]) => [`--${flagOf(name)}`, option]));
  for (const [, option] of names) if (option.alias !== undefined) known.set(`-${option.alias}`, option);
  const seen = new Set<Option<unknown>>();
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    if (word === '--') return;
    if (!/^-./.test(word)) continue;
    const [flag = '', value] = word.split('=', 2);
    const option = known.get(flag);
    if (option === undefined) throw unknownFlag(flag, flags);
    if (seen.has(option)) throw repeatedFlag(flag, option);
    seen.add(option);
    if (!flag.startsWith('--') && value !== undefined) {
      const expected = `a blank between, as ${flag} ${option.reader.hint}`;
      throw new UsageError(flag, { expected, got: word });
    }
    if (option.reader === toggle && value !== undefined) {
      const hint = 'Leave it out to turn it off; of what a variable or a file turns on, take it out there.';
      throw new UsageError(flag, { expected: 'the flag alone', got: word, hint });
    }
    if (option.reader === toggle || value !== undefined) continue;
    at++;
    const next = argv[at];
    if (next === undefined || known.has(next)) {
      throw new UsageError(flag, { expected: option.reader.hint, got: next ?? 'nothing' });
    }
  }
}

function repeatedFlag(flag: string, { reader }: Option<unknown>): UsageError {
  const hint = reader.hint.includes(',')
    ? `Give several values with commas between: ${flag} ${reader.hint}.`
    : undefined;
  return new UsageError(flag, { expected: 'the flag once', got: 'it again', ...(hint && { hint }) });
}

function unknownFlag(flag: string, flags: readonly string[]): UsageError {
  const expected = `a known flag, as ${nearest(flag, flags).join(' or ')}`;
  const hint = 'See --help; what follows -- is taken as it is, also where it begins with a dash.';
  return new UsageError(flag, { expected, got: 'an unknown flag', hint });
}

/** The names that take the fewest changes to become this one, best first. */
export function nearest(name: string, known: readonly string[]): readonly string[] {
  return known.toSorted((a, b) => distance(name, a) - distance(name, b)).slice(0, 2);
}

/** Levenshtein distance, one row of the table at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const replaced = (row[j] as number) + Number(letter !== other);
      next.push(Math.min(replaced, (row[j + 1] as number) + 1, (next[j] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** An empty variable counts as none, except where its option must not be left out by mistake. */
function readVariables(environment: Environment, options: Options, given: Given): void {
  for (const [name, { reader }] of Object.entries(options)) {
    if (name === HELP) continue;
    const where = variableOf(name);
    const text = environment[where];
    if (text === undefined || (text === '' && reader.isHeededEmpty !== true)) continue;
    given.set(name, { value: reader === toggle ? (SWITCHES.get(text.toLowerCase()) ?? text) : text, where });
  }
}

const SWITCHES: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['true', true],
  ['0', false],
  ['false', false],
]);

/** Keys of a config file are the flags' names, `learningRate` or `learning-rate`. */
function readConfig(file: string, options: Options, given: Given): void {
  const config = readJson(file);
  const names = Object.keys(options).filter((name) => name !== 'config' && name !== HELP);
  const seen = new Set<string>();
  for (const [key, value] of Object.entries(config)) {
    const name = names.find((known) => known === key || flagOf(known) === key);
    if (name === undefined) {
      const expected = `a known key, as ${nearest(key, names).join(' or ')}`;
      throw new UsageError(`--config ${file}: ${key}`, { expected, got: 'an unknown one' });
    }
    if (seen.has(name))
      throw new UsageError(`--config ${file}: ${key}`, { expected: 'one key of that name', got: 'two' });
    seen.add(name);
    given.set(name, { value, where: `--config ${file}: ${key}` });
  }
}

function readJson(file: string): object {
  const where = `--config ${file}`;
  let json: unknown;
  try {
    json = parseJsonText(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new UsageError(where, { expected: 'a readable JSON file', got: messageOf(cause), cause });
  }
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json;
  throw new UsageError(where, { expected: 'a JSON object', got: JSON.stringify(json) });
}
