/** Matrices in 8 bits, symmetric, with a scale per row: w ≈ s q with s = max |w| / 127 of the row and q = round(w / s), -127 to 127. */
import { CheckpointError } from '../base/index.ts';

/** A matrix by its rows: [rows, columns] */
export interface Matrix<Values extends Float32Array | Int8Array> {
  readonly rows: number;
  readonly columns: number;
  readonly data: Values;
}

export type FloatMatrix = Matrix<Float32Array>;

const LARGEST = 127;

/**
 * -128 stays unused, so that zero is in the middle and needs no number of its own. A row of zeros has scale 1. Throws a CheckpointError, under the name of the
 * matrix, for weights that are no numbers.
 */
export function quantizeRows(
  name: string,
  { rows, columns, data }: FloatMatrix,
): {
  readonly matrix: Matrix<Int8Array>;
  /** [rows] */
  readonly scales: Float32Array;
} {
  const quantized = new Int8Array(rows * columns);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const [start, end] = [row * columns, (row + 1) * columns];
    const largest = largestMagnitude(data.subarray(start, end));
    if (!Number.isFinite(largest)) throw notFinite(name, row, largest);
    const scale = Math.fround(largest / LARGEST) || 1;
    scales[row] = scale;
    for (let at = start; at < end; at++) quantized[at] = quantizedTo(scale, data[at] as number);
  }
  return { matrix: { rows, columns, data: quantized }, scales };
}

/** Of values near the least that float32 has, the scale has few digits, and the quotient may be beyond 127. */
function quantizedTo(scale: number, value: number): number {
  return Math.max(-LARGEST, Math.min(LARGEST, Math.round(value / scale)));
}

function notFinite(name: string, row: number, got: number): CheckpointError {
  return new CheckpointError(name, {
    expected: 'finite weights, as integers are to stand for them',
    got: `${got} in row ${row}`,
    hint: 'The model is damaged.',
  });
}

/** NaN where any of them is. */
function largestMagnitude(values: Float32Array): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

/** [r, c] -> [c, r] */
export function transposed<Values extends Float32Array | Int8Array>(matrix: Matrix<Values>): Matrix<Values> {
  const { rows, columns, data } = matrix;
  const turned = data.slice() as Values;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      turned[column * rows + row] = data[row * columns + column] as number;
    }
  }
  return { rows: columns, columns: rows, data: turned };
}
