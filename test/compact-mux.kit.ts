/** A classifier of N texts per pass with random weights that are loud enough for neighbours to show. */
import type { ModelConfig, ModelFiles } from '../src/model/index.ts';
import { randomModel } from './model-folder.kit.ts';
import { loudParameters } from './tiny-bert.kit.ts';

export function compactMux(instances: number): ModelFiles {
  const { config: dense, tokenizer } = randomModel();
  const config: ModelConfig = {
    ...dense,
    mux: { instances, multiplexer: 'gaussian-hadamard', demultiplexer: 'rsa' },
  };
  return { config, parameters: loudParameters(config, 2), tokenizer };
}
