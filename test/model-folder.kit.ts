/** Model folders with random weights, complete but untrained, for tests that need a model and not its answers. */
import { PRECISIONS } from '../src/base/index.ts';
import { exportClassifier } from '../src/infer/index.ts';
import {
  type EncoderConfig,
  learnVocabulary,
  type ModelConfig,
  type ModelFiles,
  type Task,
  tokenizerOf,
  writeModelFolder,
} from '../src/model/index.ts';
import { slicePruned } from '../src/prune/index.ts';
import { loudParameters } from './tiny-bert.kit.ts';

const TEXTS = [
  'this film was great and long',
  'that book is awful but short',
  'a fine and quiet story',
  'poor old tale',
];
const [D, H, F, L] = [32, 2, 48, 2];

const tokenizer = tokenizerOf(learnVocabulary([...TEXTS, ...TEXTS], 120));

const encoder: EncoderConfig = {
  vocabularySize: tokenizer.vocabularySize,
  hiddenSize: D,
  headSize: D / H,
  layers: Array.from({ length: L }, () => ({ heads: H, intermediateSize: F })),
  maxPositions: 32,
  typeVocabularySize: 2,
  layerNormEpsilon: 1e-12,
  dropout: 0.1,
};

/** A dense classifier of one input at a time, of texts or of their tokens. */
export function randomModel(labels: readonly string[] = ['0', '1'], task: Task = 'sequence'): ModelFiles {
  const config: ModelConfig = { encoder, labels, featureSize: D, ...(task === 'tokens' && { task }) };
  return { config, parameters: loudParameters(config, 1), tokenizer };
}

/** The same with about half of its weights gone, layers of different shapes among them. */
export function prunedModel(labels: readonly string[] = ['0', '1'], task: Task = 'sequence'): ModelFiles {
  const whole = randomModel(labels, task);
  const even = (size: number): number[] => [...Array(size).keys()].filter((at) => at % 2 === 0);
  const kept = {
    hidden: [...Array(D).keys()].filter((at) => at % 4 > 0),
    layers: [
      { heads: [1], intermediate: even(F) },
      { heads: [0, 1], intermediate: [...Array(F).keys()].slice(5) },
    ],
  };
  return { ...slicePruned(whole.config, whole.parameters, kept), tokenizer };
}

export async function writeModel(folder: string, model: ModelFiles): Promise<void> {
  const [onnx, quantized] = PRECISIONS.map(
    (precision) => exportClassifier(model.config, model.parameters, { precision }).bytes,
  ) as [Uint8Array, Uint8Array];
  await writeModelFolder(folder, { ...model, onnx, quantized, card: '# random\n', evidence: { command: 'random' } });
}
