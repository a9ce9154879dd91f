/** `--precision`: which of a folder's exported models is asked; and the same of one model among several, as `DIR:int8`. */
import { PRECISIONS, type Precision } from '../base/index.ts';
import { choice, type Option, option } from './option.ts';

export const PRECISION: Option<Precision> = option(
  "which of the folder's models to use: onnx/model.onnx, or onnx/model_quantized.onnx",
  choice(PRECISIONS),
  'fp32',
);

export interface PreciseModel {
  readonly model: string;
  readonly precision: Precision;
}

/** A model that may say its precision itself. */
export function preciseModel(operand: string, usual: Precision): PreciseModel {
  const named = PRECISIONS.find((precision) => operand.endsWith(`:${precision}`));
  if (named === undefined) return { model: operand, precision: usual };
  return { model: operand.slice(0, -`:${named}`.length), precision: named };
}
