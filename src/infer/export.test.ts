/** The exported classifier, batch and length symbolic and weights inside, against the training graph compiled for each shape. */
import { describe, expect, it } from 'vitest';
import { loudParameters, raggedTexts, tinyConfig, worstDifference } from '../../test/tiny-bert.kit.ts';
import type { FloatTensor, ParameterTree } from '../base/index.ts';
import { type ModelConfig, parameterInputs, parametersFrom, tokenInputs } from '../model/index.ts';
import { classifier, instancesOf, modelShapes } from '../mux/index.ts';
import { compile, cpu, type Feeds, openSession } from '../runtime/index.ts';
import { exportClassifier } from './export.ts';

const multiplexed = (instances: number): ModelConfig => ({
  ...tinyConfig,
  mux: { instances, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' },
});

async function trainingLogits(config: ModelConfig, parameters: ParameterTree, feeds: Feeds): Promise<Float32Array> {
  const [rows = 0, tokens = 0] = feeds.input_ids?.shape ?? [];
  const p = parametersFrom(parameterInputs(modelShapes(config)));
  const session = await compile({ outputs: { logits: classifier(tokenInputs(rows, tokens), config, p) } }, cpu(1));
  const { logits } = await session.run({ ...feeds, ...Object.fromEntries(parameters) });
  await session.close();
  return (logits as FloatTensor).data;
}

const SHAPES = [
  [1, 1],
  [1, 7],
  [4, 3],
  [3, 8],
] as const;

describe.each([
  ['one input per pass', tinyConfig],
  ['multiplexed, N = 1', multiplexed(1)],
  ['multiplexed, N = 3', multiplexed(3)],
  ['tokens, one input per pass', { ...tinyConfig, task: 'tokens' } as const],
  ['tokens, multiplexed, N = 3', { ...multiplexed(3), task: 'tokens' } as const],
  ['without heads in the last layer', withLast({ heads: 0, intermediateSize: 12 })],
  ['without its last layer', withLast({ heads: 0, intermediateSize: 0 })],
])('%s', (_, config) => {
  const parameters = loudParameters(config, 1);

  it('gives the logits of the training graph, for any number of groups and any length', async () => {
    const model = exportClassifier(config, parameters);
    expect(model.inputs.toSorted()).toEqual(['attention_mask', 'input_ids', 'token_type_ids']);
    const session = await openSession(model.bytes, cpu(1));
    for (const [groups, tokens] of SHAPES) {
      const feeds = raggedTexts(groups * instancesOf(config), tokens);
      const logits = (await session.run(feeds)).logits as FloatTensor;
      const perRow = config.task === 'tokens' ? [tokens, config.labels.length] : [config.labels.length];
      expect(logits.shape).toEqual([groups * instancesOf(config), ...perRow]);
      const expected = await trainingLogits(config, parameters, feeds);
      expect(worstDifference(logits.data, expected), `${groups} groups of ${tokens} tokens`).toBeLessThan(1e-4);
    }
    await session.close();
  });
});

function withLast(shape: { readonly heads: number; readonly intermediateSize: number }): ModelConfig {
  const layers = [...tinyConfig.encoder.layers.slice(0, -1), shape];
  return { ...tinyConfig, encoder: { ...tinyConfig.encoder, layers } };
}
