/** Matrices in 8 bits, symmetric, with a scale per row: w ≈ s q with s = max |w| / 127 of the row and q = round(w / s), -127 to 127. */

/** A matrix by its rows: [rows, columns] */
export interface Matrix<Values extends Float32Array | Int8Array> {
  readonly rows: number;
  readonly columns: number;
  readonly data: Values;
}

export type FloatMatrix = Matrix<Float32Array>;

const LARGEST = 127;

/** -128 stays unused, so that zero is in the middle and needs no number of its own. A row of zeros has scale 1. */
export function quantizeRows({ rows, columns, data }: FloatMatrix): {
  readonly matrix: Matrix<Int8Array>;
  /** [rows] */
  readonly scales: Float32Array;
} {
  const quantized = new Int8Array(rows * columns);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const [start, end] = [row * columns, (row + 1) * columns];
    const scale = Math.fround(largestMagnitude(data.subarray(start, end)) / LARGEST) || 1;
    scales[row] = scale;
    for (let at = start; at < end; at++) quantized[at] = Math.round((data[at] as number) / scale);
  }
  return { matrix: { rows, columns, data: quantized }, scales };
}

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
