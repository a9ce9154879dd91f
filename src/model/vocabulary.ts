/**
 * WordPiece vocabularies: learning one from texts, and the `tokenizer.json` of a BERT tokenizer around one. Learning is
 * byte-pair merging with `##` for the inside of words, as Hugging Face's WordPiece trainer does it, and is deterministic.
 *
 * Paper: Neural Machine Translation of Rare Words with Subword Units, section 3.2 - https://arxiv.org/abs/1508.07909
 */
import { ConfigError } from '../base/index.ts';
import { mergePairs, type TokenTable, tokenTable, type Word } from './pair-merging.ts';
import { tokenizerStages } from './tokenizer-library.ts';

/** The special tokens of a learned vocabulary; the place is the id. */
export const SPECIAL_TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] as const;

const INSIDE = '##';
/** WordPiece itself maps longer words to `[UNK]`. */
const LONGEST_WORD = 100;
/** As the alphabet limit of Hugging Face's BERT trainer: rarer characters become `[UNK]`, unless they are words by themselves. */
const LARGEST_ALPHABET = 1000;
/** A pair that was seen once says nothing about other texts. */
const LEAST_PAIR_COUNT = 2;

/** How BERT's normalizer treats a text before it is split. */
export interface Normalization {
  readonly lowercase: boolean;
  /** As `lowercase` says where it is null. */
  readonly strip_accents: boolean | null;
  readonly handle_chinese_chars: boolean;
}

const SPECIALS: ReadonlySet<string> = new Set(SPECIAL_TOKENS);
const AS_IT_IS = { single_word: false, lstrip: false, rstrip: false, normalized: false };
const UNCASED: Normalization = { lowercase: true, strip_accents: null, handle_chinese_chars: true };
const PRE_TOKENIZER = { type: 'BertPreTokenizer' } as const;

/** A token that is found in texts as it is, before anything else is; where it is `normalized`, in what the normalizer makes of them. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/**
 * The `tokenizer.json` of a BERT tokenizer with these tokens, uncased unless it is said otherwise; the place of a token is its id. The special
 * tokens must be among them. Others may be `added`.
 */
export function wordPieceTokenizer(
  tokens: readonly string[],
  normalization = UNCASED,
  added: readonly AddedToken[] = [],
): object {
  const vocabulary = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const id = (token: string): number => {
    const found = vocabulary[token];
    if (found !== undefined) return found;
    throw new ConfigError('vocabulary', {
      expected: `${SPECIAL_TOKENS.join(', ')} among the tokens`,
      got: `no ${token}`,
    });
  };
  const special = (token: string) => ({ id: token, ids: [id(token)], tokens: [token] });
  const piece = (token: string, type_id: number) => ({ SpecialToken: { id: token, type_id } });
  const sequence = (name: string, type_id: number) => ({ Sequence: { id: name, type_id } });
  const single = [piece('[CLS]', 0), sequence('A', 0), piece('[SEP]', 0)];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      ...SPECIAL_TOKENS.map((content): AddedToken => ({ ...AS_IT_IS, id: id(content), content, special: true })),
      ...added.filter(({ content }) => !SPECIALS.has(content)),
    ],
    normalizer: { type: 'BertNormalizer', clean_text: true, ...normalization },
    pre_tokenizer: PRE_TOKENIZER,
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, sequence('B', 1), piece('[SEP]', 1)],
      special_tokens: { '[CLS]': special('[CLS]'), '[SEP]': special('[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: INSIDE, cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: INSIDE,
      max_input_chars_per_word: LONGEST_WORD,
      vocab: vocabulary,
    },
  };
}

/**
 * The `tokenizer.json` of an uncased BERT tokenizer whose at most `size` tokens are learned from the texts: the special
 * tokens, then the characters that were seen and their `##` forms, then merges, the most frequent pair first (of equally
 * frequent ones the pair of the older tokens).
 */
export function learnVocabulary(texts: Iterable<string>, size: number): object {
  if (!Number.isInteger(size) || size <= SPECIAL_TOKENS.length) {
    const expected = `a whole number above ${SPECIAL_TOKENS.length} (the special tokens)`;
    throw new ConfigError('vocabulary size', { expected, got: String(size) });
  }
  const wordCounts = countWords(texts);
  const tokens = tokenTable([...SPECIAL_TOKENS, ...alphabet(wordCounts, size - SPECIAL_TOKENS.length)]);
  mergePairs(charactersOf(wordCounts, tokens), tokens, { size, leastCount: LEAST_PAIR_COUNT, prefix: INSIDE });
  return wordPieceTokenizer(tokens.names);
}

function countWords(texts: Iterable<string>): Map<string, number> {
  const { splitWords } = tokenizerStages(wordPieceTokenizer(SPECIAL_TOKENS), {}, 'vocabulary');
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const word of splitWords(text)) {
      if (word.length <= LONGEST_WORD) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  return counts;
}

/**
 * The most frequent characters in code point order, each followed by its `##` form if it occurs in words longer than itself
 * (punctuation never does); as many as `room` allows. Of characters that are always words there may be more.
 */
function alphabet(wordCounts: ReadonlyMap<string, number>, room: number): string[] {
  const counts = new Map<string, number>();
  const joined = new Set<string>();
  for (const [word, count] of wordCounts) {
    const characters = [...word];
    for (const character of characters) {
      counts.set(character, (counts.get(character) ?? 0) + count);
      if (characters.length > 1) joined.add(character);
    }
  }
  const sorted = [...counts.entries()].sort(([a, countA], [b, countB]) => countB - countA || compareCodePoints(a, b));
  // Characters that are words by themselves, as Chinese ones, have no pieces that could stand for them.
  const words = sorted
    .slice(LARGEST_ALPHABET)
    .filter(([character, count]) => !joined.has(character) && count >= LEAST_PAIR_COUNT)
    .slice(0, Math.floor(room / 2));
  const kept = [...sorted.slice(0, LARGEST_ALPHABET), ...words]
    .flatMap(([character]) => (joined.has(character) ? [character, INSIDE + character] : [character]))
    .slice(0, room);
  const [starts, insides] = [kept.filter((token) => !isInside(token)), kept.filter(isInside)];
  return [...starts.sort(compareCodePoints), ...insides.sort(compareCodePoints)];
}

function isInside(token: string): boolean {
  return token.length > INSIDE.length && token.startsWith(INSIDE);
}

function compareCodePoints(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** The words as single characters; those with a character outside the alphabet are left out. */
function charactersOf(wordCounts: ReadonlyMap<string, number>, table: TokenTable): Word[] {
  const words: Word[] = [];
  for (const [text, count] of wordCounts) {
    const tokens = Array.from(text, (character, place) => table.ids.get(place === 0 ? character : INSIDE + character));
    const known = tokens.filter((token) => token !== undefined);
    if (known.length === tokens.length && known.length > 1) words.push({ tokens: known, count });
  }
  return words;
}
