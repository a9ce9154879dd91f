/** Parameter names and sizes against Hugging Face's BERT, initial values, and checkpoints that do and do not fit. */
import { describe, expect, it } from 'vitest';
import { CheckpointError, countParameters, float32, type ParameterTree, parameterOf, sizeOf } from '../base/index.ts';
import {
  centreEmbeddings,
  initialEncoder,
  initialParameters,
  loadEncoder,
  parameterShapes,
  poolerShapes,
} from './checkpoint.ts';
import { type EncoderConfig, presetConfig } from './config.ts';

const tiny = presetConfig('tiny', 50);
const encoder = initialEncoder(tiny, 1);
const pooler = initialParameters(poolerShapes(tiny.hiddenSize), 1);

const renamed = (tree: ParameterTree, rename: (name: string) => string): ParameterTree =>
  new Map(Array.from(tree, ([name, tensor]) => [rename(name), tensor]));

function messageOfLoading(tree: ParameterTree, config: EncoderConfig): string {
  try {
    loadEncoder(tree, config, 'model.safetensors');
  } catch (error) {
    expect(error).toBeInstanceOf(CheckpointError);
    return error instanceof CheckpointError ? error.message : '';
  }
  return 'loaded';
}

describe('parameterShapes', () => {
  it("adds up to BERT-base's 109,482,240 parameters with the pooler (transformers, BertModel.num_parameters())", () => {
    const shapes = [...parameterShapes(presetConfig('base')).values(), ...poolerShapes(768).values()];
    expect(shapes.reduce((sum, shape) => sum + sizeOf(shape), 0)).toBe(109_482_240);
  });

  it('has no parameters for sub-layers that are gone, and smaller ones for those that are thinned', () => {
    const layers = [
      { heads: 0, intermediateSize: 10 },
      { heads: 1, intermediateSize: 0 },
    ];
    const shapes = parameterShapes({ ...tiny, layers });
    const names = [...shapes.keys()];
    expect(names.filter((name) => name.startsWith('bert.encoder.layer.0.attention'))).toEqual([]);
    expect(names.filter((name) => /^bert\.encoder\.layer\.1\.(intermediate|output)/.test(name))).toEqual([]);
    expect(shapes.get('bert.encoder.layer.0.intermediate.dense.weight')).toEqual([10, 128]);
    expect(shapes.get('bert.encoder.layer.0.output.dense.weight')).toEqual([128, 10]);
    expect(shapes.get('bert.encoder.layer.1.attention.self.query.weight')).toEqual([64, 128]);
    expect(shapes.get('bert.encoder.layer.1.attention.output.dense.weight')).toEqual([128, 64]);
  });
});

describe('centreEmbeddings', () => {
  it('gives the rows of the three tables mean 0, and leaves the rest and the model that it was given as they are', () => {
    const before = initialEncoder(tiny, 1);
    const centred = centreEmbeddings(before);
    const tables = ['word_embeddings', 'position_embeddings', 'token_type_embeddings'];
    for (const name of tables.map((table) => `bert.embeddings.${table}.weight`)) {
      const [old, fresh] = [parameterOf(before, name), parameterOf(centred, name)];
      const rows = Array.from({ length: old.shape[0] ?? 0 }, (_, row) => row * tiny.hiddenSize);
      for (const start of rows) {
        const row = fresh.data.subarray(start, start + tiny.hiddenSize);
        expect(Math.abs(row.reduce((sum, value) => sum + value, 0) / row.length)).toBeLessThan(1e-8);
        const shifts = row.map((value, at) => (old.data[start + at] ?? 0) - value);
        expect(Math.max(...shifts) - Math.min(...shifts)).toBeLessThan(1e-7);
      }
    }
    const others = Array.from(before).filter(([name]) => !tables.some((table) => name.includes(table)));
    for (const [name, tensor] of others) expect(centred.get(name)).toBe(tensor);
    expect(before).toEqual(encoder);
  });
});

