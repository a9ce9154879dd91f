/**
 * What a fresh encoder's word table begins as: words that have like neighbours in the text have like vectors. Positive pointwise mutual information of
 * words and their neighbours, factored (Levy, Goldberg and Dagan 2015, "Improving Distributional Similarity with Lessons Learned from Word Embeddings",
 * with smoothed contexts and square roots of the singular values). A few million words of text say much to counts, and little to masked-language
 * modelling, of which a step predicts some hundred words.
 */
import { EigenvalueDecomposition, Matrix, QrDecomposition } from 'ml-matrix';
import { type FloatTensor, float32, type OnProgress, random } from '../base/index.ts';
import { input, matmul } from '../graph/index.ts';
import { closing } from '../infer/index.ts';
import { compile, type Placement } from '../runtime/index.ts';

/** How far a neighbour may be; the nearer the more it counts: 1 over its distance. */
const WINDOW = 5;
/** Neighbours that count: the most frequent words, and fewer where the table of counts would have more cells than this. */
const MOST_CONTEXTS = 4096;
const MOST_CELLS = 2 ** 27;
/** Exponent of a neighbour's frequency: rare ones are taken to be less rare (Levy et al., section 3.2). */
const SMOOTHING = 0.75;
/** Columns beyond those that are kept, and products with the matrix and its transpose (Halko, Martinsson and Tropp 2011, sections 4.2 and 4.5). */
const OVERSAMPLING = 16;
const ITERATIONS = 3;
/** Eigenvalues that are less than this, of the largest, are what float32 rounds. */
const ROUNDING = 1e-6;

/** How words go with neighbours: one row per word that the text has, one column per neighbour that counts. */
interface Associations {
  readonly words: Int32Array;
  /** max(0, log(p(w, c) / (p(w) p(c)^0.75))): [words, contexts] */
  readonly information: FloatTensor;
}

export interface WordVectorOptions {
  readonly seed: number;
  readonly placement: Placement;
  readonly onProgress?: OnProgress | undefined;
}

/** Reading, counting, iterations and the vectors themselves, which take about as long each. */
const PARTS = ITERATIONS + 3;
const PROGRESS = 'counting neighbours';

/**
 * The word table, [V, D], with the vectors of all words that `rows` (token ids, without special ones) have; the others stay as they are in `fresh`, and so
 * do dimensions beyond what the text can fill. A vector keeps the length that it had.
 */
export async function countedWordTable(
  fresh: FloatTensor,
  rows: Iterable<readonly number[]>,
  options: WordVectorOptions,
): Promise<FloatTensor> {
  const [vocabularySize = 0, D = 0] = fresh.shape;
  const table = fresh.data.slice();
  const ids = Array.from(rows, (row) => Int32Array.from(row));
  options.onProgress?.(PROGRESS, 1, PARTS);
  const { words, information } = associationsOf(ids, vocabularySize);
  options.onProgress?.(PROGRESS, 2, PARTS);
  const [, contexts = 0] = information.shape;
  const k = Math.min(D + OVERSAMPLING, contexts);
  if (k === 0) return fresh;
  const { vectors, rank } = await leadingVectors(information, k, options);
  const dimensions = Math.min(D, rank);
  for (const [row, word] of words.entries()) {
    const vector = vectors.data.subarray(row * k, row * k + dimensions);
    const place = table.subarray(word * D, word * D + dimensions);
    const factor = Math.hypot(...place) / Math.hypot(...vector);
    if (Number.isFinite(factor)) place.set(vector.map((value) => factor * value));
  }
  return float32(table, fresh.shape);
}

/** The words that rows have, the most frequent first. */
function frequentFirst(rows: readonly Int32Array[], vocabularySize: number): Int32Array {
  const counts = new Int32Array(vocabularySize);
  for (const ids of rows) for (const id of ids) counts[id] = (counts[id] as number) + 1;
  return Int32Array.from(counts.keys())
    .filter((id) => (counts[id] as number) > 0)
    .sort((a, b) => (counts[b] as number) - (counts[a] as number) || a - b);
}

