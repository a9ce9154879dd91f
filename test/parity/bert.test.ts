/**
 * BERT, AdamW and multiplexing against the numbers of PyTorch's autograd and optimiser (`generate.py`): values and all gradients, computed by
 * the graph's rules and ONNX Runtime.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type FloatTensor, float32, int64, type Tensor } from '../../src/base/index.ts';
import {
  add,
  crossEntropy,
  gradients,
  input,
  mul,
  type Node,
  reduceMean,
  reduceSum,
  reshape,
  siteOf,
  sitesOf,
} from '../../src/graph/index.ts';
import {
  attentionBias,
  classify,
  type EncoderConfig,
  encode,
  firstStates,
  type ModelConfig,
  type Parameters,
  parametersFrom,
  situate,
  tokenInputs,
} from '../../src/model/index.ts';
import { classifier, DEMULTIPLEXERS, hadamardMean, type MuxContext } from '../../src/mux/index.ts';
import { compile, cpu, type Feeds } from '../../src/runtime/index.ts';
import {
  adamw,
  clipFactor,
  momentInputs,
  type ParameterGroup,
  scalarInputs,
  stepScalars,
} from '../../src/train/adamw.ts';

const TOLERANCE = 1e-4;

interface Numbers {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
type Named = Readonly<Record<string, Numbers>>;

function read<Case>(file: string): Case {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as Case;
}

const floats = ({ data, shape }: Numbers): FloatTensor => float32(data, shape);
const whole = ({ data, shape }: Numbers): Tensor => int64(data, shape);
const feedsOf = (tree: Named, rename = (name: string): string => name): Feeds =>
  Object.fromEntries(Object.entries(tree).map(([name, numbers]) => [rename(name), floats(numbers)]));

/**
 * Differences against the largest value of the tensor. Where that is next to nothing, as for the gradient of the key's bias, which is 0 by
 * nature, they are compared with `floor` instead.
 */
function expectClose(actual: Tensor | undefined, { shape, data }: Numbers, what: string, floor = 1e-2): void {
  expect(actual?.shape, what).toEqual(shape);
  const scale = data.reduce((most, value) => Math.max(most, Math.abs(value)), floor);
  const worst = data.reduce((most, value, at) => Math.max(most, Math.abs(Number(actual?.data[at]) - value)), 0);
  expect(worst / scale, what).toBeLessThan(TOLERANCE);
}

async function run(outputs: Readonly<Record<string, Node>>, feeds: Feeds): Promise<Readonly<Record<string, Tensor>>> {
  const session = await compile({ outputs }, cpu(2));
  const results = await session.run(feeds);
  await session.close();
  return results;
}

/** Gradients under names of their own, as inputs and outputs of a model may not share any. */
function slopesOf(loss: Node, sources: ReadonlyMap<string, Node>): Record<string, Node> {
  const slopes = gradients(loss, [...sources.values()]);
  return Object.fromEntries(Array.from(sources.keys(), (name, at) => [`d ${name}`, slopes[at] as Node]));
}

/** Σ x ⊙ upstream over everything. */
function weighed(x: Node, upstream: string): Node {
  const axes = x.shape.map((_, axis) => axis);
  return reduceSum(mul(x, input(upstream, x.shape)), axes);
}

interface Sizes {
  readonly [letter: string]: number;
}

function encoderOf({ V = 1, D = 0, H = 1, F = 0, L = 1, P = 1 }: Sizes): EncoderConfig {
  return {
    vocabularySize: V,
    hiddenSize: D,
    headSize: D / H,
    layers: Array.from({ length: L }, () => ({ heads: H, intermediateSize: F })),
    maxPositions: P,
    typeVocabularySize: 2,
    layerNormEpsilon: 1e-12,
    dropout: 0,
  };
}

function inputsFor(tree: Named, rename = (name: string): string => name): Map<string, Node> {
  return new Map(Object.entries(tree).map(([name, { shape }]) => [rename(name), input(rename(name), shape)]));
}

describe('one encoder layer (bert-layer.json)', () => {
  interface LayerCase {
    readonly dims: Sizes;
    readonly input: Numbers;
    readonly attentionMask: Numbers;
    readonly additiveMask: Numbers;
    readonly parameters: Named;
    readonly output: Numbers;
    readonly upstream: Numbers;
    readonly inputGradient: Numbers;
    readonly gradients: Named;
  }
  const layer = read<LayerCase>('bert-layer.json');
  const named = (name: string): string => `bert.encoder.layer.0.${name}`;

  it('has the output and all gradients of PyTorch', async () => {
    const parameters = inputsFor(layer.parameters, named);
    const x = input('x', layer.input.shape);
    const bias = attentionBias(input('mask', layer.attentionMask.shape, 'int64'));
    const output = encode(x, bias, encoderOf(layer.dims), parametersFrom(parameters), 'all');
    const slopes = slopesOf(weighed(output, 'upstream'), new Map([...parameters, ['x', x]]));
    const results = await run(
      { output, bias, ...slopes },
      {
        ...feedsOf(layer.parameters, named),
        x: floats(layer.input),
        mask: whole(layer.attentionMask),
        upstream: floats(layer.upstream),
      },
    );
    expectClose(results.bias, layer.additiveMask, 'additive mask');
    expectClose(results.output, layer.output, 'output');
    expectClose(results['d x'], layer.inputGradient, 'gradient of the input');
    for (const [name, gradient] of Object.entries(layer.gradients))
      expectClose(results[`d ${named(name)}`], gradient, name);
  });
});

