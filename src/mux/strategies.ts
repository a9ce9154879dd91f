/**
 * Strategies as rows of two tables: how N inputs are mixed, and how N answers are told apart. A model's configuration names one of each;
 * nothing else in the project asks which one it is. A new strategy is one object and one row.
 */
import { ConfigError } from '../base/index.ts';
import type { MuxConfig } from '../model/index.ts';
import { contextual } from './contextual.ts';
import { contextualSubspaces } from './contextual-subspace.ts';
import { indexEmbeddings, perceptrons, rsa } from './demultiplexer.ts';
import { chunkKeys, gaussianKeys, orthogonalSignKeys } from './keys.ts';
import { hadamard, learned } from './multiplexer.ts';
import { randomRotations, subspaces } from './projections.ts';
import type { Demultiplexer, Multiplexer } from './strategy.ts';

const gaussianHadamard = hadamard(gaussianKeys);
const binaryHadamard = hadamard(chunkKeys);
const orthogonalKeys = hadamard(orthogonalSignKeys);

export const MULTIPLEXERS = {
  'gaussian-hadamard': gaussianHadamard,
  'gaussian-hadamard-learned': learned(gaussianHadamard),
  'binary-hadamard': binaryHadamard,
  'binary-hadamard-learned': learned(binaryHadamard),
  'orthogonal-keys': orthogonalKeys,
  'orthogonal-keys-learned': learned(orthogonalKeys),
  'random-orthogonal': randomRotations,
  'random-orthogonal-learned': learned(randomRotations),
  subspace: subspaces,
  contextual,
  'contextual-subspace': contextualSubspaces,
} satisfies Record<string, Multiplexer>;

export const DEMULTIPLEXERS = {
  rsa,
  index: indexEmbeddings,
  mlp: perceptrons,
} satisfies Record<string, Demultiplexer>;

export type MultiplexerName = keyof typeof MULTIPLEXERS;
export type DemultiplexerName = keyof typeof DEMULTIPLEXERS;

function rowOf<T>(table: Readonly<Record<string, T>>, kind: string, name: string): T {
  const row = Object.hasOwn(table, name) ? table[name] : undefined;
  if (row !== undefined) return row;
  throw new ConfigError(kind, { expected: Object.keys(table).join(', '), got: name });
}

/** The two strategies that a configuration names. Throws ConfigError for a name that no table has. */
export function strategiesOf(mux: Pick<MuxConfig, 'multiplexer' | 'demultiplexer'>): {
  readonly multiplexer: Multiplexer;
  readonly demultiplexer: Demultiplexer;
} {
  return {
    multiplexer: rowOf<Multiplexer>(MULTIPLEXERS, 'multiplexer', mux.multiplexer),
    demultiplexer: rowOf<Demultiplexer>(DEMULTIPLEXERS, 'demultiplexer', mux.demultiplexer),
  };
}
