/**
 * Seeded random numbers. Everything random in a run is drawn from a stream named by what it is for, and keyed by the run's
 * seed, so that adding a draw in one place never changes another, and a resumed run needs no saved generator state.
 */

/** A stream of random numbers. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** A whole number in [0, below). */
  integer(below: number): number;
  /** One element; the list must not be empty. */
  pick<T>(items: readonly T[]): T;
  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[];
}

/** FNV-1a over the parts: a 32-bit state from a seed and any names or counters. */
function hash(parts: readonly (string | number)[]): number {
  let state = 0x811c9dc5;
  for (const character of parts.join('\u0000')) {
    state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return state >>> 0;
}

/** A seed for a part of a run, so that parts that count alike (epochs, steps) draw different numbers. */
export function seedFor(seed: number, ...purpose: (string | number)[]): number {
  return hash([seed, ...purpose]);
}

/** The stream for `(seed, …purpose)`: the same arguments give the same numbers on every machine (mulberry32). */
export function random(seed: number, ...purpose: (string | number)[]): Random {
  let state = hash([seed, ...purpose]);
  let spare: number | undefined;

  function uniform(): number {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 4294967296;
  }

  function normal(): number {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  const integer = (below: number): number => Math.floor(uniform() * below);
  return {
    uniform,
    normal,
    integer,
    pick: <T>(items: readonly T[]): T => items[integer(items.length)] as T,
    shuffle<T>(items: readonly T[]): T[] {
      const shuffled = [...items];
      for (let last = shuffled.length - 1; last > 0; last--) {
        const other = integer(last + 1);
        [shuffled[last], shuffled[other]] = [shuffled[other] as T, shuffled[last] as T];
      }
      return shuffled;
    },
  };
}
