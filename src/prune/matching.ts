/**
 * Learning from a teacher's layers, here those of the unpruned model: chosen ones, each matched with a layer of the student.
 * Paper: Structured Pruning Learns Compact and Accurate Models (CoFi; Xia et al. 2022), section 3.2, eq. 6 - https://arxiv.org/abs/2204.00408
 */
import { type FloatTensor, float32, type ParameterTree } from '../base/index.ts';
import {
  add,
  cast,
  dims,
  div,
  fixed,
  linear,
  mul,
  type Node,
  reduceSum,
  reshape,
  sub,
  sumSquares,
} from '../graph/index.ts';
import type { ParameterShapes, Parameters } from '../model/index.ts';

const PROJECTION = 'distill.projection';
const TEACHER_LAYERS = 4;

/** Layers by index. */
export interface LayerMatch {
  readonly teacher: number;
  readonly student: number;
}

/** Four teacher layers at even distances, up to the last (2, 5, 8, 11 of twelve), each with the student's layer of that index. */
export function matchSameLayers(layers: number): LayerMatch[] {
  const count = Math.min(TEACHER_LAYERS, layers);
  return Array.from({ length: count }, (_, each) => {
    const at = Math.round(((each + 1) * layers) / count) - 1;
    return { teacher: at, student: at };
  });
}

/** The projection W, b from the student's states to the teacher's, one for all layers. */
export function projectionShapes(hiddenSize: number): ParameterShapes {
  return new Map<string, readonly number[]>([
    [`${PROJECTION}.weight`, [hiddenSize, hiddenSize]],
    [`${PROJECTION}.bias`, [hiddenSize]],
  ]);
}

/** W = I, b = 0. */
export function initialProjection(hiddenSize: number): ParameterTree {
  const identity = new Float32Array(hiddenSize * hiddenSize);
  for (let at = 0; at < hiddenSize; at++) identity[at * hiddenSize + at] = 1;
  return new Map<string, FloatTensor>([
    [`${PROJECTION}.weight`, float32(identity, [hiddenSize, hiddenSize])],
    [`${PROJECTION}.bias`, float32(new Float32Array(hiddenSize), [hiddenSize])],
  ]);
}

/** States of one matched pair of layers, [B, T, D] each. */
export interface StatePair {
  readonly teacher: Node;
  readonly student: Node;
}

/** The states that are compared, out of those of every layer. */
export function statePairs(
  matches: readonly LayerMatch[],
  teacher: readonly Node[],
  student: readonly Node[],
): StatePair[] {
  return matches.map((match) => ({
    teacher: teacher[match.teacher] as Node,
    student: student[match.student] as Node,
  }));
}

/**
 * Σ over pairs of the mean over real positions and dimensions of (h_teacher - (W h_student + b))²: a scalar. The mask is [B, T], 1 where a
 * position is real; not all 0. Departs from the paper's code, which counts padding too.
 */
export function layerDistillation(pairs: readonly StatePair[], mask: Node, p: Parameters): Node {
  const real = cast(mask, 'float32');
  const errors = pairs.map(({ teacher, student }) => {
    const projected = linear(student, p(`${PROJECTION}.weight`), p(`${PROJECTION}.bias`));
    return squaredError(teacher, projected, real);
  });
  return errors.reduce((sum, error) => add(sum, error));
}

/** Σ m (x - y)² / (D Σ m), where m is 0 or 1: [B, T, D], [B, T, D], [B, T] -> [] */
function squaredError(x: Node, y: Node, mask: Node): Node {
  const { B, T, D } = dims(x, 'B T D');
  const difference = mul(sub(y, x), reshape(mask, [B, T, 1]));
  const count = mul(reduceSum(mask, [0, 1]), fixed('layerDistillation', D));
  return div(sumSquares(difference), count);
}