function associationsOf(rows: readonly Int32Array[], vocabularySize: number): Associations {
  const words = frequentFirst(rows, vocabularySize);
  const contexts = Math.min(MOST_CONTEXTS, words.length, Math.floor(MOST_CELLS / Math.max(1, words.length)));
  const rowOf = new Int32Array(vocabularySize);
  for (const [row, word] of words.entries()) rowOf[word] = row;
  const cells = new Float32Array(words.length * contexts);
  const totals = new Float64Array(words.length);
  const count = (row: number, neighbour: number, weight: number): void => {
    totals[row] = (totals[row] as number) + weight;
    if (neighbour >= contexts) return;
    const cell = row * contexts + neighbour;
    cells[cell] = (cells[cell] as number) + weight;
  };
  for (const ids of rows) {
    for (let at = 0; at < ids.length; at++) {
      for (let distance = 1; distance <= Math.min(WINDOW, at); distance++) {
        const [left, right] = [rowOf[ids[at - distance] as number] as number, rowOf[ids[at] as number] as number];
        count(left, right, 1 / distance);
        count(right, left, 1 / distance);
      }
    }
  }
  toInformation(cells, totals, contexts);
  return { words, information: float32(cells, [words.length, contexts]) };
}

/** Puts information in the place of counts. */
function toInformation(cells: Float32Array, totals: Float64Array, contexts: number): void {
  const shares = totals.map((total) => total ** SMOOTHING);
  const all = shares.reduce((sum, share) => sum + share, 0);
  for (const [row, total] of totals.entries()) {
    for (let column = 0; column < contexts; column++) {
      const cell = row * contexts + column;
      const count = cells[cell] as number;
      if (count > 0) cells[cell] = Math.max(0, Math.log((count * all) / (total * (shares[column] as number))));
    }
  }
}

/** Left singular vectors times the roots of their values, those of the largest first. */
interface LeadingVectors {
  /** [words, k] */
  readonly vectors: FloatTensor;
  /** How many of the k columns are of values that are not 0 but for rounding. */
  readonly rank: number;
}

/** U √S of A = U S Vᵀ: [words, contexts] -> [words, k], by subspace iteration from random directions (Halko et al., algorithm 4.4). */
async function leadingVectors(
  A: FloatTensor,
  k: number,
  { seed, placement, onProgress }: WordVectorOptions,
): Promise<LeadingVectors> {
  const [, contexts = 0] = A.shape;
  const draws = random(seed, 'word vectors');
  const inputs = { A: input('A', A.shape), Q: input('Q', [contexts, k]) };
  const image = matmul(inputs.A, inputs.Q);
  const session = await compile(
    { outputs: { image, square: matmul(inputs.A, image, { transposeA: true }) } },
    placement,
  );
  return closing(session, async () => {
    let Q = matrixOf(
      Float64Array.from({ length: contexts * k }, () => draws.normal()),
      k,
    );
    let square = Q;
    for (let iteration = 0; iteration < ITERATIONS; iteration++) {
      Q = new QrDecomposition(square).orthogonalMatrix;
      const { square: AtAQ } = await session.run({ A, Q: tensorOf(Q) });
      square = matrixOf((AtAQ as FloatTensor).data, k);
      onProgress?.(PROGRESS, 3 + iteration, PARTS);
    }
    // QᵀAᵀA Q = W S² Wᵀ and V = Q W; so U √S = A V S^-½.
    const { eigenvectorMatrix: W, realEigenvalues: squares } = new EigenvalueDecomposition(Q.transpose().mmul(square), {
      assumeSymmetric: true,
    });
    const ascending = squares.map((value) => Math.max(value, ROUNDING * (squares.at(-1) as number)));
    const P = Q.mmul(W)
      .mulRowVector(ascending.map((value) => value ** -0.25))
      .subMatrixColumn(range(k).reverse());
    const { image: vectors } = await session.run({ A, Q: tensorOf(P) });
    onProgress?.(PROGRESS, PARTS, PARTS);
    const rank = squares.filter((value) => value > ROUNDING * (squares.at(-1) as number)).length;
    return { vectors: vectors as FloatTensor, rank };
  });
}

const matrixOf = (values: ArrayLike<number>, columns: number): Matrix =>
  Matrix.from1DArray(values.length / columns, columns, values);
const range = (length: number): number[] => Array.from({ length }, (_, at) => at);
const tensorOf = (matrix: Matrix): FloatTensor => float32(matrix.to1DArray(), [matrix.rows, matrix.columns]);
