/** The encoder that a training starts from: a preset with fresh weights, or a checkpoint. */
import { ConfigError, type ParameterTree } from '../base/index.ts';
import {
  type EncoderConfig,
  isPreset,
  learnVocabulary,
  loadTokenizer,
  presetConfig,
  readModelFolder,
  resolveModel,
  type Tokenizer,
  tokenizerOf,
} from '../model/index.ts';
import type { TrainRecipe } from './recipe.ts';

export interface EncoderStart {
  readonly encoder: EncoderConfig;
  readonly tokenizer: Tokenizer;
  /** None of a preset; of a checkpoint also its heads. */
  readonly parameters: ParameterTree;
}

/** The name of a preset is never that of a folder, which `./mini` names. `texts` are asked for where a vocabulary is to be learned. */
export async function startEncoder(
  recipe: Pick<TrainRecipe, 'encoder' | 'tokenizer' | 'vocabularySize'>,
  texts: () => Iterable<string>,
): Promise<EncoderStart> {
  if (isPreset(recipe.encoder)) {
    const tokenizer =
      recipe.tokenizer === undefined
        ? tokenizerOf(learnVocabulary(texts(), recipe.vocabularySize))
        : await loadTokenizer(await resolveModel(recipe.tokenizer));
    return { encoder: presetConfig(recipe.encoder, tokenizer.vocabularySize), tokenizer, parameters: new Map() };
  }
  const { config, parameters, tokenizer } = await readModelFolder(await resolveModel(recipe.encoder));
  if (config.mux !== undefined || config.featureSize !== config.encoder.hiddenSize) {
    throw new ConfigError('encoder', {
      expected: 'a dense encoder to start from',
      got: `${recipe.encoder}, which ${config.mux === undefined ? 'is pruned' : `takes ${config.mux.instances} inputs per pass`}`,
      hint: 'Train the dense model, then compress it; a primed encoder is for compress --primed.',
    });
  }
  return { encoder: config.encoder, tokenizer, parameters };
}
