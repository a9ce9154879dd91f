/**
 * What pruning is to save, as a value: weights, or time. Expected savings drive the gates, and those of a decided structure say what is
 * kept; nothing else in the project asks which of the two it is.
 */
import type { Node } from '../graph/index.ts';
import type { EncoderConfig, KeptStructure } from '../model/index.ts';
import type { GateNodes } from './gates.ts';
import { expectedSparsity, realisedSparsity } from './sparsity.ts';

/** What a person asks for and is told: the share of the encoder's weights that is gone, or how many times as fast the model is. */
export const MEASURES = ['sparsity', 'speedup'] as const;
export type Measure = (typeof MEASURES)[number];

/** Widths that kernels work best with come in multiples of these. */
export interface WidthMultiples {
  readonly hidden: number;
  readonly units: number;
}

export interface Budget {
  readonly measure: Measure;
  /** The share of the whole encoder's cost that gates are expected to save, 0 to 1: a scalar. */
  readonly expected: (logAlpha: GateNodes) => Node;
  /** The share that a structure saves. */
  readonly saved: (kept: KeptStructure) => number;
  /** What a saved share comes to in the measure, in a graph and outside, and the share for a level of the measure. */
  readonly levelOf: (saved: Node) => Node;
  readonly levelAt: (saved: number) => number;
  readonly shareAt: (level: number) => number;
  readonly multiples: WidthMultiples;
}

/** Weights of the encoder; the share saved is the sparsity. */
export function weightBudget(config: EncoderConfig): Budget {
  return {
    measure: 'sparsity',
    expected: (logAlpha) => expectedSparsity(config, logAlpha),
    saved: (kept) => realisedSparsity(config, kept),
    levelOf: (saved) => saved,
    levelAt: (saved) => saved,
    shareAt: (sparsity) => sparsity,
    multiples: { hidden: 1, units: 1 },
  };
}

/** Everything: no gate is closed. */
export function wholeStructure({ hiddenSize, layers }: EncoderConfig): KeptStructure {
  const all = (count: number): number[] => Array.from({ length: count }, (_, at) => at);
  return {
    hidden: all(hiddenSize),
    layers: layers.map(({ heads, intermediateSize }) => ({ heads: all(heads), intermediate: all(intermediateSize) })),
  };
}
