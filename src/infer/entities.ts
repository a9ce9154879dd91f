/** Entities in texts: each word gets the most likely tag at its first piece, and the tags together say the spans. */
import { ConfigError, type FloatTensor } from '../base/index.ts';
import { type PlacedWord, type Tokenizer, type WordEncoding, wordsIn } from '../model/index.ts';
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

/** A text as a row of its words. */
export interface Sentence {
  readonly text: string;
  readonly words: readonly PlacedWord[];
  readonly encoding: WordEncoding;
}

export function sentenceOf(text: string, tokenizer: Tokenizer, maxTokens: number): Sentence {
  const words = wordsIn(text);
  const encoding = tokenizer.encodeWords(
    words.map((word) => word.text),
    maxTokens,
  );
  return { text, words, encoding };
}

/** The entities of one text from its logits [t, C]; words that were cut off belong to none. */
export function entitiesIn(
  { text, words, encoding }: Sentence,
  logits: FloatTensor,
  labels: readonly string[],
): readonly Entity[] {
  const answers = encoding.starts.map((start) => tagAt(logits, start, labels));
  return spansOf(answers.map(({ tag }) => tag)).map((span) => {
    const [start, end] = [words[span.start]?.start ?? 0, words[span.end - 1]?.end ?? 0];
    const total = answers.slice(span.start, span.end).reduce((sum, { score }) => sum + score, 0);
    return { label: span.type, text: text.slice(start, end), start, end, score: total / (span.end - span.start) };
  });
}

/** Throws ConfigError for a pair of texts, which token classification does not know. */
export function refusePair({ pair }: TextInput): void {
  if (pair === undefined) return;
  throw new ConfigError('pairs', { expected: 'single texts, as the model classifies tokens', got: 'a pair of texts' });
}

/** The entities of many texts, in their order. */
export async function findEntities(
  { predictor, tokenizer, maxTokens }: Pick<TextClassifier, 'predictor' | 'tokenizer' | 'maxTokens'>,
  inputs: readonly TextInput[],
  { ensemble = false }: Pick<PredictOptions, 'ensemble'> = {},
): Promise<readonly (readonly Entity[])[]> {
  inputs.forEach(refusePair);
  const sentences = inputs.map(({ text }) => sentenceOf(text, tokenizer, maxTokens));
  const encodings = sentences.map(({ encoding }) => encoding);
  const options = { padId: tokenizer.padId, maxTokens, groups: DEFAULT_GROUPS, ensemble };
  const logits = await predictLogits(predictor, encodings, options);
  const { labels } = predictor.config;
  return sentences.map((sentence, row) => entitiesIn(sentence, logits[row] as FloatTensor, labels));
}
