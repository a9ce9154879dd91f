/**
 * Time as what pruning saves: measured times of sub-layers, by their widths, in place of counts of weights. The unit is a pass through the
 * unpruned model.
 * Papers: ZipLM (Kurtic et al. 2023), section 3.2 - https://arxiv.org/abs/2302.04089; A Fast Post-Training Pruning Framework for
 * Transformers (Kwon et al. 2022), section 4.1 - https://arxiv.org/abs/2204.09656
 */
import { float32 } from '../base/index.ts';
import {
  add,
  clip,
  concat,
  constant,
  div,
  fixed,
  matmul,
  mul,
  type Node,
  reduceSum,
  reshape,
  slice,
  sub,
} from '../graph/index.ts';
import type { EncoderConfig, KeptStructure } from '../model/index.ts';
import { type Budget, type WidthMultiples, wholeStructure } from './budget.ts';
import { type GateNodes, keepProbability } from './gates.ts';
import { uniformShape } from './uniform-shape.ts';

/**
 * What a layer works on: rows one by one, before they are mixed; groups; or of each group only the states that are read, as the last
 * attention and all that follows it do.
 */
export const PLACES = ['rows', 'groups', 'read'] as const;
export type Place = (typeof PLACES)[number];

/** Times of a sub-layer in a pass, by its width (heads, units) and the hidden size: [widths, hidden sizes] of the table's grid. */
export interface SubLayerTimes {
  readonly attention: readonly (readonly number[])[];
  readonly feedForward: readonly (readonly number[])[];
}

/** Measured times of one pass of a model on one machine. Every grid ascends; those of heads and units begin with 0, where nothing is run. */
export interface TimeTable {
  readonly heads: readonly number[];
  readonly units: readonly number[];
  readonly hidden: readonly number[];
  /** Time of all that is no sub-layer: embeddings, multiplexer, demultiplexer, head. [hidden sizes] */
  readonly rest: readonly number[];
  readonly places: Readonly<Partial<Record<Place, SubLayerTimes>>>;
  /** Layers before the mixture, and whether only some states of the last layer are read. */
  readonly prefillLayers: number;
  readonly isReadInPart: boolean;
  readonly multiples: WidthMultiples;
}

/** The place of each layer, the last attention being that of layer `last`. */
function placesOf({ prefillLayers, isReadInPart }: TimeTable, layers: number, last: number): Place[] {
  return Array.from({ length: layers }, (_, at) => {
    if (at < prefillLayers) return 'rows';
    return isReadInPart && at >= last ? 'read' : 'groups';
  });
}

/** Where x is on a grid: weights of the grid's points that interpolate linearly between neighbours; beyond the ends, those of the end. */
export function interpolation(grid: readonly number[], x: number): number[] {
  const passed = grid.slice(1).map((end, at) => {
    const start = grid[at] as number;
    return Math.min(1, Math.max(0, (x - start) / (end - start)));
  });
  return grid.map((_, at) => (passed[at - 1] ?? 1) - (passed[at] ?? 0));
}

/** The same of many numbers in a graph: [m] -> [m, points] */
function interpolationOf(grid: readonly number[], x: Node): Node {
  const m = fixed('interpolation', x.shape[0]);
  const row = (values: readonly number[]): Node => constant(float32(values, [1, values.length]));
  const column = (value: number): Node => constant(float32(new Float32Array(m).fill(value), [m, 1]));
  if (grid.length === 1) return column(1);
  const starts = grid.slice(0, -1);
  const widths = starts.map((start, at) => (grid[at + 1] as number) - start);
  const passed = clip(div(sub(reshape(x, [m, 1]), row(starts)), row(widths)), 0, 1);
  return sub(concat([column(1), passed], 1), concat([passed, column(0)], 1));
}

const dot = (weights: readonly number[], values: readonly number[]): number =>
  weights.reduce((sum, weight, at) => sum + weight * (values[at] ?? 0), 0);

type Family = keyof SubLayerTimes;