describe('a whole classifier (bert-classifier.json)', () => {
  interface ClassifierCase {
    readonly dims: Sizes;
    readonly inputIds: Numbers;
    readonly tokenTypeIds: Numbers;
    readonly attentionMask: Numbers;
    readonly labels: Numbers;
    readonly parameters: Named;
    readonly lastHidden: Numbers;
    readonly logits: Numbers;
    readonly loss: number;
    readonly gradients: Named;
  }
  const reference = read<ClassifierCase>('bert-classifier.json');

  it.each(['all', 'first'] as const)(
    'has the logits, the loss and all gradients of PyTorch, %s states',
    async (wanted) => {
      const { B = 0, T = 0, D = 0 } = reference.dims;
      const config: ModelConfig = { encoder: encoderOf(reference.dims), labels: ['a', 'b', 'c'], featureSize: D };
      const parameters = inputsFor(reference.parameters);
      const logits = classifier(tokenInputs(B, T), config, parametersFrom(parameters), wanted);
      const loss = reduceMean(crossEntropy(logits, input('labels', [B], 'int64')), [0]);
      const states = siteOf(sitesOf([logits]), 'layer.1'); // [B·T, D]
      const lastHidden = wanted === 'all' ? reshape(states, [B, T, config.encoder.hiddenSize]) : states;
      const results = await run(
        { logits, loss, lastHidden, ...slopesOf(loss, parameters) },
        {
          ...feedsOf(reference.parameters),
          input_ids: whole(reference.inputIds),
          attention_mask: whole(reference.attentionMask),
          token_type_ids: whole(reference.tokenTypeIds),
          labels: whole(reference.labels),
        },
      );
      if (wanted === 'all') expectClose(results.lastHidden, reference.lastHidden, 'last hidden state');
      expectClose(results.logits, reference.logits, 'logits');
      expectClose(results.loss, { shape: [], data: [reference.loss] }, 'loss');
      expect(Object.keys(reference.gradients)).toEqual([...parameters.keys()]);
      for (const [name, gradient] of Object.entries(reference.gradients))
        expectClose(results[`d ${name}`], gradient, name);
    },
  );
});

describe('multiplexing (mux.json)', () => {
  interface MuxCase {
    readonly dims: Sizes;
    readonly keys: Numbers;
    readonly embeddings: Numbers;
    readonly hidden: Numbers;
    readonly parameters: Named;
    readonly multiplexed: Numbers;
    readonly embedded: Numbers;
    readonly demultiplexed: Numbers;
    readonly logits: Numbers;
    readonly embeddedUpstream: Numbers;
    readonly logitsUpstream: Numbers;
    readonly inputGradients: Named;
    readonly gradients: Named;
  }
  const mux = read<MuxCase>('mux.json');

  /** The published names in the words of this project. */
  const RENAMED: Readonly<Record<string, string>> = {
    'position_embeddings.weight': 'bert.embeddings.position_embeddings.weight',
    'token_type_embeddings.row0': 'segment',
    'embeddings.LayerNorm.weight': 'bert.embeddings.LayerNorm.weight',
    'embeddings.LayerNorm.bias': 'bert.embeddings.LayerNorm.bias',
    demux_instance_embedding: 'demux.keys',
    'pre_decoder.LayerNorm.weight': 'demux.LayerNorm.weight',
    'pre_decoder.LayerNorm.bias': 'demux.LayerNorm.bias',
    'classifier.weight': 'classifier.weight',
    'classifier.bias': 'classifier.bias',
  };
  const ours = (name: string): string => RENAMED[name] ?? `demux.${name}`;

  it('mixes, embeds a second time and takes apart as PyTorch does, with the same gradients', async () => {
    const { B = 0, N = 0, D = 0 } = mux.dims;
    const nodes = inputsFor(mux.parameters, ours);
    const given = parametersFrom(nodes);
    const segments = reshape(given('segment'), [1, D]); // a table of the one segment that the mixture has
    const p: Parameters = (name) => (name.endsWith('token_type_embeddings.weight') ? segments : given(name));
    const encoder = encoderOf(mux.dims);
    const x = input('x', mux.embeddings.shape);
    const hidden = input('hidden', mux.hidden.shape);
    const multiplexed = hadamardMean(x, input('keys', [N, D]), B);
    const embedded = situate(multiplexed, encoder, p);
    const dimensions = Array.from({ length: D }, (_, at) => at);
    const mask = input('mask', [N * B, 1], 'int64');
    const context: MuxContext = { instances: N, hiddenSize: D, featureSize: D, dimensions, B, mask, encoder, p };
    const features = DEMULTIPLEXERS.rsa.demultiplex(firstStates(hidden, 1), context);
    const demultiplexed = reshape(features, [N * B, D]);
    const logits = classify(demultiplexed, p);
    const loss = add(weighed(embedded, 'embeddedUpstream'), weighed(logits, 'logitsUpstream'));
    const results = await run(
      {
        multiplexed,
        embedded,
        demultiplexed,
        logits,
        ...slopesOf(loss, new Map([...nodes, ['x', x], ['hidden', hidden]])),
      },
      {
        ...feedsOf(mux.parameters, ours),
        x: floats(mux.embeddings),
        hidden: floats(mux.hidden),
        keys: floats(mux.keys),
        embeddedUpstream: floats(mux.embeddedUpstream),
        logitsUpstream: floats(mux.logitsUpstream),
      },
    );
    for (const name of ['multiplexed', 'embedded', 'demultiplexed', 'logits'] as const) {
      expectClose(results[name], mux[name], name);
    }
    expectClose(results['d x'], mux.inputGradients.embeddings as Numbers, 'gradient of the embeddings');
    expectClose(results['d hidden'], mux.inputGradients.hidden as Numbers, 'gradient of the hidden state');
    for (const [name, gradient] of Object.entries(mux.gradients))
      expectClose(results[`d ${ours(name)}`], gradient, name);
  });
});

