/**
 * What a fresh encoder's word table begins as: words that have like words nearby in the text have like vectors. Positive pointwise mutual information of
 * words and their contexts, factored (Levy, Goldberg and Dagan 2015, "Improving Distributional Similarity with Lessons Learned from Word Embeddings",
 * with smoothed contexts and square roots of the singular values). A few million words of text say much to counts, and little to masked-language
 * modelling, of which a step predicts some hundred words.
 */
import { setImmediate } from 'node:timers/promises';
import { EigenvalueDecomposition, Matrix, QrDecomposition } from 'ml-matrix';
import { type FloatTensor, float32, type OnProgress, type Random, random } from '../base/index.ts';
import { input, matmul } from '../graph/index.ts';
import { closing } from '../infer/index.ts';
import { compile, cpu } from '../runtime/index.ts';

/** A word's contexts are the words within so many places of it; the nearer the more they count: 1 over the distance. */
const WINDOW = 5;
/** Contexts that count: the most frequent words, and fewer where the table of counts would have more cells than this, half a gibibyte. */
const MOST_CONTEXTS = 4096;
const MOST_CELLS = 2 ** 27;
/** Exponent of a context's frequency: rare ones are taken to be less rare (Levy et al., section 3.2). */
const SMOOTHING = 0.75;
/** Columns beyond those that are kept, and products with the matrix and its transpose (Halko, Martinsson and Tropp 2011, sections 4.2 and 4.5). */
const OVERSAMPLING = 16;
const ITERATIONS = 3;
/** Eigenvalues that are less than this, of the largest, are what float32 rounds. */
const ROUNDING = 1e-6;
/** Texts that are read in one go. */
const AT_ONCE = 1024;

/** How words go with contexts: one row per word that the texts have, one column per context that counts. */
interface Associations {
  readonly words: Int32Array;
  /** max(0, log(p(w, c) / (p(w) p'(c)))) with p'(c) = n(c)^0.75 / Σ n^0.75 over all words: [words, contexts] */
  readonly information: FloatTensor;
}

export interface WordVectorOptions {
  readonly seed: number;
  readonly threads: number;
  readonly mostContexts?: number;
  readonly onProgress?: OnProgress | undefined;
  readonly interrupt?: AbortSignal | undefined;
}

/** Tells of parts that are done, lets signals in, and fails with the signal's reason where the work was interrupted. */
class Parts {
  private done = 0;
  private readonly options: WordVectorOptions;

  constructor(options: WordVectorOptions) {
    this.options = options;
  }

  /** Texts, counts, iterations, vectors. */
  async next(): Promise<void> {
    this.options.onProgress?.('word vectors', ++this.done, ITERATIONS + 3);
    await this.pause();
  }

  async pause(): Promise<void> {
    await setImmediate();
    this.options.interrupt?.throwIfAborted();
  }
}

/**
 * The word table, [V, D], with the vectors of the words that `texts` (token ids, without special ones) have; what no context says anything of stays as it
 * is in `fresh`, and so do dimensions beyond what the texts can fill. A vector keeps the length that it had. Computed on the processor, wherever training runs.
 */
export async function countedWordTable(
  fresh: FloatTensor,
  texts: Iterable<readonly number[]>,
  options: WordVectorOptions,
): Promise<FloatTensor> {
  const [vocabularySize = 0, D = 0] = fresh.shape;
  const parts = new Parts(options);
  const ids = await read(texts, parts);
  const { words, information } = associationsOf(ids, vocabularySize, options.mostContexts ?? MOST_CONTEXTS);
  await parts.next();
  const { vectors, dimensions } = await leadingVectors(information, D, options, parts);
  const [, k = 0] = vectors.shape;
  const table = fresh.data.slice();
  for (const [row, word] of words.entries()) {
    const vector = vectors.data.subarray(row * k, row * k + dimensions);
    const place = table.subarray(word * D, word * D + dimensions);
    const factor = Math.hypot(...place) / Math.hypot(...vector);
    if (Number.isFinite(factor)) place.set(vector.map((value) => factor * value));
  }
  return float32(table, fresh.shape);
}

async function read(texts: Iterable<readonly number[]>, parts: Parts): Promise<Int32Array[]> {
  const ids: Int32Array[] = [];
  for (const text of texts) {
    ids.push(Int32Array.from(text));
    if (ids.length % AT_ONCE === 0) await parts.pause();
  }
  await parts.next();
  return ids;
}

