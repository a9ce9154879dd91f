/** What a strategy of multiplexing is: the interface of the rows of `strategies.ts`, and what they are told. */
import type { ParameterTree } from '../base/index.ts';
import type { Dim, Node } from '../graph/index.ts';
import type { EncoderConfig, ParameterShapes, Parameters } from '../model/index.ts';

/** Sizes that a strategy's parameters follow from. */
export interface MuxSizes {
  /** N */
  readonly instances: number;
  /** D, what is left of it after pruning. */
  readonly hiddenSize: number;
  /** D before pruning, and the width of the features that heads read, which pruning leaves alone. */
  readonly featureSize: number;
  /** The index of each hidden dimension in the model that was never pruned, ascending: [D] */
  readonly dimensions: readonly number[];
}

/** What a strategy sees of the model that it is part of. */
export interface MuxContext extends MuxSizes {
  /** Number of groups. */
  readonly B: Dim;
  /** 1 for tokens, 0 for padding: int64 [N*B, T], the demultiplexer's prefix included. */
  readonly mask: Node;
  readonly encoder: EncoderConfig;
  readonly p: Parameters;
}

/** What both kinds of strategies say of their parameters; names begin with `mux.` or `demux.`. */
export interface Strategy {
  readonly shapes: (sizes: MuxSizes) => ParameterShapes;
  /** Parameters that do not start as an encoder's weights do. */
  readonly initial: (sizes: MuxSizes, seed: number) => ParameterTree;
  /** Names of those that are never trained. */
  readonly frozen: readonly string[];
}

/** Makes one row of N. A norm follows it, so that it may leave anything in dimensions that are pruned. */
export interface Multiplexer extends Strategy {
  /** Rows, N consecutive ones a group, to one row a group: [N*B, T, D] -> [B, T, D]. */
  readonly multiplex: (rows: Node, context: MuxContext) => Node;
  /** [N, D], where the mixture is the mean of the rows times these keys. */
  readonly keys?: (context: MuxContext) => Node;
}

/** Positions that a demultiplexer puts before every text. */
export interface Prefix {
  /** P, how many there are. */
  readonly length: (instances: number) => number;
  /** What stands there for each instance, before positions are added: [N, P, D] */
  readonly embeddings: (context: MuxContext) => Node;
}

export interface Demultiplexer extends Strategy {
  readonly prefix?: Prefix;
  /** States of each group, those of the prefix first, to features of each of its rows: [B, P+S, D] -> [N*B, S, D']. */
  readonly demultiplex: (states: Node, context: MuxContext) => Node;
}
