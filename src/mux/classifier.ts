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
  type ParameterShapes,
  type Parameters,
  parameterShapes,
  sequenceClassifier,
  sequenceClassifierShapes,
  situate,
  type TokenInputs,
  type Wanted,
} from '../model/index.ts';
import { initialDemuxKeys, rsaDemultiplex, rsaShapes } from './demultiplexer.ts';
import { gaussianKeys, hadamardMean, unionMask } from './multiplexer.ts';

/** Names of parameters that are never trained. */
export const FROZEN: ReadonlySet<string> = new Set(['mux.keys']);

/** How many inputs a model takes into one forward pass. */
export function instancesOf(config: ModelConfig): number {
  return config.mux?.instances ?? 1;
}

/** Every parameter of a classifier by name. */
export function modelShapes(config: ModelConfig): ParameterShapes {
  const { mux, encoder, labels, featureSize } = config;
  if (mux === undefined) return sequenceClassifierShapes(config);
  return new Map([
    ...parameterShapes(encoder),
    ['mux.keys', [mux.instances, encoder.hiddenSize]],
    ...rsaShapes(mux.instances, encoder.hiddenSize, featureSize),
    ...classifierShapes(labels.length, featureSize),
  ]);
}

/** Fresh parameters; those that `from` has in the same shape are taken from there. */
export function initialModel(config: ModelConfig, seed: number, from: ParameterTree = new Map()): ParameterTree {
  const fresh = new Map<string, FloatTensor>(initialParameters(modelShapes(config), seed));
  if (config.mux !== undefined) {
    fresh.set('mux.keys', gaussianKeys(config.mux.instances, config.encoder.hiddenSize, seed));
    fresh.set('demux.keys', initialDemuxKeys(config.mux.instances, config.encoder.hiddenSize, seed));
  }
  return new Map(
    Array.from(fresh, ([name, tensor]) => {
      const known = from.get(name);
      return [name, known !== undefined && String(known.shape) === String(tensor.shape) ? known : tensor];
    }),
  );
}

/** Token ids to logits: [R, T] -> [R, C], with R = N*B rows. All states of the last layer are there to read where they are wanted. */
export function classifier(inputs: TokenInputs, config: ModelConfig, p: Parameters, wanted: Wanted = 'first'): Node {
  return (config.mux === undefined ? sequenceClassifier : multiplexedClassifier)(inputs, config, p, wanted);
}

/**
 * Embeds all rows, multiplexes, embeds the mixture a second time (positions and segment 0 are added again, as in the published models),
 * encodes it once, and demultiplexes the state of [CLS].
 */
function multiplexedClassifier(inputs: TokenInputs, config: ModelConfig, p: Parameters, wanted: Wanted): Node {
  const { encoder } = config;
  const N = instancesOf(config);
  const { R } = dims(inputs.ids, 'R T');
  const B = quotient(R, N);
  assert(B !== undefined, `rows in groups of ${N}`);
  const mixed = hadamardMean(embed(inputs, encoder, p), p('mux.keys'), B);
  const situated = situate(mixed, encoder, p, 'mux.embeddings');
  const states = encode(situated, attentionBias(unionMask(inputs.mask, N, B)), encoder, p, wanted);
  return classify(rsaDemultiplex(firstToken(states), N, encoder.layerNormEpsilon, p), p);
}
