/** Which rows choose and which are kept for the final figures: what chose a model flatters it, as the luckiest of several is taken. */
import { random } from '../base/index.ts';

export interface RowDivision {
  readonly choosing: readonly number[];
  /** Never looked at before the choice. */
  readonly final: readonly number[];
}

const FINAL_SHARE = 1 / 3;

/** A division of so many rows, the same for the same seed; `more` rows after them all choose. */
export function divideRows(count: number, more: number, seed: number): RowDivision {
  const order = random(seed, 'rows that choose').shuffle(Array.from({ length: count }, (_, row) => row));
  const kept = Math.floor(FINAL_SHARE * count);
  const ascending = (rows: readonly number[]): number[] => rows.toSorted((a, b) => a - b);
  const others = Array.from({ length: more }, (_, row) => count + row);
  return { choosing: [...ascending(order.slice(kept)), ...others], final: ascending(order.slice(0, kept)) };
}
