/**
 * Learning from a teacher's layers, here those of the unpruned model: chosen ones, each matched with a layer of the student, in every step anew.
 * Paper: Structured Pruning Learns Compact and Accurate Models (CoFi; Xia et al. 2022), section 3.2, eq. 6 - https://arxiv.org/abs/2204.00408
 */
import { type FloatTensor, float32, type ParameterTree } from '../base/index.ts';
import {
  argMax,
  cast,
  concat,
  constant,
  dims,
  div,
  fixed,
  greater,
  linear,
  matmul,
  mul,
  type Node,
  neg,
  oneHot,
  product,
  reduceMax,
  reduceSum,
  reshape,
  slice,
  stopGradient,
  sub,
  sumSquares,
  where,
} from '../graph/index.ts';
import type { Parameters } from '../model/index.ts';

const PROJECTION = 'distill.projection';
const TEACHER_LAYERS = 4;

/** Four layers at even distances, up to the last: every third of twelve (2, 5, 8, 11); all of four or fewer. */
export function teachingLayers(layers: number): number[] {
  const count = Math.min(TEACHER_LAYERS, layers);
  return Array.from({ length: count }, (_, each) => Math.round(((each + 1) * layers) / count) - 1);
}

/** The projection W, b from the student's states to the teacher's, one for all layers, as the identity: W = I, b = 0. */
export function initialProjection(hiddenSize: number): ParameterTree {
  const identity = new Float32Array(hiddenSize * hiddenSize);
  for (let at = 0; at < hiddenSize; at++) identity[at * hiddenSize + at] = 1;
  return new Map<string, FloatTensor>([
    [`${PROJECTION}.weight`, float32(identity, [hiddenSize, hiddenSize])],
    [`${PROJECTION}.bias`, float32(new Float32Array(hiddenSize), [hiddenSize])],
  ]);
}

/** States that are to be matched, as rows of n = B·T·D numbers: those of k teaching layers, [k, n], and of s candidates, [s, n]. */
interface Candidates {
  readonly teacher: Node;
  readonly student: Node;
  /** 1 for candidates that do something in this step, 0 for those that pass their input on: [s] */
  readonly alive: Node;
}

/** How layers are matched. */
interface Matching {
  /** The student's layers that may be chosen, of all that see the same positions. */
  readonly candidates: (teaching: readonly number[], all: readonly number[]) => readonly number[];
  /** A row for each teaching layer, 1 at its candidate and 0 elsewhere; only zeros where it has none: [k, s] */
  readonly select: (states: Candidates) => Node;
}

/** 1 where column <= row: [size, size] */
function lowerTriangle(size: number): Node {
  const ones = Float32Array.from({ length: size * size }, (_, cell) => Number(cell % size <= Math.floor(cell / size)));
  return constant(float32(ones, [size, size]));
}

function identity(size: number): Node {
  const ones = Float32Array.from({ length: size * size }, (_, cell) => Number(cell % size === Math.floor(cell / size)));
  return constant(float32(ones, [size, size]));
}

const FARTHEST = 3e38;

/**
 * From the last teaching layer to the first, the nearest candidate that is alive and not above the one chosen before. Without any
 * candidate alive, nothing is matched and nothing learned. No gradient flows through the choice.
 * Departs from the paper's code (its version 4), which counts a layer as gone with its attention alone, asks for a strictly lower layer
 * each time, and fails where the last one finds none; the first is as its author corrects it (issue 53), the others follow from allowing the
 * same layer again.
 */
function selectNearest({ teacher, student, alive }: Candidates): Node {
  const [taught, learnt] = [stopGradient(teacher), stopGradient(student)];
  const k = fixed('matching', teacher.shape[0]);
  const s = fixed('matching', student.shape[0]);
  // |t - s|² - |t|², as |t|² is the same for all candidates of a row
  const norms = reshape(reduceSum(mul(learnt, learnt), [1]), [1, s]);
  const distances = sub(norms, mul(matmul(taught, learnt, { transposeB: true }), 2)); // [k, s]
  const upTo = lowerTriangle(s);
  const rows: Node[] = [];
  let allowed = reshape(alive, [1, s]);
  for (let layer = k - 1; layer >= 0; layer--) {
    const nearness = where(greater(allowed, 0), neg(slice(distances, 0, layer, layer + 1)), -FARTHEST);
    const chosen = mul(oneHot(argMax(nearness), s), allowed); // [1, s]; zeros where none is allowed
    rows.unshift(chosen);
    allowed = mul(allowed, matmul(chosen, upTo));
  }
  return concat(rows, 0);
}

/** Ways to match layers: each with the one of its index, or with the nearest. */
export const MATCHINGS = {
  same: {
    candidates: (teaching) => teaching,
    select: ({ teacher }) => identity(fixed('matching', teacher.shape[0])),
  },
  nearest: { candidates: (_, all) => all, select: selectNearest },
} as const satisfies Record<string, Matching>;

export type MatchingName = keyof typeof MATCHINGS;

/** Layers of teacher and student that see the same positions: rows before a mixture, or groups after it. */
export interface LayerStretch {
  /** Indices of the layers, ascending; those that teach among them. */
  readonly layers: readonly number[];
  readonly teaching: readonly number[];
  /** States of every layer of the model by index, [B, T, D] each. */
  readonly teacher: readonly Node[];
  readonly student: readonly Node[];
  /** 1 for every layer of the model that does something in this step, 0 for others: [1] each. */
  readonly alive: readonly Node[];
  /** 1 where a position is real, [B, T]; not all 0. */
  readonly mask: Node;
}

const pick = (nodes: readonly Node[], indices: readonly number[]): Node[] => indices.map((at) => nodes[at] as Node);

/**
 * Σ over teaching layers of the mean over real positions and dimensions of (h_teacher - (W h_student + b))², where h_student is of the
 * layer that is matched: a scalar. Departs from the paper's code, which counts padding too.
 */
export function layerDistillation(stretch: LayerStretch, matching: MatchingName, p: Parameters): Node {
  const { layers, teaching, mask } = stretch;
  const { candidates, select }: Matching = MATCHINGS[matching];
  const chosen = candidates(teaching, layers);
  const project = (state: Node): Node => linear(state, p(`${PROJECTION}.weight`), p(`${PROJECTION}.bias`));
  const real = cast(mask, 'float32');
  const teacher = stateRows(pick(stretch.teacher, teaching), real);
  const student = stateRows(pick(stretch.student, chosen).map(project), real);
  const selection = select({ teacher, student, alive: concat(pick(stretch.alive, chosen), 0) });
  const isMatched = reduceMax(selection, [1], true); // [k, 1]
  const difference = mul(sub(matmul(selection, student), teacher), isMatched);
  const { D } = dims(stretch.teacher[0] as Node, 'B T D');
  return div(sumSquares(difference), mul(reduceSum(real, [0, 1]), fixed('layerDistillation', D)));
}

/** States as rows, 0 where the mask is: [B, T, D] each, [B, T] -> [their number, B·T·D] */
function stateRows(states: readonly Node[], real: Node): Node {
  const { B, T } = dims(real, 'B T');
  const masked = states.map((state) => mul(state, reshape(real, [B, T, 1])));
  return concat(
    masked.map((state) => reshape(state, [1, product(state.shape)])),
    0,
  );
}
