/** A model folder opened for texts: tokenizer and exported model together. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../base/index.ts';
import { type Encoding, readModelFolder, resolveModel, type Tokenizer } from '../model/index.ts';
import { openSession, type Placement } from '../runtime/index.ts';
import { openPredictor, type Predictor, predictorOf } from './predictor.ts';

/** A text, or a pair of texts. */
export interface TextInput {
  readonly text: string;
  readonly pair?: string;
}

/** A model folder that is open. */
export interface TextClassifier {
  readonly folder: string;
  readonly tokenizer: Tokenizer;
  readonly predictor: Predictor;
  /** Longest row that the model takes, in tokens. */
  readonly maxTokens: number;
  encode(input: TextInput): Encoding;
  close(): Promise<void>;
}

/**
 * Opens a model folder (or Hub id) with its own `onnx/model.onnx`; a folder without one, such as a checkpoint made elsewhere, is exported
 * in memory. Throws CheckpointError for a folder that holds no classifier.
 */
export async function openTextClassifier(
  model: string,
  placement: Placement,
  maxTokens = 128,
): Promise<TextClassifier> {
  const folder = await resolveModel(model);
  const { config, parameters, tokenizer } = await readModelFolder(folder);
  if (config.labels.length === 0 || !parameters.has('classifier.weight')) {
    throw new CheckpointError(folder, {
      expected: 'a classifier',
      got: 'an encoder without a classification head',
      hint: 'Train it first: prumux train --encoder FOLDER.',
    });
  }
  const path = join(folder, 'onnx', 'model.onnx');
  const predictor = existsSync(path)
    ? predictorOf(await openSession(path, placement), config)
    : await openPredictor(config, parameters, placement);
  const longest = Math.min(maxTokens, config.encoder.maxPositions);
  return {
    folder,
    tokenizer,
    predictor,
    maxTokens: longest,
    encode: ({ text, pair }) => tokenizer.encode(text, pair, longest),
    close: () => predictor.close(),
  };
}