describe('initialEncoder', () => {
  it('draws weights around 0 of the deviation of BertPreTrainedModel._init_weights, scaled from 768 inputs to those it has', () => {
    const { data } = parameterOf(encoder, 'bert.encoder.layer.0.intermediate.dense.weight');
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
    const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length;
    const deviation = 0.02 * Math.sqrt(768 / 128);
    // Five standard errors of the mean and of the deviation of 65,536 draws.
    expect(Math.abs(mean)).toBeLessThan((5 * deviation) / Math.sqrt(data.length));
    expect(Math.abs(Math.sqrt(variance) - deviation)).toBeLessThan((5 * deviation) / Math.sqrt(2 * data.length));
  });

  it('starts biases at 0, layer norms at 1, and the padding embedding at 0', () => {
    expect(new Set(parameterOf(encoder, 'bert.encoder.layer.1.attention.self.key.bias').data)).toEqual(new Set([0]));
    expect(new Set(parameterOf(encoder, 'bert.embeddings.LayerNorm.weight').data)).toEqual(new Set([1]));
    expect(new Set(parameterOf(encoder, 'bert.embeddings.LayerNorm.bias').data)).toEqual(new Set([0]));
    const words = parameterOf(encoder, 'bert.embeddings.word_embeddings.weight').data;
    expect(new Set(words.subarray(0, 128))).toEqual(new Set([0]));
    expect(words[128]).not.toBe(0);
  });

  it('depends on the seed and on nothing else: fewer layers leave the others as they are', () => {
    const shallow = initialEncoder({ ...tiny, layers: tiny.layers.slice(0, 1) }, 1);
    for (const [name, tensor] of shallow) expect(tensor).toEqual(encoder.get(name));
    expect(initialEncoder(tiny, 2).get('bert.encoder.layer.0.output.dense.weight')).not.toEqual(
      encoder.get('bert.encoder.layer.0.output.dense.weight'),
    );
  });
});

describe('loadEncoder', () => {
  it.each<[string, (name: string) => string]>([
    ['with the prefix', (name) => name],
    ['without it', (name) => name.replace(/^bert\./, '')],
    [
      "with TensorFlow's names",
      (name) => name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'),
    ],
  ])('takes a checkpoint %s', (_, rename) => {
    expect(loadEncoder(renamed(encoder, rename), tiny, 'here')).toEqual(encoder);
  });

  it('passes over heads of other tasks and buffers, and keeps the pooler', () => {
    const extra = float32([1], [1]);
    const tree = new Map([
      ...encoder,
      ...pooler,
      ['cls.predictions.bias', extra] as const,
      ['classifier.weight', extra] as const,
      ['bert.embeddings.position_ids', extra] as const,
    ]);
    expect(loadEncoder(tree, tiny, 'here')).toEqual(new Map([...encoder, ...pooler]));
    expect(countParameters(loadEncoder(tree, tiny, 'here'))).toBe(countParameters(encoder) + 128 * 128 + 128);
  });

  it('lists all that is missing, of another shape, or too many, and nothing else', () => {
    const tree = new Map(encoder);
    tree.delete('bert.embeddings.LayerNorm.bias');
    tree.set('bert.encoder.layer.1.output.dense.bias', float32([1, 2], [2]));
    tree.set('encoder.layer.2.output.dense.bias', float32([1, 2], [2]));
    const message = messageOfLoading(tree, tiny);
    expect(message).toContain('model.safetensors: expected the 37 tensors of a 2-layer encoder of hidden size 128');
    expect(message.match(/^ {2}.*$/gm)).toEqual([
      '  bert.embeddings.LayerNorm.bias: missing, expected [128]',
      '  bert.encoder.layer.1.output.dense.bias: expected [128], got [2]',
      '  bert.encoder.layer.2.output.dense.bias: not part of the configured encoder',
    ]);
  });

  it('wants the whole pooler if there is any of it', () => {
    const half = new Map([...encoder, ['bert.pooler.dense.bias', float32(new Float32Array(128), [128])] as const]);
    expect(messageOfLoading(half, tiny)).toContain('bert.pooler.dense.weight: missing, expected [128, 128]');
  });
});
