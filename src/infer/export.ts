/** The exported classifier: token ids in, logits out, batch and length symbolic, weights inside. */
import type { ParameterTree, Precision } from '../base/index.ts';
import { attach, type Dim, type Node, product } from '../graph/index.ts';
import {
  centreEmbeddings,
  type ModelConfig,
  parameterInputs,
  parametersFrom,
  tokenInputs,
  type Wanted,
} from '../model/index.ts';
import { classifier, instancesOf, mixtureBySlot, modelShapes } from '../mux/index.ts';
import { type EmittedModel, emit } from '../runtime/index.ts';

export interface ExportOptions {
  /** Which states of the last layer are computed. */
  readonly wanted?: Wanted;
  readonly precision?: Precision;
}

/**
 * The ONNX model of a classifier: `input_ids`, `attention_mask`, `token_type_ids` int64 [N*B, T] to `logits` float32 [N*B, C]. The
 * standard operators only, so that any ONNX runtime opens it.
 */
export function exportClassifier(
  config: ModelConfig,
  parameters: ParameterTree,
  { wanted = 'first', precision = 'fp32' }: ExportOptions = {},
): EmittedModel {
  const rows: Dim = product([instancesOf(config), 'B']);
  const p = parametersFrom(parameterInputs(modelShapes(config)));
  const inputs = tokenInputs(rows, 'T');
  const bySlot = mixtureBySlot(inputs, config, p);
  const handlers = bySlot === undefined ? [] : [bySlot];
  const [logits] = attach([classifier(inputs, config, p, wanted)], handlers) as [Node];
  const weights = bySlot === undefined ? parameters : centreEmbeddings(parameters);
  return emit({ outputs: { logits }, weights, inputs: Object.values(inputs), precision });
}
