/**
 * Byte-pair merging: again and again the most frequent pair of neighbouring tokens becomes one token. Counts are kept up to
 * date for the words that change only, which is what makes a vocabulary of thousands a matter of a second.
 */

/** Tokens by id, and ids by token. */
export interface TokenTable {
  readonly names: string[];
  readonly ids: Map<string, number>;
}

/** A distinct word: its present tokens, and how often the word was seen. */
export interface Word {
  tokens: readonly number[];
  readonly count: number;
}

/** When to stop, and what marks a token of the inside of a word. */
export interface MergeLimits {
  readonly size: number;
  readonly leastCount: number;
  readonly prefix: string;
}

export function tokenTable(names: Iterable<string>): TokenTable {
  const table: TokenTable = { names: [], ids: new Map() };
  for (const name of names) idOf(table, name);
  return table;
}

/** The id of the token, a new one if need be. */
function idOf(table: TokenTable, name: string): number {
  const known = table.ids.get(name);
  if (known !== undefined) return known;
  table.ids.set(name, table.names.length);
  return table.names.push(name) - 1;
}

/** Two neighbouring tokens, how often they are neighbours now, and the words that have, or once had, them. */
interface Pair {
  readonly left: number;
  readonly right: number;
  count: number;
  readonly words: Set<Word>;
}

/** A pair with the count it had when it was queued; if the pair's count is another now, the candidate is stale. */
interface Candidate {
  readonly pair: Pair;
  readonly count: number;
}

/** Pair keys are `left * KEY_BASE + right`, exact in a double. */
const KEY_BASE = 2 ** 26;
type Pairs = Map<number, Pair>;

/**
 * Merges until the table has `size` tokens or the best pair is rarer than `leastCount`; of equally frequent pairs the one of
 * the older tokens goes first. Changes the words and the table.
 */
export function mergePairs(words: readonly Word[], table: TokenTable, { size, leastCount, prefix }: MergeLimits): void {
  const pairs: Pairs = new Map();
  const queue: Candidate[] = [];
  for (const word of words) countPairs(pairs, word, 1);
  for (const pair of pairs.values()) enqueue(queue, { pair, count: pair.count });
  while (table.names.length < size) {
    const best = nextPair(queue);
    if (best === undefined || best.count < leastCount) return;
    const merged = idOf(table, `${table.names[best.left]}${table.names[best.right]?.slice(prefix.length)}`);
    for (const pair of mergeEverywhere(pairs, best, merged)) enqueue(queue, { pair, count: pair.count });
  }
}

/** Replaces the pair in every word that has it; returns the pairs that became more frequent. */
function mergeEverywhere(pairs: Pairs, pair: Pair, merged: number): Set<Pair> {
  const grown = new Set<Pair>();
  const words = [...pair.words];
  pair.words.clear();
  for (const word of words) {
    countPairs(pairs, word, -1);
    word.tokens = mergeIn(word.tokens, pair, merged);
    for (const changed of countPairs(pairs, word, 1)) {
      const isNew = changed.left === merged || changed.right === merged;
      if (isNew) grown.add(changed);
    }
  }
  return grown;
}

/** Adds (`sign` 1) or takes away (-1) a word's pairs; returns them. */
function countPairs(pairs: Pairs, word: Word, sign: 1 | -1): Pair[] {
  const counted: Pair[] = [];
  for (let place = 0; place + 1 < word.tokens.length; place++) {
    const pair = pairOf(pairs, word.tokens[place] as number, word.tokens[place + 1] as number);
    pair.count += sign * word.count;
    if (sign === 1) pair.words.add(word);
    counted.push(pair);
  }
  return counted;
}

function pairOf(pairs: Pairs, left: number, right: number): Pair {
  const key = left * KEY_BASE + right;
  const known = pairs.get(key);
  if (known !== undefined) return known;
  const pair: Pair = { left, right, count: 0, words: new Set() };
  pairs.set(key, pair);
  return pair;
}

function mergeIn(tokens: readonly number[], { left, right }: Pair, merged: number): number[] {
  const result: number[] = [];
  for (let place = 0; place < tokens.length; place++) {
    const token = tokens[place] as number;
    const isPair = token === left && tokens[place + 1] === right;
    result.push(isPair ? merged : token);
    if (isPair) place++;
  }
  return result;
}

/** The most frequent pair: stale candidates are dropped, or queued again when their pair has only become rarer. */
function nextPair(queue: Candidate[]): Pair | undefined {
  for (let top = dequeue(queue); top !== undefined; top = dequeue(queue)) {
    const { pair, count } = top;
    if (pair.count === count) return pair;
    if (pair.count > 0 && pair.count < count) enqueue(queue, { pair, count: pair.count });
  }
  return undefined;
}

function isBefore(a: Candidate, b: Candidate): boolean {
  if (a.count !== b.count) return a.count > b.count;
  return a.pair.left === b.pair.left ? a.pair.right < b.pair.right : a.pair.left < b.pair.left;
}

/** Binary heap: the parent of place p is at (p - 1) / 2 and comes before it. */
function enqueue(heap: Candidate[], item: Candidate): void {
  let place = heap.push(item) - 1;
  while (place > 0) {
    const parent = (place - 1) >> 1;
    const above = heap[parent] as Candidate;
    if (!isBefore(item, above)) break;
    heap[place] = above;
    place = parent;
  }
  heap[place] = item;
}

function dequeue(heap: Candidate[]): Candidate | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return top;
  let place = 0;
  for (let child = 1; child < heap.length; child = 2 * place + 1) {
    const [left, right] = [heap[child] as Candidate, heap[child + 1]];
    const isRight = right !== undefined && isBefore(right, left);
    const first = isRight ? right : left;
    if (!isBefore(first, last)) break;
    heap[place] = first;
    place = isRight ? child + 1 : child;
  }
  heap[place] = last;
  return top;
}