function timesAt({ places }: TimeTable, place: Place, family: Family): readonly (readonly number[])[] {
  return places[place]?.[family] ?? [];
}

/** The time of a pass through a structure. */
export function passTime(table: TimeTable, { hidden, layers }: KeptStructure): number {
  const byHidden = interpolation(table.hidden, hidden.length);
  const lastAttention = layers.findLastIndex(({ heads }) => heads.length > 0);
  const places = placesOf(table, layers.length, Math.max(lastAttention, table.prefillLayers));
  const timeOf = (at: number, family: Family, grid: readonly number[], width: number): number => {
    const times = timesAt(table, places[at] as Place, family);
    return dot(
      interpolation(grid, width),
      times.map((row) => dot(byHidden, row)),
    );
  };
  const subLayers = layers.map(
    ({ heads, intermediate }, at) =>
      timeOf(at, 'attention', table.heads, heads.length) + timeOf(at, 'feedForward', table.units, intermediate.length),
  );
  return dot(byHidden, table.rest) + subLayers.reduce((sum, time) => sum + time, 0);
}

/** Gates of one kind of sub-layer: its own, and those of its heads or units. */
interface SubLayerGates {
  readonly family: Family;
  readonly grid: readonly number[];
  /** logAlpha, [L] and [L, n] */
  readonly layers: Node;
  readonly parts: Node;
}

/** Σ over layers of P(the sub-layer is open) · its time at the expected number of open parts and hidden dimensions, `byHidden` [1, points]. */
function expectedTime(table: TimeTable, byHidden: Node, { family, grid, layers, parts }: SubLayerGates): Node {
  const L = fixed('expectedTime', layers.shape[0]);
  const byWidth = interpolationOf(grid, reduceSum(keepProbability(parts), [1])); // [L, points]
  const open = keepProbability(layers);
  return placesOf(table, L, L - 1)
    .map((place, at) => {
      const times = timesAt(table, place, family);
      const matrix = constant(float32(times.flat(), [grid.length, table.hidden.length]));
      const time = reduceSum(mul(matmul(slice(byWidth, 0, at, at + 1), matrix), byHidden), [0, 1]); // []
      return mul(time, reshape(slice(open, 0, at, at + 1), []));
    })
    .reduce((sum, time) => add(sum, time));
}

/**
 * The expected time of a pass: a scalar. Piecewise linear in the expected numbers of heads, units and hidden dimensions. The last layer
 * is taken for the one with the last attention, as it is while its attention is open.
 */
export function expectedPassTime(table: TimeTable, logAlpha: GateNodes): Node {
  const dimensions = reduceSum(keepProbability(logAlpha.hidden), [0], true); // [1]
  const byHidden = interpolationOf(table.hidden, dimensions); // [1, points]
  const rest = reduceSum(mul(byHidden, constant(float32(table.rest, [1, table.rest.length]))), [0, 1]);
  const { attention, heads, ffn, intermediate } = logAlpha;
  const kinds: readonly SubLayerGates[] = [
    { family: 'attention', grid: table.heads, layers: attention, parts: heads },
    { family: 'feedForward', grid: table.units, layers: ffn, parts: intermediate },
  ];
  return kinds.map((gates) => expectedTime(table, byHidden, gates)).reduce(add, rest);
}

/** Time of a pass; `unpruned` says how many times as fast as the dense teacher the model is before pruning. */
export function timeBudget(config: EncoderConfig, table: TimeTable, unpruned: number): Budget {
  uniformShape(config);
  const whole = passTime(table, wholeStructure(config));
  return {
    measure: 'speedup',
    expected: (logAlpha) => sub(1, mul(expectedPassTime(table, logAlpha), 1 / whole)),
    saved: (kept) => 1 - passTime(table, kept) / whole,
    levelOf: (saved) => div(unpruned, sub(1, saved)),
    levelAt: (saved) => unpruned / (1 - saved),
    shareAt: (speedup) => 1 - unpruned / speedup,
    multiples: table.multiples,
  };
}