describe('AdamW after clipping (adamw.json)', () => {
  interface AdamWCase {
    readonly maximumNorm: number;
    readonly weightDecay: Readonly<Record<string, number>>;
    readonly initial: Named;
    readonly steps: readonly {
      readonly learningRate: number;
      readonly gradients: Named;
      readonly gradientNorm: number;
      readonly values: Named;
      readonly expAvg: Named;
      readonly expAvgSq: Named;
    }[];
  }
  const optimiser = read<AdamWCase>('adamw.json');
  const names = Object.keys(optimiser.initial);

  /** Every parameter is a group of its own. */
  const groupOf = (name: string, learningRate = 0): ParameterGroup => ({
    name,
    has: () => true,
    isClipped: true,
    learningRate,
    weightDecay: optimiser.weightDecay[name] ?? 0,
  });

  /** One step over all parameters; the gradients, clipped together, are inputs. */
  function stepGraph(): Record<string, Node> {
    const slopes = names.map((name) => input(`d ${name}`, (optimiser.initial[name] as Numbers).shape));
    const { norm, factor } = clipFactor(slopes, optimiser.maximumNorm);
    const outputs: Record<string, Node> = { norm };
    names.forEach((name, at) => {
      const slope = slopes[at] as Node;
      const after = adamw(momentInputs(name, slope.shape), slope, scalarInputs(name), groupOf(name), factor);
      outputs[`${name}/next`] = after.value;
      outputs[`adam.first/${name}/next`] = after.first;
      outputs[`adam.second/${name}/next`] = after.second;
    });
    return outputs;
  }

  function scalarsOf(learningRate: number, step: number): Feeds {
    return Object.fromEntries(
      names.flatMap((name) =>
        Object.entries(stepScalars(groupOf(name, learningRate), 1, step)).map(([key, value]) => [
          `${name}.${key}`,
          float32([value], []),
        ]),
      ),
    );
  }

  it('gives the weights, moments and norms of torch.optim.AdamW over 4 steps', async () => {
    const session = await compile({ outputs: stepGraph() }, cpu(1));
    const zeros = (prefix: string): Feeds =>
      feedsOf(
        Object.fromEntries(
          Object.entries(optimiser.initial).map(([name, { shape, data }]) => [
            name,
            { shape, data: data.map(() => 0) },
          ]),
        ),
        (name) => `${prefix}${name}`,
      );
    let state: Feeds = { ...feedsOf(optimiser.initial), ...zeros('adam.first/'), ...zeros('adam.second/') };
    for (const [at, step] of optimiser.steps.entries()) {
      const slopes = feedsOf(step.gradients, (name) => `d ${name}`);
      const results = await session.run({ ...state, ...slopes, ...scalarsOf(step.learningRate, at + 1) });
      expectClose(results.norm, { shape: [], data: [step.gradientNorm] }, `norm ${at + 1}`);
      for (const name of names) {
        const close = (prefix: string, expected: Named): void =>
          expectClose(results[`${prefix}${name}/next`], expected[name] as Numbers, `${prefix}${name} ${at + 1}`, 0);
        close('', step.values);
        close('adam.first/', step.expAvg);
        close('adam.second/', step.expAvgSq);
      }
      state = Object.fromEntries(Object.keys(state).map((name) => [name, results[`${name}/next`] as Tensor]));
    }
    await session.close();
  });
});
