/** The model card of a pretrained encoder. */
import type { ModelConfig } from '../model/index.ts';
import { instancesOf } from '../mux/index.ts';
import type { LanguageEvaluation } from './language-evaluation.ts';
import type { TextIdentity } from './text-file.ts';

/** What the card tells besides the shape. */
export interface EncoderFigures extends LanguageEvaluation {
  readonly parameters: number;
  readonly steps: number;
  readonly seed: number;
  /** Whether the word vectors began as what counts in the text give. */
  readonly hasCountedWords: boolean;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function multiplexedRows({ mux }: ModelConfig, { retrievalAccuracy }: LanguageEvaluation): string[] {
  if (mux === undefined || retrievalAccuracy === null) return [];
  return [
    `| Inputs per forward pass | ${mux.instances}, ${mux.multiplexer} and ${mux.demultiplexer} |`,
    `| Retrieval | ${percent(retrievalAccuracy)} of the words, unmasked, are told from the mixture |`,
  ];
}

export function encoderCard(config: ModelConfig, figures: EncoderFigures, data: readonly TextIdentity[]): string {
  const { encoder, maxTokens } = config;
  const { loss, accuracy, positions, steps, parameters, seed } = figures;
  const texts = data.map(({ name, bytes }) => `${name} (${bytes.toLocaleString('en')} bytes)`);
  const use = instancesOf(config) === 1 ? 'prumux train --encoder FOLDER' : 'prumux compress MODEL --primed FOLDER';
  const rows = [
    `| Text | ${texts.join(', ')} |`,
    `| Layers | ${encoder.layers.length} of hidden size ${encoder.hiddenSize} |`,
    `| Vocabulary | ${encoder.vocabularySize.toLocaleString('en')} |`,
    `| Longest row | ${maxTokens} tokens |`,
    `| Parameters | ${parameters.toLocaleString('en')} |`,
    ...(figures.hasCountedWords ? ['| Word vectors | begun from counts of words nearby in the text |'] : []),
    `| Steps | ${steps.toLocaleString('en')} |`,
    `| Loss | ${loss.toFixed(3)}, full softmax over ${positions} masked words of held-out text |`,
    `| Accuracy | ${percent(accuracy)} of the masked words |`,
    ...multiplexedRows(config, figures),
    `| Seed | ${seed} |`,
  ];
  return `---
pipeline_tag: fill-mask
library_name: prumux
---
# Encoder pretrained on ${data.map(({ name }) => name).join(', ')}

| | |
|---|---|
${rows.join('\n')}

Made by PruMUX; \`run.json\` has the recipe, checksums of sampled pieces of the text and the learning curves. The folder has the names of
\`BertForMaskedLM\`. It is no classifier yet: \`${use}\`.
`;
}
