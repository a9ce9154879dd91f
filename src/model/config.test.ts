/** Presets against BERT's published shapes, and `config.json` there, back, and wrong. */
import { describe, expect, it } from 'vitest';
import { ConfigError, PrumuxError } from '../base/index.ts';
import { fromHuggingFace, type ModelConfig, precisionOf, presetConfig, toHuggingFace } from './config.ts';

const mini = presetConfig('mini', 1000);
const pruned = {
  encoder: {
    ...mini,
    hiddenSize: 3,
    layers: [
      { heads: 2, intermediateSize: 0 },
      { heads: 0, intermediateSize: 2 },
    ],
  },
  labels: ['no', 'yes'],
  featureSize: 256,
  mux: { instances: 4, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' },
  kept: {
    hidden: [0, 5, 9],
    layers: [
      { heads: [1, 3], intermediate: [] },
      { heads: [], intermediate: [7, 8] },
    ],
  },
} satisfies ModelConfig;

/** What is left of JSON after a file. */
const stored = (config: ModelConfig): Record<string, unknown> => JSON.parse(JSON.stringify(toHuggingFace(config)));

/** The field that the refusal names, and what it says. */
function refusal(json: unknown): string {
  try {
    fromHuggingFace(json, 'config.json');
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error instanceof PrumuxError ? error.message : '';
  }
  return 'accepted';
}

describe('presetConfig', () => {
  it("gives BERT-base's shapes (Devlin et al. 2019, section 3: 12 layers, 768, 12 heads, 3072)", () => {
    const base = presetConfig('base');
    expect(base.layers).toHaveLength(12);
    expect(base.layers[0]).toEqual({ heads: 12, intermediateSize: 3072 });
    expect(base).toMatchObject({ vocabularySize: 30522, hiddenSize: 768, headSize: 64, maxPositions: 512 });
  });

  it('names the presets when asked for another', () => {
    expect(() => presetConfig('huge')).toThrow('preset: expected one of tiny, mini, small, base, got "huge"');
  });
});

describe('config.json', () => {
  it.each<[string, ModelConfig]>([
    ['a dense classifier', { encoder: mini, labels: ['a', 'b', 'c'], featureSize: 256 }],
    ['a bare encoder', { encoder: mini, labels: [], featureSize: 256 }],
    ['a multiplexed, pruned one', pruned],
    ['one that mixes after a layer', { ...pruned, mux: { ...pruned.mux, prefillLayers: 1 } }],
    ['one whose classes were named elsewhere', { ...pruned, hasNumberedLabels: true }],
    ['a classifier of tokens', { encoder: mini, labels: ['O', 'B-PER'], featureSize: 256, task: 'tokens' }],
  ])('comes back as it went: %s', (_, config) => {
    expect(fromHuggingFace(stored(config), 'config.json')).toEqual(config);
  });

  it('says which precision its folder is meant to run in; where it says nothing, fp32', () => {
    const [floats, integers] = [toHuggingFace(pruned), toHuggingFace(pruned, 'int8')];
    expect(floats).not.toHaveProperty('prumux.precision');
    expect([floats, integers].map((json) => precisionOf(json, 'config.json'))).toEqual(['fp32', 'int8']);
    expect(fromHuggingFace(integers, 'config.json')).toEqual(pruned);
  });

  it('without a prumux block is plain BERT, whose data may have the numbers of classes', () => {
    const { prumux, ...plain } = stored({ encoder: mini, labels: ['a', 'b'], featureSize: 256 });
    expect(prumux).toBeDefined();
    expect(fromHuggingFace(plain, 'config.json')).toEqual({
      ...{ encoder: mini, labels: ['a', 'b'], featureSize: 256 },
      hasNumberedLabels: true,
    });
  });

  it('tells its task by the name of the head, without a prumux block too', () => {
    const { prumux, ...plain } = stored({ encoder: mini, labels: ['O'], featureSize: 256, task: 'tokens' });
    expect(prumux).toBeDefined();
    expect(plain.architectures).toEqual(['BertForTokenClassification']);
    expect(fromHuggingFace(plain, 'config.json').task).toBe('tokens');
    for (const architectures of [undefined, null, [], ['BertForMaskedLM']]) {
      expect(fromHuggingFace({ ...plain, architectures }, 'config.json')).not.toHaveProperty('task');
    }
  });

  it('without id2label numbers the labels, as transformers does', () => {
    const { id2label, ...rest } = stored({ encoder: mini, labels: [], featureSize: 256 });
    expect(id2label).toEqual({});
    expect(fromHuggingFace({ ...rest, num_labels: 2 }, 'config.json').labels).toEqual(['LABEL_0', 'LABEL_1']);
    expect(fromHuggingFace(rest, 'config.json').labels).toEqual([]);
    expect(fromHuggingFace({ ...rest, id2label: null, num_labels: null }, 'config.json').labels).toEqual([]);
  });

  it('takes names that are numbers, fields that say nothing, and another name of the same activation', () => {
    const plain = stored({ encoder: mini, labels: ['1', '2'], featureSize: 256 });
    const others = { id2label: { 0: 1, 1: 2 }, position_embedding_type: null, hidden_act: 'gelu_python' };
    expect(fromHuggingFace({ ...plain, ...others }, 'config.json')).toEqual(fromHuggingFace(plain, 'config.json'));
  });

  it.each<[string, object, string]>([
    ['another model', { model_type: 'roberta' }, '(model_type): expected the only supported model_type, "bert"'],
    ['another activation', { hidden_act: 'relu' }, '(hidden_act): expected the only supported hidden_act, "gelu"'],
    ['relative positions', { position_embedding_type: 'relative_key' }, '"absolute", got "relative_key"'],
    ['several labels per text', { problem_type: 'multi_label_classification' }, '"single_label_classification", got'],
    ['a missing size', { hidden_size: undefined }, '(hidden_size): expected a number, got nothing'],
    ['a size of no layer', { intermediate_size: 0 }, '(intermediate_size): expected at least 1, got 0'],
    ['a depth that contradicts', { num_hidden_layers: 7 }, '(prumux.layers): expected num_hidden_layers (7) of them'],
    ['holes in the labels', { id2label: { 0: 'a', 2: 'c' } }, '(id2label): expected keys 0 to 1, got "0, 2"'],
    [
      'an unknown prumux field',
      { prumux: { headSize: 64, featureSize: 64, layers: [], n: 1 } },
      'no unknown field (n)',
    ],
    [
      'another precision',
      { prumux: { headSize: 64, featureSize: 64, layers: [], precision: 'int4' } },
      '(prumux.precision): expected fp32 or int8, got "int4"',
    ],
    [
      'instances of nothing',
      { prumux: { instances: 0, headSize: 64, featureSize: 64, layers: [] } },
      '(prumux.instances)',
    ],
    [
      'instances without a multiplexer',
      { num_hidden_layers: 0, prumux: { instances: 2, headSize: 64, featureSize: 64, layers: [] } },
      '(prumux.multiplexer): expected a name',
    ],
  ])('refuses %s, by the name of the field', (_, change, expected) => {
    expect(refusal({ ...stored({ encoder: mini, labels: ['a'], featureSize: 256 }), ...change })).toContain(expected);
  });

  it('refuses a record of kept heads that is of another model', () => {
    const { kept } = pruned;
    expect(refusal(stored({ ...pruned, kept: { ...kept, hidden: [1] } }))).toContain('kept.hidden');
    expect(refusal(stored({ ...pruned, kept: { ...kept, layers: [] } }))).toContain('kept.layers');
  });

  it.each([null, [], 3, 'bert'])('refuses %j', (json) => {
    expect(refusal(json)).toMatch(/^config\.json: expected an object/);
  });
});
