/**
 * The parameters of an encoder by name and shape, how they start, and how they are taken from a Hugging Face BERT
 * checkpoint. Layers that pruning has thinned have smaller tensors; sub-layers it removed have none.
 */
import {
  CheckpointError,
  type FloatTensor,
  float32,
  type ParameterTree,
  type Random,
  random,
  sizeOf,
} from '../base/index.ts';
import type { EncoderConfig } from './config.ts';

/** Names to row-major shapes, in the order of the forward pass. */
export type ParameterShapes = ReadonlyMap<string, readonly number[]>;

type NamedShape = readonly [name: string, shape: readonly number[]];

/** Weight `[outputs, inputs]` and bias, as PyTorch's `nn.Linear` stores them. */
function linear(name: string, outputs: number, inputs: number): NamedShape[] {
  return [
    [`${name}.weight`, [outputs, inputs]],
    [`${name}.bias`, [outputs]],
  ];
}

function layerNorm(name: string, D: number): NamedShape[] {
  return [
    [`${name}.weight`, [D]],
    [`${name}.bias`, [D]],
  ];
}

/** [V, D] */
export const WORD_TABLE = 'bert.embeddings.word_embeddings.weight';
/** [P, D] */
export const POSITION_TABLE = 'bert.embeddings.position_embeddings.weight';
/** [segments, D] */
export const SEGMENT_TABLE = 'bert.embeddings.token_type_embeddings.weight';

/** Every parameter of the encoder, without the pooler. */
export function parameterShapes(config: EncoderConfig): ParameterShapes {
  const D = config.hiddenSize;
  const embeddings: NamedShape[] = [
    [WORD_TABLE, [config.vocabularySize, D]],
    [POSITION_TABLE, [config.maxPositions, D]],
    [SEGMENT_TABLE, [config.typeVocabularySize, D]],
    ...layerNorm('bert.embeddings.LayerNorm', D),
  ];
  const layers = config.layers.flatMap(({ heads, intermediateSize }, index) => {
    const name = `bert.encoder.layer.${index}`;
    return [...layerShapes(name, { headsWidth: heads * config.headSize, intermediateSize, hiddenSize: D })];
  });
  return new Map([...embeddings, ...layers]);
}

/** The parameters of one transformer layer; a sub-layer without heads or units has none. */
export function layerShapes(name: string, sizes: LayerSizes): ParameterShapes {
  const { headsWidth, intermediateSize, hiddenSize } = sizes;
  return new Map([
    ...(headsWidth === 0 ? [] : attentionShapes(`${name}.attention`, headsWidth, hiddenSize)),
    ...(intermediateSize === 0 ? [] : feedForwardShapes(name, intermediateSize, hiddenSize)),
  ]);
}

/** Sizes of one layer; the width of its heads is that of all together, H·K. */
export interface LayerSizes {
  readonly headsWidth: number;
  readonly intermediateSize: number;
  readonly hiddenSize: number;
}

function attentionShapes(attention: string, headsWidth: number, D: number): NamedShape[] {
  return [
    ...linear(`${attention}.self.query`, headsWidth, D),
    ...linear(`${attention}.self.key`, headsWidth, D),
    ...linear(`${attention}.self.value`, headsWidth, D),
    ...linear(`${attention}.output.dense`, D, headsWidth),
    ...layerNorm(`${attention}.output.LayerNorm`, D),
  ];
}

function feedForwardShapes(layer: string, F: number, D: number): NamedShape[] {
  return [
    ...linear(`${layer}.intermediate.dense`, F, D),
    ...linear(`${layer}.output.dense`, D, F),
    ...layerNorm(`${layer}.output.LayerNorm`, D),
  ];
}

/** BERT's pooler, which only classification over the first token has. */
export function poolerShapes(hiddenSize: number, featureSize: number = hiddenSize): ParameterShapes {
  return new Map(linear('bert.pooler.dense', featureSize, hiddenSize));
}

/** A fresh encoder, without the pooler. The same seed gives the same numbers on every machine. */
export function initialEncoder(config: EncoderConfig, seed: number): ParameterTree {
  return initialParameters(parameterShapes(config), seed);
}

/**
 * Fresh values for named shapes, as BERT starts them in Hugging Face's code: weights from a normal, biases
 * zero, layer norms one, the word embedding of padding (row 0) zero. Each name has its own stream of the seed, so adding a
 * parameter changes no other.
 */
export function initialParameters(shapes: ParameterShapes, seed: number): ParameterTree {
  return new Map(Array.from(shapes, ([name, shape]) => [name, initialParameter(name, shape, seed)]));
}

/** Departs from BERT, whose 0.02 is for 768 inputs and leaves narrower encoders nearly silent at the start. */
const initialDeviation = (inputs: number): number => 0.02 * Math.sqrt(768 / inputs);

function initialParameter(name: string, shape: readonly number[], seed: number): FloatTensor {
  const values = new Float32Array(sizeOf(shape));
  if (name.endsWith('LayerNorm.weight')) values.fill(1);
  else if (!name.endsWith('.bias'))
    fillNormal(values, initialDeviation(shape.at(-1) ?? 1), random(seed, 'initial', name));
  if (name.endsWith('word_embeddings.weight')) values.fill(0, 0, shape[1]);
  return float32(values, shape);
}