/** The words that texts have, the most frequent first. */
function frequentFirst(texts: readonly Int32Array[], vocabularySize: number): Int32Array {
  const counts = new Int32Array(vocabularySize);
  for (const ids of texts) for (const id of ids) counts[id] = (counts[id] as number) + 1;
  return Int32Array.from(counts.keys())
    .filter((id) => (counts[id] as number) > 0)
    .sort((a, b) => (counts[b] as number) - (counts[a] as number) || a - b);
}

function associationsOf(texts: readonly Int32Array[], vocabularySize: number, mostContexts: number): Associations {
  const words = frequentFirst(texts, vocabularySize);
  const contexts = Math.min(mostContexts, words.length, Math.floor(MOST_CELLS / Math.max(1, words.length)));
  const rowOf = new Int32Array(vocabularySize);
  for (const [row, word] of words.entries()) rowOf[word] = row;
  const cells = new Float32Array(words.length * contexts);
  const totals = new Float64Array(words.length);
  const count = (row: number, context: number, weight: number): void => {
    totals[row] = (totals[row] as number) + weight;
    if (context >= contexts) return;
    const cell = row * contexts + context;
    cells[cell] = (cells[cell] as number) + weight;
  };
  for (const ids of texts) {
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

/** Left singular vectors times the roots of their values, turned at random. */
interface LeadingVectors {
  /** [words, k] */
  readonly vectors: FloatTensor;
  /** How many of the k columns have a vector: D, or as many as there are values that are not 0 but for rounding. */
  readonly dimensions: number;
}

/**
 * U √S R of A = U S Vᵀ: [words, contexts] -> [words, k], by subspace iteration from random directions (Halko et al., algorithm 4.4). R is a random rotation
 * of the dimensions that are kept: angles and lengths are the same, and no dimension says more than another, as multiplexers that give an instance some
 * of the dimensions need it.
 */
async function leadingVectors(
  A: FloatTensor,
  D: number,
  { seed, threads }: WordVectorOptions,
  parts: Parts,
): Promise<LeadingVectors> {
  const [, contexts = 0] = A.shape;
  const k = Math.min(D + OVERSAMPLING, contexts);
  const none: LeadingVectors = { vectors: float32(new Float32Array(0), [0, 0]), dimensions: 0 };
  if (k === 0) return none;
  const draws = random(seed, 'word vectors');
  const inputs = { A: input('A', A.shape), Q: input('Q', [contexts, k]) };
  const image = matmul(inputs.A, inputs.Q);
  const session = await compile(
    { outputs: { image, square: matmul(inputs.A, image, { transposeA: true }) } },
    cpu(threads),
  );
  return closing(session, async () => {
    let Q = normal(contexts, k, draws);
    let square = Q;
    for (let iteration = 0; iteration < ITERATIONS; iteration++) {
      Q = new QrDecomposition(square).orthogonalMatrix;
      const { square: AtAQ } = await session.run({ A, Q: tensorOf(Q) });
      square = Matrix.from1DArray(contexts, k, (AtAQ as FloatTensor).data);
      await parts.next();
    }
    // QᵀAᵀA Q = W S² Wᵀ and V = Q W; so U √S = A V S^-½.
    const { eigenvectorMatrix: W, realEigenvalues: squares } = new EigenvalueDecomposition(Q.transpose().mmul(square), {
      assumeSymmetric: true,
    });
    const least = ROUNDING * (squares.at(-1) as number); // the largest is the last
    const dimensions = Math.min(D, squares.filter((value) => value > least).length);
    if (dimensions === 0) return none;
    const leading = Array.from({ length: dimensions }, (_, at) => k - 1 - at);
    const roots = leading.map((at) => (squares[at] as number) ** -0.25);
    const rotation = new QrDecomposition(normal(dimensions, dimensions, draws)).orthogonalMatrix;
    const turned = Q.mmul(W.subMatrixColumn(leading).mulRowVector(roots)).mmul(rotation);
    const { image: vectors } = await session.run({
      A,
      Q: tensorOf(Matrix.zeros(contexts, k).setSubMatrix(turned, 0, 0)),
    });
    await parts.next();
    return { vectors: vectors as FloatTensor, dimensions };
  });
}

const normal = (rows: number, columns: number, draws: Random): Matrix =>
  Matrix.from1DArray(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => draws.normal()),
  );
const tensorOf = (matrix: Matrix): FloatTensor => float32(matrix.to1DArray(), [matrix.rows, matrix.columns]);
