/** Entities in texts: each word gets the most likely tag at its first piece, and the tags together say the spans. */
import { ConfigError, type FloatTensor } from '../base/index.ts';
import { wordsIn } from '../model/index.ts';
import { DEFAULT_GROUPS, type PredictOptions, predictLogits } from './predictor.ts';
import { spansOf } from './spans.ts';
import { scoresOf, type TextClassifier, type TextInput } from './text-classifier.ts';

export interface Entity {
  readonly label: string;
  /** `text.slice(start, end)`, in UTF-16 units. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Mean over its words of the probability of the tag. */
  readonly score: number;
}

interface TagAnswer {
  readonly tag: string;
  readonly score: number;
}

/** The most likely tag at one position of a row, [t, C]. */
function tagAt({ data }: FloatTensor, position: number, labels: readonly string[]): TagAnswer {
  const C = labels.length;
  const scores = scoresOf(data.subarray(position * C, (position + 1) * C));
  const score = Math.max(...scores);
  return { tag: labels[scores.indexOf(score)] as string, score };
}

/** The entities of one text; words that were cut off belong to none. */
function entitiesOf(text: string, words: ReturnType<typeof wordsIn>, answers: readonly TagAnswer[]): readonly Entity[] {
  return spansOf(answers.map(({ tag }) => tag)).map((span) => {
    const [start, end] = [words[span.start]?.start ?? 0, words[span.end - 1]?.end ?? 0];
    const total = answers.slice(span.start, span.end).reduce((sum, { score }) => sum + score, 0);
    return { label: span.type, text: text.slice(start, end), start, end, score: total / (span.end - span.start) };
  });
}

/** The entities of many texts, in their order. Throws ConfigError for a pair of texts, which token classification does not know. */
export async function findEntities(
  { predictor, tokenizer, maxTokens }: Pick<TextClassifier, 'predictor' | 'tokenizer' | 'maxTokens'>,
  inputs: readonly TextInput[],
  { ensemble = false }: Pick<PredictOptions, 'ensemble'> = {},
): Promise<readonly (readonly Entity[])[]> {
  const paired = inputs.find(({ pair }) => pair !== undefined);
  if (paired !== undefined) {
    throw new ConfigError('pairs', {
      expected: 'single texts, as the model classifies tokens',
      got: 'a pair of texts',
    });
  }
  const rows = inputs.map(({ text }) => {
    const words = wordsIn(text);
    const encoding = tokenizer.encodeWords(
      words.map((word) => word.text),
      maxTokens,
    );
    return { text, words, encoding };
  });
  const encodings = rows.map(({ encoding }) => encoding);
  const options = { padId: tokenizer.padId, maxTokens, groups: DEFAULT_GROUPS, ensemble };
  const logits = await predictLogits(predictor, encodings, options);
  const { labels } = predictor.config;
  return rows.map(({ text, words, encoding }, row) => {
    const answers = encoding.starts.map((start) => tagAt(logits[row] as FloatTensor, start, labels));
    return entitiesOf(text, words, answers);
  });
}
