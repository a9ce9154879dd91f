/**
 * The one door to `@huggingface/tokenizers`. Its type files import without extensions, which NodeNext does not resolve, so
 * everything from it would silently be `any`: what is used of it is declared here instead.
 */
import * as library from '@huggingface/tokenizers';
import { z } from 'zod';
import { CheckpointError, messageOf } from '../base/index.ts';

/** The stages of a tokenizer. */
export interface TokenizerStages {
  readonly vocabularySize: number;
  /** Whether the text on one side of a blank, tab or end of line never changes the tokens of the other, as in every BERT tokenizer. */
  readonly isCutAtBlanks: boolean;
  readonly isLowerCase: boolean;
  readonly unknownId: number;
  /** Throws a CheckpointError for a token that the vocabulary does not have. */
  specialId(token: string): number;
  /** Ids of a text that is normalised, split at blanks and punctuation, and cut into word pieces; no special tokens added. */
  split(text: string): number[];
  /** Normalised and split into words only. */
  splitWords(text: string): string[];
  /** What stands around one text, or around and between two. */
  framesOf(isPair: boolean): readonly Frame[];
}

/** A special token; or a whole text, the first or the second. Each has its segment. */
export type Frame = { readonly type: number } & ({ readonly id: number } | { readonly text: 0 | 1 });

interface LibraryTokenizer {
  readonly model: { readonly vocab: readonly string[] } | null;
  readonly normalizer: { normalize(text: string): string } | null;
  readonly pre_tokenizer: { pre_tokenize(text: string): string[] } | null;
  readonly post_processor: PostProcessor | null;
  token_to_id(token: string): number | undefined;
  tokenize(text: string): string[];
}

interface PostProcessor {
  post_process(
    first: readonly string[],
    second: readonly string[] | null,
    addSpecialTokens: boolean,
  ): { readonly tokens: readonly string[]; readonly token_type_ids?: readonly number[] };
}

const lowerCaseStages = z.looseObject({ normalizer: z.looseObject({ lowercase: z.literal(true) }) });

/** Those that put blanks around Chinese characters. */
const chineseStages = z.looseObject({
  normalizer: z.looseObject({ type: z.literal('BertNormalizer'), handle_chinese_chars: z.literal(true) }),
});

/** The stages that look no further than a word, and added tokens that lie within one. */
const bertStages = z.looseObject({
  normalizer: z.looseObject({ type: z.literal('BertNormalizer') }),
  pre_tokenizer: z.looseObject({ type: z.literal('BertPreTokenizer') }),
  model: z.looseObject({ type: z.literal('WordPiece') }),
  added_tokens: z.array(
    z.looseObject({
      content: z.string().regex(/^\S+$/),
      lstrip: z.literal(false).optional(),
      rstrip: z.literal(false).optional(),
    }),
  ),
});

/**
 * A tokenizer from the contents of `tokenizer.json` and `tokenizer_config.json`; a CheckpointError that names `where` if the
 * library refuses them or a stage is missing.
 */
export function tokenizerStages(json: object, config: object, where: string): TokenizerStages {
  const tokenizer = construct(json, config, where);
  const { model, normalizer, pre_tokenizer: preTokenizer, post_processor: postProcessor } = tokenizer;
  if (model === null || preTokenizer === null || postProcessor === null) {
    const stages = Object.entries({ model, pre_tokenizer: preTokenizer, post_processor: postProcessor });
    const missing = stages.filter(([, stage]) => stage === null).map(([name]) => name);
    throw new CheckpointError(where, {
      expected: stages.map(([name]) => name).join(', '),
      got: `no ${missing.join()}`,
    });
  }
  const specialId = (token: string): number => {
    const id = tokenizer.token_to_id(token);
    if (id !== undefined) return id;
    throw new CheckpointError(where, { expected: `the special token ${token} in the vocabulary`, got: 'none' });
  };
  const unknownId = specialId('[UNK]');
  const frames: Frame[][] = [];
  const isCutAtBlanks = bertStages.safeParse(json).success;
  const splitPart = (text: string): number[] =>
    tokenizer.tokenize(text).map((token) => tokenizer.token_to_id(token) ?? unknownId);
  const split = isCutAtBlanks ? splitByWords(splitPart) : splitPart;
  const isLowerCase = lowerCaseStages.safeParse(json).success;
  const isSpaced = chineseStages.safeParse(json).success;
  const prepared = (text: string): string => {
    const spaced = isSpaced ? withRareChineseApart(text) : text;
    return isLowerCase ? spaced.replaceAll('Σ', 'σ') : spaced;
  };
  return {
    vocabularySize: model.vocab.length,
    isCutAtBlanks,
    isLowerCase,
    ...{ unknownId, specialId },
    split: (text) => split(prepared(text)),
    splitWords: (text) => preTokenizer.pre_tokenize(normalizer?.normalize(prepared(text)) ?? text),
    framesOf(isPair) {
      const at = isPair ? 1 : 0;
      frames[at] ??= framesOf(postProcessor, isPair, specialId);
      return frames[at];
    },
  };
}

/**
 * The Chinese characters of two UTF-16 units that Hugging Face's Rust tokenizers put blanks around (src/normalizers/bert.rs; U+2B820 to U+2B91F are not
 * among them). The library looks at one unit at a time, and misses them.
 */
const RARE_CHINESE = /[\u{20000}-\u{2A6DF}\u{2A700}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu;

function withRareChineseApart(text: string): string {
  return text.replace(RARE_CHINESE, ' $& ');
}

/** No token of a text has a NUL in it. */
const TEXTS = ['\0first', '\0second'] as const;

/** Special tokens do not depend on the texts, so those around two marks are those around any. */
function framesOf(postProcessor: PostProcessor, isPair: boolean, idOf: (token: string) => number): Frame[] {
  const [first, second] = TEXTS;
  const { tokens, token_type_ids: types } = postProcessor.post_process([first], isPair ? [second] : null, true);
  return tokens.map((token, at): Frame => {
    const type = types?.[at] ?? 0;
    if (token === first) return { text: 0, type };
    return token === second ? { text: 1, type } : { id: idOf(token), type };
  });
}

/** Words that are remembered, and how long they may be: a text of any language has few that are new, and what is no word is not kept. */
const MOST_WORDS = 65_536;
const LONGEST_WORD = 64;

/**
 * Splits blank by blank and remembers what comes of a word: the library takes some 75 microseconds for a text of 20 tokens, more than a pruned model does. What
 * is remembered is forgotten as a whole when it is too much, as the words that matter are back at once.
 */
function splitByWords(split: (text: string) => number[]): (text: string) => number[] {
  const known = new Map<string, readonly number[]>();
  const idsOf = (word: string): readonly number[] => {
    const found = known.get(word);
    if (found !== undefined) return found;
    const ids = split(word);
    if (word.length > LONGEST_WORD) return ids;
    if (known.size >= MOST_WORDS) known.clear();
    // A copy: a part of a text keeps all of the text in memory.
    known.set(` ${word}`.slice(1), ids);
    return ids;
  };
  return (text) => {
    const all: number[] = [];
    for (const word of text.split(/[ \t\n\r]/)) if (word !== '') for (const id of idsOf(word)) all.push(id);
    return all;
  };
}

function construct(json: object, config: object, where: string): LibraryTokenizer {
  try {
    return new library.Tokenizer(json, config);
  } catch (cause) {
    throw new CheckpointError(where, { expected: 'a tokenizer.json of Hugging Face', got: messageOf(cause), cause });
  }
}
