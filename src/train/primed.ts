/** A multiplexed encoder that `pretrain` left, as the start of a student. */
import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from '../base/index.ts';
import { type ModelConfig, readModelFolder, requireParameters, resolveModel, type Tokenizer } from '../model/index.ts';
import { featureShapes, instancesOf } from '../mux/index.ts';
import type { TrainedModel } from './deliver.ts';

/** What two models must agree in for one to go on from the other, by name. */
function traitsOf({ encoder, mux }: ModelConfig): Readonly<Record<string, unknown>> {
  const { hiddenSize, headSize, layers, vocabularySize, maxPositions, typeVocabularySize } = encoder;
  return {
    instances: mux?.instances ?? 1,
    multiplexer: mux?.multiplexer ?? 'none',
    demultiplexer: mux?.demultiplexer ?? 'none',
    prefillLayers: mux?.prefillLayers ?? 0,
    ...{ hiddenSize, headSize, layers, vocabularySize, maxPositions, typeVocabularySize },
  };
}

/** Reads a primed encoder for a student of that shape. Throws a ConfigError that says in what they differ. */
export async function readPrimed(
  model: string,
  student: ModelConfig,
  tokenizer: Pick<Tokenizer, 'json'>,
): Promise<TrainedModel> {
  const folder = await resolveModel(model);
  const primed = await readModelFolder(folder);
  const [wanted, found] = [traitsOf(student), traitsOf(primed.config)];
  const differing = Object.keys(wanted).find((name) => !isDeepStrictEqual(wanted[name], found[name]));
  if (differing !== undefined) {
    const inWords = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
    throw new ConfigError('primed', {
      expected: `an encoder with ${differing} ${inWords(wanted[differing])}, as the student's`,
      got: `${inWords(found[differing])} in ${folder}`,
      hint: `It takes ${instancesOf(primed.config)} inputs per pass; the student has the teacher's encoder, and the multiplexing that is asked for.`,
    });
  }
  if (!isDeepStrictEqual(primed.tokenizer.json, tokenizer.json)) {
    throw new ConfigError('primed', {
      expected: "an encoder with the teacher's tokenizer",
      got: `another in ${folder}`,
    });
  }
  requireParameters(featureShapes(primed.config), primed.parameters, folder);
  return primed;
}
