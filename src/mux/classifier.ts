/**
 * The classifier of any model folder: alone (N = 1) as BERT defines it; multiplexed, N inputs in one forward pass (PruMUX, Su et al.
 * 2023, section 3; papers' formulas in the docstrings of the parts).
 */
import { assert, type FloatTensor, type ParameterTree } from '../base/index.ts';
import { dims, type Node, quotient } from '../graph/index.ts';
import {
  attentionBias,
  classifierShapes,
  classify,
  embed,
  encode,
  firstToken,
  initialParameters,
  type ModelConfig,
  type MuxConfig,
  type ParameterShapes,
  type Parameters,
  parameterShapes,
  sequenceClassifier,
  sequenceClassifierShapes,
  situate,
  type TokenInputs,
  takenFrom,
  type Wanted,
} from '../model/index.ts';
import { unionMask } from './multiplexer.ts';
import { type Demultiplexer, type Multiplexer, type MuxSizes, strategiesOf } from './strategies.ts';

/** How many inputs a model takes into one forward pass. */
export function instancesOf(config: ModelConfig): number {
  return config.mux?.instances ?? 1;
}

function sizesOf({ mux, encoder, featureSize }: ModelConfig): MuxSizes {
  return { instances: mux?.instances ?? 1, hiddenSize: encoder.hiddenSize, featureSize };
}

/** The strategies of a multiplexed model; none of one that takes inputs alone. */
function partsOf({ mux }: ModelConfig): readonly (Multiplexer | Demultiplexer)[] {
  return mux === undefined ? [] : Object.values(strategiesOf(mux));
}

/** Every parameter of a classifier by name. */
export function modelShapes(config: ModelConfig): ParameterShapes {
  if (config.mux === undefined) return sequenceClassifierShapes(config);
  return new Map([
    ...parameterShapes(config.encoder),
    ...partsOf(config).flatMap(({ shapes }) => [...shapes(sizesOf(config))]),
    ...classifierShapes(config.labels.length, config.featureSize),
  ]);
}

/** Names of parameters that are never trained. */
export function frozenNames(config: ModelConfig): ReadonlySet<string> {
  return new Set(partsOf(config).flatMap(({ frozen }) => frozen));
}

/** Fresh parameters; those that `from` has in the same shape are taken from there. */
export function initialModel(config: ModelConfig, seed: number, from: ParameterTree = new Map()): ParameterTree {
  const own = partsOf(config).flatMap(({ initial }) => [...initial(sizesOf(config), seed)]);
  const fresh = new Map<string, FloatTensor>([...initialParameters(modelShapes(config), seed), ...own]);
  return takenFrom(from, fresh);
}

/** Token ids to logits: [R, T] -> [R, C], with R = N*B rows. All states of the last layer are there to read where they are wanted. */
export function classifier(inputs: TokenInputs, config: ModelConfig, p: Parameters, wanted: Wanted = 'first'): Node {
  return config.mux === undefined
    ? sequenceClassifier(inputs, config, p, wanted)
    : multiplexedClassifier(inputs, config, config.mux, p, wanted);
}

/**
 * Embeds all rows, multiplexes, embeds the mixture a second time (positions and segment 0 are added again, as in the published models),
 * encodes it once, and demultiplexes the state of [CLS].
 */
function multiplexedClassifier(
  inputs: TokenInputs,
  { encoder }: ModelConfig,
  mux: MuxConfig,
  p: Parameters,
  wanted: Wanted,
): Node {
  const N = mux.instances;
  const { multiplexer, demultiplexer } = strategiesOf(mux);
  const { R } = dims(inputs.ids, 'R T');
  const B = quotient(R, N);
  assert(B !== undefined, `rows in groups of ${N}`);
  const mixed = multiplexer.multiplex(embed(inputs, encoder, p), B, p);
  const situated = situate(mixed, encoder, p, 'mux.embeddings');
  const states = encode(situated, attentionBias(unionMask(inputs.mask, N, B)), encoder, p, wanted);
  return classify(demultiplexer.demultiplex(firstToken(states), N, encoder.layerNormEpsilon, p), p);
}
