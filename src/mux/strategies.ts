/**
 * Strategies as rows of two tables: how N inputs are mixed, and how N answers are told apart. A model's configuration names one of each;
 * nothing else in the project asks which one it is. A new strategy is one object and one row.
 */
import { ConfigError, type ParameterTree } from '../base/index.ts';
import type { Dim, Node } from '../graph/index.ts';
import type { MuxConfig, ParameterShapes, Parameters } from '../model/index.ts';
import { initialDemuxKeys, rsaDemultiplex, rsaShapes } from './demultiplexer.ts';
import { gaussianKeys, hadamardMean } from './multiplexer.ts';

/** Sizes that a strategy's parameters follow from. */
export interface MuxSizes {
  /** N */
  readonly instances: number;
  /** D, what is left of it after pruning. */
  readonly hiddenSize: number;
  /** Width of the features that the classifier reads, which pruning leaves alone. */
  readonly featureSize: number;
}

/** What both kinds of strategies say of their parameters; names begin with `mux.` or `demux.`. */
interface Strategy {
  readonly shapes: (sizes: MuxSizes) => ParameterShapes;
  /** Parameters that do not start as an encoder's weights do. */
  readonly initial: (sizes: MuxSizes, seed: number) => ParameterTree;
  /** Names of those that are never trained. */
  readonly frozen: readonly string[];
}

export interface Multiplexer extends Strategy {
  /** Embedded rows, N consecutive ones a group, to one row a group: [N*B, T, D] -> [B, T, D]. */
  readonly multiplex: (rows: Node, B: Dim, p: Parameters) => Node;
}

export interface Demultiplexer extends Strategy {
  /** A state of each group to features of each of its rows: [B, D] -> [N*B, D']. */
  readonly demultiplex: (state: Node, N: number, epsilon: number, p: Parameters) => Node;
}

const gaussianHadamard: Multiplexer = {
  shapes: ({ instances, hiddenSize }) => new Map([['mux.keys', [instances, hiddenSize]]]),
  initial: ({ instances, hiddenSize }, seed) => new Map([['mux.keys', gaussianKeys(instances, hiddenSize, seed)]]),
  frozen: ['mux.keys'],
  multiplex: (rows, B, p) => hadamardMean(rows, p('mux.keys'), B),
};

const rsa: Demultiplexer = {
  shapes: ({ instances, hiddenSize, featureSize }) => rsaShapes(instances, hiddenSize, featureSize),
  initial: ({ instances, hiddenSize }, seed) =>
    new Map([['demux.keys', initialDemuxKeys(instances, hiddenSize, seed)]]),
  frozen: [],
  demultiplex: rsaDemultiplex,
};

export const MULTIPLEXERS = { 'gaussian-hadamard': gaussianHadamard } satisfies Record<string, Multiplexer>;
export const DEMULTIPLEXERS = { rsa } satisfies Record<string, Demultiplexer>;

function rowOf<T>(table: Readonly<Record<string, T>>, kind: string, name: string): T {
  const row = Object.hasOwn(table, name) ? table[name] : undefined;
  if (row !== undefined) return row;
  throw new ConfigError(kind, { expected: Object.keys(table).join(', '), got: name });
}

/** The two strategies that a configuration names. Throws ConfigError for a name that no table has. */
export function strategiesOf(mux: MuxConfig): {
  readonly multiplexer: Multiplexer;
  readonly demultiplexer: Demultiplexer;
} {
  return {
    multiplexer: rowOf<Multiplexer>(MULTIPLEXERS, 'multiplexer', mux.multiplexer),
    demultiplexer: rowOf<Demultiplexer>(DEMULTIPLEXERS, 'demultiplexer', mux.demultiplexer),
  };
}
