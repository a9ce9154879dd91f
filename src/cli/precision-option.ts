/** `--precision`: which of a folder's exported models is asked; and the same of one model among several, as `DIR:int8`. */
import { PRECISIONS, type Precision } from '../base/index.ts';
import type { PreciseModel } from '../infer/index.ts';
import { choice, type Option, optional } from './option.ts';
import { UsageError } from './usage-error.ts';

export const PRECISION: Option<Precision | undefined> = optional(
  "which of the folder's models to use: onnx/model.onnx, or onnx/model_quantized.onnx [the one that its config.json says]",
  choice(PRECISIONS),
);

/** A model that may say its precision itself; otherwise the usual one counts, or what its folder is meant to run in. */
export function preciseModel(operand: string, usual?: Precision): PreciseModel {
  const named = PRECISIONS.find((precision) => operand.endsWith(`:${precision}`));
  if (named === undefined) return { model: operand, precision: usual };
  return { model: operand.slice(0, -`:${named}`.length), precision: named };
}

/** The one model of a command that has `--precision` as well. Throws a UsageError where they say different things. */
export function onlyModel(operand: string, asked: Precision | undefined): PreciseModel {
  const found = preciseModel(operand, asked);
  if (asked === undefined || found.precision === asked) return found;
  throw new UsageError('--precision', { expected: `${found.precision}, as ${operand} says, or nothing`, got: asked });
}
