/**
 * Options as values: one declaration gives the flag, its line in the help, and the reader that checks what was given, be it text from the
 * command line or a value from a `--config` file.
 */
import { messageOf } from '../base/index.ts';
import { UsageError } from './usage-error.ts';

/** Turns what was given into a value, or throws a UsageError that begins with `where`. */
export interface Reader<T> {
  /** How the value looks in the help, as FILE or N. */
  readonly hint: string;
  /** Whether a flag takes all words up to the next flag, and may be repeated; the reader is given a list. */
  readonly isList?: boolean;
  /** Whether an empty variable is read as well, which for others counts as none. */
  readonly isHeededEmpty?: boolean;
  read(given: unknown, where: string): T;
}

export interface Option<T> {
  readonly description: string;
  readonly reader: Reader<unknown>;
  readonly alias?: string;
  /** What the help says of a default. */
  readonly shownDefault?: string;
  /** The value when nothing is given. */
  absent(where: string): T;
}

export type Options = Readonly<Record<string, Option<unknown>>>;

/** The values of a set of options. */
export type Values<O extends Options> = { readonly [Key in keyof O]: O[Key] extends Option<infer T> ? T : never };

/** An option with a default. */
export function option<T>(description: string, reader: Reader<T>, fallback: T): Option<T> {
  const shownDefault = Array.isArray(fallback) ? fallback.join(',') : String(fallback);
  return { description, reader, absent: () => fallback, ...(fallback !== false && { shownDefault }) };
}

/** An option that may be left out. */
export function optional<T>(description: string, reader: Reader<T>): Option<T | undefined> {
  return { description, reader, absent: () => undefined };
}

/** An option that must be there. */
export function required<T>(description: string, reader: Reader<T>, alias?: string): Option<T> {
  return {
    description: `${description} (required)`,
    reader,
    ...(alias !== undefined && { alias }),
    absent(where) {
      throw new UsageError(where, { expected: reader.hint, got: 'nothing' });
    },
  };
}

export function text(hint: string): Reader<string> {
  return {
    hint,
    read(given, where) {
      if (typeof given === 'string' && given !== '') return given;
      throw new UsageError(where, { expected: hint, got: given === '' ? 'nothing' : JSON.stringify(given) });
    },
  };
}

/** Texts, one word each after the flag; in a config file a JSON array, too. */
export function texts(hint: string): Reader<readonly string[]> {
  const each = text(hint);
  return {
    hint,
    isList: true,
    read(given, where) {
      const items: readonly unknown[] = Array.isArray(given) ? given : [given];
      if (items.length > 0) return items.map((item) => each.read(item, where));
      throw new UsageError(where, { expected: hint, got: 'nothing' });
    },
  };
}

/** Others arrive in a header as other bytes than they were typed in. */
const HEADER_KEY = /^[\x20-\x7e]+$/;

/** Keys with commas between, none of them empty: what comes from a secret that is empty must not open what it was to close. */
export function keys(hint: string): Reader<readonly string[]> {
  return {
    hint,
    isHeededEmpty: true,
    read(given, where) {
      const items = typeof given === 'string' ? given.split(',').map((key) => key.trim()) : [''];
      if (items.every((key) => HEADER_KEY.test(key))) return items;
      if (!items.includes('')) {
        throw new UsageError(where, { expected: 'keys of ASCII letters, digits and signs', got: 'another character' });
      }
      const got = typeof given === 'string' ? (given.trim() === '' ? 'nothing' : 'an empty key') : typeof given;
      throw new UsageError(where, { expected: hint, got, hint: 'Leave it out if nobody needs a key.' });
    },
  };
}

/** A switch: there or not. */
export const toggle: Reader<boolean> = {
  hint: '',
  read(given, where) {
    if (typeof given === 'boolean') return given;
    throw new UsageError(where, { expected: 'true or false', got: JSON.stringify(given) });
  },
};

export interface Range {
  readonly least?: number;
  readonly above?: number;
  readonly below?: number;
  readonly isWhole?: boolean;
}

function isWithin(value: number, { least, above, below, isWhole = false }: Range): boolean {
  return (
    Number.isFinite(value) &&
    (!isWhole || Number.isSafeInteger(value)) &&
    (least === undefined || value >= least) &&
    (above === undefined || value > above) &&
    (below === undefined || value < below)
  );
}

function rangeInWords({ least, above, below, isWhole = false }: Range): string {
  const bounds = [
    least === undefined ? '' : `${least} or more`,
    above === undefined ? '' : `above ${above}`,
    below === undefined ? '' : `below ${below}`,
  ].filter((bound) => bound !== '');
  return [isWhole ? 'a whole number' : 'a number', ...bounds].join(', ');
}

export function number(range: Range = {}, hint = 'N'): Reader<number> {
  return {
    hint,
    read(given, where) {
      const value = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
      if (typeof value === 'number' && isWithin(value, range)) return value;
      throw new UsageError(where, { expected: rangeInWords(range), got: given === '' ? 'nothing' : String(given) });
    },
  };
}

export const whole = (least = 1, hint = 'N'): Reader<number> => number({ least, isWhole: true }, hint);

/** What stands between commas, or in an array. */
function itemsOf(given: unknown, where: string): readonly unknown[] {
  const items: readonly unknown[] = Array.isArray(given) ? given : String(given).split(',');
  if (items.length > 0) return items;
  throw new UsageError(where, { expected: 'at least one value', got: 'an empty list' });
}

/** Numbers with commas between; in a config file a JSON array, too. */
export function numbers(range: Range, hint: string): Reader<readonly number[]> {
  const each = number(range);
  return {
    hint,
    read(given, where) {
      return [...new Set(itemsOf(given, where).map((item) => each.read(item, where)))];
    },
  };
}

export function choice<T extends string>(names: readonly T[], hint = names.join('|')): Reader<T> {
  return {
    hint,
    read(given, where) {
      const found = names.find((name) => name === given);
      if (found !== undefined) return found;
      throw new UsageError(where, { expected: `one of ${names.join(', ')}`, got: JSON.stringify(given) });
    },
  };
}

/** Names with commas between; in a config file a JSON array, too. */
export function choices<T extends string>(names: readonly T[], hint: string): Reader<readonly T[]> {
  const each = choice(names);
  return {
    hint,
    read(given, where) {
      return [...new Set(itemsOf(given, where).map((item) => each.read(item, where)))];
    },
  };
}

/** A text that `parse` understands; what `parse` throws is the user's mistake. What is `told` of it in place of itself may be a secret's. */
export function parsed<T>(
  hint: string,
  parse: (given: string) => T,
  told = (given: string): string => `"${given}"`,
): Reader<T> {
  const plain = text(hint);
  return {
    hint,
    read(given, where) {
      const value = plain.read(given, where);
      try {
        return parse(value);
      } catch (cause) {
        throw new UsageError(where, { expected: hint, got: told(value), hint: messageOf(cause), cause });
      }
    },
  };
}
