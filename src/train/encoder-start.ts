/** The encoder that a training starts from: a preset with fresh weights, or a checkpoint. */
import { CheckpointError, ConfigError, type ParameterTree } from '../base/index.ts';
import {
  type EncoderConfig,
  isPreset,
  learnVocabulary,
  loadTokenizer,
  PRESETS,
  presetConfig,
  readModelFolder,
  resolveModel,
  resolveTokenizer,
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
        : await loadTokenizer(await resolveTokenizer(recipe.tokenizer));
    return { encoder: presetConfig(recipe.encoder, tokenizer.vocabularySize), tokenizer, parameters: new Map() };
  }
  const { config, parameters, tokenizer } = await readModelFolder(await encoderFolder(recipe.encoder));
  if (config.mux !== undefined || config.featureSize !== config.encoder.hiddenSize) {
    throw new ConfigError('encoder', {
      expected: 'a dense encoder to start from',
      got: `${recipe.encoder}, which ${config.mux === undefined ? 'is pruned' : `takes ${config.mux.instances} inputs per pass`}`,
      hint: 'Train the dense model, then compress it; a primed encoder is for compress --primed.',
    });
  }
  return { encoder: config.encoder, tokenizer, parameters };
}

/** The folder of an encoder. Of a name that is found nowhere the error has the presets as well, one of which may have been meant. */
async function encoderFolder(name: string): Promise<string> {
  try {
    return await resolveModel(name);
  } catch (cause) {
    if (!(cause instanceof CheckpointError) || name.includes('/')) throw cause;
    const { expected, got, hint } = cause;
    const presets = Object.keys(PRESETS).join(', ');
    throw new CheckpointError(name, { expected: `${expected}, or ${presets}`, got, ...(hint && { hint }), cause });
  }
}
