/** The model card: what a model folder's `README.md` says of its model, with the figures of its evaluation. */
import type { ModelConfig } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import type { Evaluation } from './evaluate.ts';
import { taskOf } from './task-table.ts';

export interface CardFigures {
  /** Of the fp32 model. */
  readonly evaluation: Evaluation;
  /** Of the int8 model on the same rows, where there is one. */
  readonly int8?: Evaluation;
  readonly parameters: number;
  /** That the model was trained with, where it is known. */
  readonly seed?: number | undefined;
}

type Row = readonly [name: string, content: string];

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** The figures of an evaluation as rows of a table; `of` tells those of several apart. */
function qualityRows(evaluation: Evaluation, of = ''): Row[] {
  const { accuracy, accuracyStd, macroF1, spanF1, spanF1Std = 0, groupings, examples } = evaluation;
  const spread = (std: number): string => (groupings === 1 ? '' : `, mean of ${groupings} groupings ± ${percent(std)}`);
  return [
    [`Accuracy${of}`, `${percent(accuracy)} of ${examples} rows${spread(accuracyStd)}`],
    ...(spanF1 === undefined ? [] : [[`Span F1${of}`, `${percent(spanF1)}${spread(spanF1Std)}`] as const]),
    [`Macro F1${of}`, percent(macroF1)],
  ];
}

function figureRows({ evaluation, int8 }: CardFigures): Row[] {
  if (int8 === undefined) return [['Precision', 'fp32'], ...qualityRows(evaluation)];
  return [
    [
      'Precision',
      'fp32 (`onnx/model.onnx`) and int8 (`onnx/model_quantized.onnx`), which PruMUX runs unless it is told otherwise',
    ],
    ...qualityRows(evaluation, ', fp32'),
    ...qualityRows(int8, ', int8'),
  ];
}

export function modelCard(title: string, config: ModelConfig, figures: CardFigures): string {
  const { encoder, labels } = config;
  const { parameters, seed } = figures;
  const rows: Row[] = [
    ['Labels', labels.join(', ')],
    ['Inputs per forward pass', String(instancesOf(config))],
    ['Hidden size', String(encoder.hiddenSize)],
    ['Layers', encoder.layers.map((layer) => `${layer.heads} heads, ${layer.intermediateSize} units`).join(' · ')],
    ['Vocabulary', `${encoder.vocabularySize.toLocaleString('en')} tokens`],
    ['Parameters', parameters.toLocaleString('en')],
    ...figureRows(figures),
    ...(seed === undefined ? [] : [['Seed', String(seed)] as const]),
  ];
  return `---
pipeline_tag: ${taskOf(config).pipelineTag}
library_name: prumux
---
# ${title}

| | |
|---|---|
${rows.map(([name, content]) => `| ${name} | ${content} |`).join('\n')}

Made by PruMUX; \`run.json\` has how it was made and measured. The ONNX model takes \`input_ids\`, \`attention_mask\` and \`token_type_ids\`
of shape [${instancesOf(config)}·B, T] and gives \`logits\`.
`;
}

/** The title of a card that exists. */
export function titleOf(card: string): string | undefined {
  return /^# (.+)$/m.exec(card)?.[1];
}
