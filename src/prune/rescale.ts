/**
 * Scales for the parts that are kept: least squares, so that the result of a sub-layer comes as close as it can to what it was with all parts.
 * Paper: A Fast Post-Training Pruning Framework for Transformers (Kwon et al. 2022), section 4.3, mask tuning - https://arxiv.org/abs/2204.09656
 */
import { assert, type FloatTensor, float32, type ParameterTree, parameterOf } from '../base/index.ts';
import { matmul, mul, type Node, reduceSum, sumSquares } from '../graph/index.ts';
import type { EncoderConfig } from '../model/index.ts';
import { type LayerParts, type Parts, partsOf } from './parts.ts';
import { solveSymmetric } from './symmetric-solve.ts';

/** What the kept parts of each layer are multiplied by; 0 for parts that are cut: heads [H], units [F]. */
export type Scales = readonly LayerParts<Float64Array>[];

/** What a batch says about the outputs z of parts and the residual r that they are to explain; e = n·width outputs of n parts. */
export interface Moments<T> {
  /** Σ z zᵀ over positions: [e, e] */
  readonly outputs: T;
  /** Σ z ⊙ Wᵀ r: [e] */
  readonly residual: T;
  /** Σ rᵀ r: one number */
  readonly squares: T;
}

export interface Outputs {
  /** z of the pruned model: [X·T, e] */
  readonly outputs: Node;
  /** What the sub-layer's sum lacks: [X·T, D] */
  readonly residual: Node;
  /** 1 where a position counts, else 0: [X·T, 1] */
  readonly counted: Node;
  /** W, which carries z into the states: [D, e] */
  readonly weight: Node;
}

export function momentsOf({ outputs, residual, counted, weight }: Outputs): Moments<Node> {
  const z = mul(outputs, counted);
  return {
    outputs: matmul(z, z, { transposeA: true }),
    residual: reduceSum(mul(z, matmul(residual, weight)), [0]),
    squares: sumSquares(mul(residual, counted)),
  };
}

/** A ridge regression, as normal equations. */
interface NormalEquations {
  /** [n, n] */
  readonly matrix: Float64Array;
  /** [n] */
  readonly vector: Float64Array;
}

/** Wᵀ W of some columns: [D, e] -> the product of two columns. */
function columnProducts({ shape, data }: FloatTensor): (one: number, other: number) => number {
  const [D = 0, e = 0] = shape;
  const columns = Array.from({ length: e }, (_, column) =>
    Float64Array.from({ length: D }, (__, row) => data[row * e + column] as number),
  );
  return (one, other) => {
    const [a, b] = [columns[one] as Float64Array, columns[other] as Float64Array];
    let sum = 0;
    for (let row = 0; row < D; row++) sum += (a[row] as number) * (b[row] as number);
    return sum;
  };
}

/**
 * Part i adds cᵢ = Σ_k zᵢₖ Wᵢₖ to the states, and cᵢ · cⱼ = Σ_kl (zᵢₖ zⱼₗ) (Wᵢₖ · Wⱼₗ): both factors are sums that do not need the c themselves,
 * [X·T, n, D], which would not fit. A = Σ cᵢ · cⱼ and v = Σ cᵢ · r, for the kept parts.
 */
function normalEquations(
  moments: Moments<Float64Array>,
  weight: FloatTensor,
  kept: readonly number[],
  width: number,
): NormalEquations {
  const e = moments.residual.length;
  const product = columnProducts(weight);
  const sumOver = (part: number, term: (output: number) => number): number => {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += term(part * width + k);
    return sum;
  };
  const n = kept.length;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const shared = sumOver(kept[i] as number, (a) =>
        sumOver(kept[j] as number, (b) => (moments.outputs[a * e + b] as number) * product(a, b)),
      );
      matrix[i * n + j] = shared;
      matrix[j * n + i] = shared;
    }
  }
  const vector = Float64Array.from(kept, (part) => sumOver(part, (a) => moments.residual[a] as number));
  return { matrix, vector };
}

/** Damping as a share of the mean diagonal element: what float32 sums leave of directions that the data hardly has would be noise. */
const DAMPING = 1e-3;

/** Scales beyond this are the sign of a system that says too little (section 4.3 of the paper). */
const LARGEST_SCALE = 10;

export interface Rescaled {
  /** Of all n parts: 0 for those that are cut. */
  readonly scales: Float64Array;
  /** Share of Σ rᵀ r that is left. */
  readonly left: number;
}

/** Scales of 1 for what is kept. */
export function unitScales(kept: readonly number[], count: number): Float64Array {
  const scales = new Float64Array(count);
  for (const part of kept) scales[part] = 1;
  return scales;
}

/**
 * 1 + δ with δ the least ‖C δ - r‖² + λ ‖δ‖², C having a column for what each kept part adds to the states. Where a scale is out of bounds, all
 * stay 1.
 */
export function rescale(
  moments: Moments<Float64Array>,
  weight: FloatTensor,
  kept: readonly number[],
  { count, width }: Pick<Parts, 'count' | 'width'>,
): Rescaled {
  const scales = unitScales(kept, count);
  const squares = moments.squares[0] as number;
  const { matrix, vector } = normalEquations(moments, weight, kept, width);
  const n = kept.length;
  const trace = kept.reduce((sum, _, at) => sum + (matrix[at * n + at] as number), 0);
  if (trace === 0 || squares === 0) return { scales, left: 1 };
  const damped = matrix.slice();
  for (let at = 0; at < n; at++) damped[at * n + at] = (matrix[at * n + at] as number) + (DAMPING * trace) / n;
  const delta = solveSymmetric(damped, vector);
  if (delta.some((change) => Math.abs(1 + change) > LARGEST_SCALE)) return { scales, left: 1 };
  kept.forEach((part, at) => {
    scales[part] = 1 + (delta[at] as number);
  });
  return { scales, left: 1 - explained(matrix, vector, delta) / squares };
}

/** ‖r‖² - ‖C δ - r‖² = 2 δᵀ v - δᵀ A δ */
function explained(matrix: Float64Array, vector: Float64Array, delta: Float64Array): number {
  const n = delta.length;
  return delta.reduce((sum, change, at) => {
    const row = delta.reduce((product, other, column) => product + (matrix[at * n + column] as number) * other, 0);
    return sum + change * (2 * (vector[at] as number) - row);
  }, 0);
}

/** The same model with scales in the weights that read the parts, whose columns they multiply. Slicing then cuts columns of 0. */
export function foldScales(config: EncoderConfig, parameters: ParameterTree, scales: Scales): ParameterTree {
  const folded = partsOf(config).map(({ at, family, width, weight }): [string, FloatTensor] => {
    const ofParts = scales[at]?.[family];
    assert(ofParts !== undefined, `scales of ${family} of layer ${at}`);
    const { data, shape } = parameterOf(parameters, weight);
    const e = shape[1] ?? 0;
    const scaled = data.map((value, index) => value * (ofParts[Math.floor((index % e) / width)] as number));
    return [weight, float32(scaled, shape)];
  });
  return new Map([...parameters, ...folded]);
}