function fillNormal(values: Float32Array, deviation: number, draws: Random): void {
  for (let index = 0; index < values.length; index++) values[index] = deviation * draws.normal();
}

/** Fresh parameters, but those that a checkpoint has in the same shape are taken from there. */
export function takenFrom(checkpoint: ParameterTree, fresh: ParameterTree): ParameterTree {
  return new Map(
    Array.from(fresh, ([name, tensor]) => {
      const known = checkpoint.get(name);
      return [name, known !== undefined && String(known.shape) === String(tensor.shape) ? known : tensor];
    }),
  );
}

/**
 * The same model with rows of mean 0 in the three tables of embeddings. The norm that follows their sum takes out what all dimensions of a token have
 * in common, so that nothing is changed by taking it out beforehand.
 */
export function centreEmbeddings(parameters: ParameterTree): ParameterTree {
  const centred = new Map(parameters);
  for (const name of [WORD_TABLE, POSITION_TABLE, SEGMENT_TABLE]) {
    const table = parameters.get(name);
    if (table !== undefined) centred.set(name, centreRows(table));
  }
  return centred;
}

function centreRows({ data, shape }: FloatTensor): FloatTensor {
  const width = shape.at(-1) ?? 1;
  const centred = new Float32Array(data);
  for (let start = 0; start < data.length; start += width) {
    const row = centred.subarray(start, start + width);
    const mean = row.reduce((sum, value) => sum + value, 0) / width;
    row.forEach((value, at) => {
      row[at] = value - mean;
    });
  }
  return float32(centred, shape);
}

/**
 * The encoder's parameters (and the pooler's, where there is one) out of a checkpoint's, under their `bert.` names. The
 * checkpoint may lack the prefix and may use the old `gamma` and `beta`; heads of other tasks are passed over. One
 * CheckpointError lists all that is missing, of another shape, or of a layer that the configuration does not know.
 */
export function loadEncoder(
  tree: ParameterTree,
  config: EncoderConfig,
  where: string,
  featureSize: number = config.hiddenSize,
): ParameterTree {
  const found = new Map(Array.from(tree, ([name, tensor]) => [canonicalName(name), tensor]));
  const required = parameterShapes(config);
  const pooler = poolerShapes(config.hiddenSize, featureSize);
  const hasPooler = [...pooler.keys()].some((name) => found.has(name));
  const wanted = hasPooler ? new Map([...required, ...pooler]) : required;
  const problems = [...wanted].flatMap(([name, shape]) => mismatch(name, shape, found.get(name)));
  problems.push(...unknownNames(found.keys(), wanted));
  if (problems.length > 0) {
    throw new CheckpointError(where, {
      expected: `the ${wanted.size} tensors of a ${config.layers.length}-layer encoder of hidden size ${config.hiddenSize}`,
      got: `${problems.length} that do not fit:\n  ${problems.join('\n  ')}\n`,
      hint: 'Check that config.json and model.safetensors are of the same model.',
    });
  }
  return new Map([...wanted.keys()].flatMap((name) => entryOf(found, name)));
}

/** Throws a CheckpointError that lists what is missing or of another shape. */
export function requireParameters(shapes: ParameterShapes, tree: ParameterTree, where: string): void {
  const problems = [...shapes].flatMap(([name, shape]) => mismatch(name, shape, tree.get(name)));
  if (problems.length === 0) return;
  throw new CheckpointError(where, {
    expected: `the ${shapes.size} tensors of its config.json`,
    got: `${problems.length} that do not fit:\n  ${problems.join('\n  ')}\n`,
  });
}

/** What a checkpoint has beside the encoder and the pooler, with today's names of norms. */
export function headsOf(tree: ParameterTree): ParameterTree {
  const renamed = Array.from(tree, ([name, tensor]) => [canonicalName(name), tensor] as const);
  return new Map(renamed.filter(([name]) => !name.startsWith('bert.')));
}

function entryOf(tree: ParameterTree, name: string): [string, FloatTensor][] {
  const tensor = tree.get(name);
  return tensor === undefined ? [] : [[name, tensor]];
}

/** `LayerNorm.gamma` and `.beta` are the names of checkpoints converted from TensorFlow. */
function canonicalName(name: string): string {
  const renamed = name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
  return /^(embeddings|encoder|pooler)\./.test(renamed) ? `bert.${renamed}` : renamed;
}

function mismatch(name: string, shape: readonly number[], tensor: FloatTensor | undefined): string[] {
  if (tensor === undefined) return [`${name}: missing, expected [${shape.join(', ')}]`];
  const same = tensor.shape.length === shape.length && shape.every((size, axis) => size === tensor.shape[axis]);
  return same ? [] : [`${name}: expected [${shape.join(', ')}], got [${tensor.shape.join(', ')}]`];
}

/** Encoder tensors that the configuration leaves no place for; buffers such as `position_ids` are none. */
function unknownNames(names: Iterable<string>, wanted: ParameterShapes): string[] {
  return [...names]
    .filter((name) => /^bert\.(embeddings|encoder)\./.test(name) && !name.endsWith('_ids') && !wanted.has(name))
    .map((name) => `${name}: not part of the configured encoder`);
}
