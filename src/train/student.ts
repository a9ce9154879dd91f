/** The student of a compression before it is trained: the teacher's encoder, or a primed one of its shape, with a multiplexer. */
import { float32, type ParameterTree, parameterOf, sizeOf } from '../base/index.ts';
import { rowLimit } from '../infer/index.ts';
import { initialParameters, type ModelConfig, SEGMENT_TABLE, takenFrom, wordHeadShapes } from '../model/index.ts';
import { checkMux, initialModel, modelShapes } from '../mux/index.ts';
import { uniformShape } from '../prune/index.ts';
import type { TrainedModel } from './deliver.ts';
import type { EncodedSet } from './encoded-set.ts';
import { type AskedRecipe, type CompressRecipe, learningRatesFor } from './recipe.ts';

/** A model on its way. */
export interface Student {
  readonly config: ModelConfig;
  readonly parameters: ParameterTree;
}

/** The models that a student starts from. */
export interface Origins {
  readonly teacher: TrainedModel;
  /** A multiplexed encoder of the student's shape. */
  readonly primed?: TrainedModel;
}

export function studentConfig(teacher: ModelConfig, { instances, maxTokens, mux }: AskedRecipe): ModelConfig {
  return {
    ...teacher,
    ...(maxTokens !== undefined && { maxTokens }),
    ...(instances > 1 && { mux: { instances, ...mux } }),
  };
}

/** A recipe for a teacher: with rows as long as the student has positions for, and rates for its width. */
export function recipeFor(teacher: ModelConfig, asked: AskedRecipe): CompressRecipe {
  const student = studentConfig(teacher, asked);
  return {
    ...asked,
    learningRate: learningRatesFor(asked, student.encoder.hiddenSize),
    maxTokens: rowLimit(student),
  };
}

/** The student's configuration. Throws a ConfigError where this teacher cannot have such a student, before anything is computed. */
export function checkedStudentConfig(teacher: ModelConfig, recipe: AskedRecipe): ModelConfig {
  const student = studentConfig(teacher, recipe);
  checkMux(student);
  if (recipe.target.levels.some((level) => level > 0)) uniformShape(teacher.encoder);
  return student;
}

/** What the primed encoder has is taken from there, else from the teacher; the rest is fresh. */
export function startStudent({ teacher, primed }: Origins, recipe: CompressRecipe, seed: number): Student {
  const config = studentConfig(teacher.config, recipe);
  if (config.mux === undefined) return { config, parameters: teacher.parameters };
  const known = new Map([...teacher.parameters, ...(primed?.parameters ?? [])]);
  return { config, parameters: initialModel(config, seed, known) };
}

/**
 * Without the segments that no row of the data has: their vectors were never trained, and adding them is a pass over every embedded row.
 */
export function withoutUnusedSegments({ config, parameters }: Student, { encodings }: EncodedSet): Student {
  const table = parameterOf(parameters, SEGMENT_TABLE);
  const used = 1 + encodings.reduce((most, { types }) => types.reduce((a, b) => Math.max(a, b), most), 0);
  const shape = [used, config.encoder.hiddenSize];
  const cut = float32(table.data.slice(0, sizeOf(shape)), shape);
  return {
    config: { ...config, encoder: { ...config.encoder, typeVocabularySize: used } },
    parameters: new Map([...parameters, [SEGMENT_TABLE, cut]]),
  };
}

/** With the head that retrieval tells words with: the primed encoder's, or a fresh one. */
export function withWordHead(
  { config, parameters }: Student,
  { primed }: Pick<Origins, 'primed'>,
  seed: number,
): Student {
  const head = takenFrom(primed?.parameters ?? new Map(), initialParameters(wordHeadShapes(config), seed));
  return { config, parameters: new Map([...parameters, ...head]) };
}

/** Without what only training needed. */
export function classifierOnly({ config, parameters }: Student): Student {
  const shapes = modelShapes(config);
  return { config, parameters: new Map(Array.from(parameters).filter(([name]) => shapes.has(name))) };
}
