/** The nearest rising values: isotonic regression along one axis, and along both of a table. */

/** A stretch of equal values. */
interface Block {
  readonly mean: number;
  readonly weight: number;
  readonly length: number;
}

function joined(one: Block, other: Block): Block {
  const weight = one.weight + other.weight;
  return {
    ...{ weight, length: one.length + other.length },
    mean: (one.weight * one.mean + other.weight * other.mean) / weight,
  };
}

/** The values that never fall with the least Σ w (x − y)²: neighbours that fall are pooled (pool adjacent violators, Ayer et al. 1955). */
export function rising(values: readonly number[], weights: readonly number[]): number[] {
  const blocks: Block[] = [];
  for (const [at, mean] of values.entries()) {
    let block: Block = { mean, weight: weights[at] ?? 1, length: 1 };
    for (let last = blocks.at(-1); last !== undefined && last.mean > block.mean; last = blocks.at(-1)) {
      block = joined(last, block);
      blocks.pop();
    }
    blocks.push(block);
  }
  return blocks.flatMap(({ mean, length }) => Array.from({ length }, () => mean));
}

const ROUNDS = 30;

/** Places of a table [rows, columns], row by row, in lines along an axis. */
function lines(count: number, columns: number, isAlongRows: boolean): number[][] {
  const rows = count / columns;
  const [outer, inner] = isAlongRows ? [rows, columns] : [columns, rows];
  const place = (line: number, at: number): number => (isAlongRows ? line * columns + at : at * columns + line);
  return Array.from({ length: outer }, (_, line) => Array.from({ length: inner }, (_, at) => place(line, at)));
}

function risingAlong(
  table: readonly number[],
  weights: readonly number[],
  along: readonly (readonly number[])[],
): number[] {
  const result = [...table];
  for (const line of along) {
    const values = rising(
      line.map((place) => table[place] ?? 0),
      line.map((place) => weights[place] ?? 1),
    );
    for (const [at, place] of line.entries()) result[place] = values[at] ?? 0;
  }
  return result;
}

/**
 * The table that falls along neither axis and is nearest to the given one, [rows, columns]: the two projections in turns, each of them undoing
 * what it did last (Dykstra 1983).
 */
export function risingTable(table: readonly number[], weights: readonly number[], columns: number): number[] {
  const axes = [lines(table.length, columns, true), lines(table.length, columns, false)];
  const isRising = axes.every((along) =>
    along.every((line) =>
      line.every((place, at) => at === 0 || (table[place] ?? 0) >= (table[line[at - 1] ?? 0] ?? 0)),
    ),
  );
  if (isRising) return [...table];
  const undone = axes.map(() => table.map(() => 0));
  let current = [...table];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [axis, along] of axes.entries()) {
      const before = current.map((value, at) => value - (undone[axis]?.[at] ?? 0));
      current = risingAlong(before, weights, along);
      undone[axis] = current.map((value, at) => value - (before[at] ?? 0));
    }
  }
  return lifted(current, axes);
}

/** Without the last of falling that rounds leave: no value below the largest before it, along one axis and then the other. */
function lifted(table: readonly number[], axes: readonly (readonly (readonly number[])[])[]): number[] {
  const result = [...table];
  for (const line of axes.flat()) {
    let largest = Number.NEGATIVE_INFINITY;
    for (const place of line) {
      largest = Math.max(largest, result[place] ?? 0);
      result[place] = largest;
    }
  }
  return result;
}
