/**
 * Texts to token ids, with the truncation and padding that `@huggingface/tokenizers` leaves to its callers. Both follow
 * Hugging Face's Rust tokenizers, the code that BERT checkpoints were trained with.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, ConfigError } from '../base/index.ts';
import { readJsonObject } from './json-file.ts';
import { type Frame, type TokenizerStages, tokenizerStages } from './tokenizer-library.ts';
import { type AddedToken, type Normalization, wordPieceTokenizer } from './vocabulary.ts';

/** One text, or one pair of texts, as token ids with the special tokens, and the segment of each token. */
export interface Encoding {
  readonly ids: readonly number[];
  readonly types: readonly number[];
}

/** The words of a sentence as one row, and where each word begins in it: one position per word, of as many words as there was room for. */
export interface WordEncoding extends Encoding {
  readonly starts: readonly number[];
}

export interface Tokenizer {
  /** One more than the highest id. */
  readonly vocabularySize: number;
  readonly padId: number;
  readonly unknownId: number;
  readonly maskId: number;
  readonly isLowerCase: boolean;
  /** The content of `tokenizer.json`, to be written as it is. */
  readonly json: object;
  /**
   * At most `maxTokens` tokens, special ones included; of a pair the longer text is cut first. Throws a ConfigError where
   * not even the special tokens have room.
   */
  encode(text: string, pair?: string, maxTokens?: number): Encoding;
  /**
   * Words that are cut into pieces one by one, at most `maxTokens` tokens in all; of a word that normalisation leaves nothing of there is `[UNK]`.
   * Throws a ConfigError where not even the special tokens have room.
   */
  encodeWords(words: readonly string[], maxTokens?: number): WordEncoding;
}

/** Encodings as one padded block, `[rows, tokens]` row-major, as the model takes it. */
export interface TokenBatch {
  readonly rows: number;
  readonly tokens: number;
  readonly ids: BigInt64Array;
  /** 1 for a token, 0 for padding. */
  readonly mask: BigInt64Array;
  readonly types: BigInt64Array;
}

/**
 * The tokenizer of a model folder: its `tokenizer.json`, or a BERT tokenizer over its `vocab.txt`, which lowercases unless `tokenizer_config.json` says
 * otherwise. Throws a CheckpointError where there is neither, or where it cannot be read.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const path = join(folder, 'tokenizer.json');
  const configPath = join(folder, 'tokenizer_config.json');
  const config = await readJsonIn(configPath);
  const told = tokenizerConfigIn(config, configPath);
  if (existsSync(path)) return tokenizerOf(withTold(await readJsonObject(path), told), config, path);
  const vocabularyPath = join(folder, 'vocab.txt');
  if (!existsSync(vocabularyPath)) {
    throw new CheckpointError(folder, { expected: 'tokenizer.json or vocab.txt', got: 'neither' });
  }
  const lines = (await readFile(vocabularyPath, 'utf8')).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  refuseOtherKind(told, await readJsonIn(join(folder, 'config.json')), folder);
  const added = addedTokens(told, await readJsonIn(join(folder, ADDED_TOKENS)));
  return tokenizerOf(wordPieces(lines, normalizationIn(told), added, vocabularyPath), {}, vocabularyPath);
}

/** Tokens that were added to a `vocab.txt`, with their ids: as old versions of transformers save them. */
export const ADDED_TOKENS = 'added_tokens.json';

async function readJsonIn(path: string): Promise<object> {
  return existsSync(path) ? readJsonObject(path) : {};
}

const flag = z.boolean('true, false or null').nullish();

/** With what transformers takes where nothing is said. */
const addedToken = z
  .object({
    ...{ content: z.string(), special: z.boolean().default(false), single_word: z.boolean().default(false) },
    ...{ lstrip: z.boolean().default(false), rstrip: z.boolean().default(false), normalized: z.boolean().optional() },
  })
  .transform((token) => ({ ...token, normalized: token.normalized ?? !token.special }));

const bertTokenizer = z.looseObject({
  do_lower_case: flag,
  strip_accents: flag,
  tokenize_chinese_chars: flag,
  tokenizer_class: z.string('a name').nullish(),
  /** Of Japanese ones. */
  word_tokenizer_type: z.string('a name').nullish(),
  subword_tokenizer_type: z.string('a name').nullish(),
  added_tokens_decoder: z.record(z.string(), addedToken, 'tokens by their ids').nullish(),
});

type BertTokenizer = z.infer<typeof bertTokenizer>;

/** What a `tokenizer_config.json` says. */
function tokenizerConfigIn(config: object, where: string): BertTokenizer {
  const parsed = bertTokenizer.safeParse(config);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const got = JSON.stringify(Reflect.get(config, issue?.path[0] ?? ''));
  throw new CheckpointError(`${where} (${issue?.path.join('.')})`, { expected: issue?.message ?? 'a tokenizer', got });
}

/** With the defaults of Hugging Face's `BertTokenizer`. */
function normalizationIn({ do_lower_case, strip_accents, tokenize_chinese_chars }: BertTokenizer): Normalization {
  return {
    lowercase: do_lower_case ?? true,
    strip_accents: strip_accents ?? null,
    handle_chinese_chars: tokenize_chinese_chars ?? true,
  };
}

/** What transformers calls a tokenizer that is nothing but its `tokenizer.json`. */
const KINDLESS: ReadonlySet<string> = new Set(['PreTrainedTokenizerFast', 'TokenizersBackend']);

const bertNormalizer = z.looseObject({ normalizer: z.looseObject({ type: z.literal('BertNormalizer') }) });

/**
 * A `tokenizer.json` in which the normalizer is as the `tokenizer_config.json` beside it says, where that says something: the tokenizers of transformers that are
 * BERT's do so, too (and go by their defaults where it says nothing); those of no kind take the file as it is.
 */
function withTold(json: object, told: BertTokenizer): object {
  const { data } = bertNormalizer.safeParse(json);
  if (data === undefined || KINDLESS.has(told.tokenizer_class ?? '')) return json;
  const { do_lower_case, strip_accents, tokenize_chinese_chars } = told;
  const normalizer = {
    ...data.normalizer,
    ...(typeof do_lower_case === 'boolean' && { lowercase: do_lower_case }),
    ...(strip_accents !== undefined && { strip_accents }),
    ...(typeof tokenize_chinese_chars === 'boolean' && { handle_chinese_chars: tokenize_chinese_chars }),
  };
  return { ...json, normalizer };
}

/** Those of transformers that are BERT's by another name. */
const BERT_TOKENIZERS: ReadonlySet<string> = new Set(
  'Bert ConvBert DistilBert Electra LayoutLM Lxmert MobileBert Realm RetriBert SqueezeBert'.split(' '),
);

/** A `vocab.txt` says nothing of how texts are cut into its words: there are tokenizers that do that in other ways than BERT's. */
function refuseOtherKind(told: BertTokenizer, modelConfig: object, folder: string): void {
  const { tokenizer_class, word_tokenizer_type, subword_tokenizer_type } = told;
  const name = String(tokenizer_class ?? Reflect.get(modelConfig, 'tokenizer_class') ?? 'BertTokenizer');
  const kinds = [
    BERT_TOKENIZERS.has(name.replace(/Tokenizer(Fast)?$/, '')) || name,
    [undefined, null, 'basic'].includes(word_tokenizer_type) || `words by ${word_tokenizer_type}`,
    [undefined, null, 'wordpiece'].includes(subword_tokenizer_type) || `pieces by ${subword_tokenizer_type}`,
  ].filter((kind) => kind !== true);
  if (kinds.length === 0) return;
  throw new CheckpointError(folder, {
    expected: "BERT's own tokenizer, or one in a tokenizer.json",
    got: kinds.join(', '),
    hint: 'Save a fast tokenizer of it, if there is one: AutoTokenizer.from_pretrained(…).save_pretrained(…).',
  });
}

/** From a `tokenizer_config.json`, or what `added_tokens.json` has beside it. */
function addedTokens({ added_tokens_decoder }: BertTokenizer, saved: object): readonly AddedToken[] {
  const listed = Object.entries(added_tokens_decoder ?? {}).map(([id, token]) => ({ ...token, id: Number(id) }));
  const others = Object.entries(saved)
    .filter(([content]) => !listed.some((token) => token.content === content))
    .map(([content, id]) => ({ ...addedToken.parse({ content }), id: Number(id) }));
  return [...listed, ...others];
}

function wordPieces(
  tokens: readonly string[],
  normalization: Normalization,
  added: readonly AddedToken[],
  where: string,
): object {
  try {
    return wordPieceTokenizer(tokens, normalization, added);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    throw new CheckpointError(where, { expected: cause.expected, got: cause.got, cause });
  }
}

/** The tokenizer that a `tokenizer.json` describes; `config` is the content of `tokenizer_config.json`. */
export function tokenizerOf(json: object, config: object = {}, where = 'tokenizer.json'): Tokenizer {
  const stages = tokenizerStages(json, config, where);
  const { vocabularySize, isLowerCase, unknownId, specialId } = stages;
  return {
    ...{ vocabularySize, isLowerCase, unknownId, json },
    padId: specialId('[PAD]'),
    get maskId() {
      return specialId('[MASK]'); // only pretraining needs it
    },
    encode(text, pair, maxTokens) {
      const texts = splitWithin(stages, text, pair, maxTokens);
      return framed(texts, stages.framesOf(texts.length > 1));
    },
    encodeWords(words, maxTokens) {
      const { pieces, starts } = piecesWithin(stages, words, maxTokens);
      return { ...framed([pieces], stages.framesOf(false)), starts };
    },
  };
}

/** Texts with the special tokens around them. */
function framed(texts: readonly (readonly number[])[], frames: readonly Frame[]): Encoding {
  const [ids, types]: [number[], number[]] = [[], []];
  for (const frame of frames) {
    for (const id of 'id' in frame ? [frame.id] : (texts[frame.text] ?? [])) {
      ids.push(id);
      types.push(frame.type);
    }
  }
  return { ids, types };
}

/** How many pieces there is room for beside the special tokens. */
function roomFor(frames: readonly Frame[], maxTokens: number): number {
  const added = frames.filter((frame) => 'id' in frame).length;
  if (maxTokens >= added) return maxTokens - added;
  const expected = `at least ${added}, the number of special tokens`;
  throw new ConfigError('maxTokens', { expected, got: String(maxTokens) });
}

/** The pieces of words, as many as have room, and the position of each word's first piece, special tokens counted. */
function piecesWithin(
  stages: TokenizerStages,
  words: readonly string[],
  maxTokens = Infinity,
): { readonly pieces: readonly number[]; readonly starts: readonly number[] } {
  const frames = stages.framesOf(false);
  const room = roomFor(frames, maxTokens);
  const before = frames.findIndex((frame) => 'text' in frame);
  const pieces: number[] = [];
  const starts: number[] = [];
  for (const word of words) {
    if (pieces.length >= room) break;
    starts.push(before + pieces.length);
    const ofWord = splitStart(stages, word, maxTokens);
    pieces.push(...(ofWord.length > 0 ? ofWord : [stages.unknownId]));
  }
  return { pieces: pieces.slice(0, room), starts };
}

/** The tokens of a text or a pair, cut so that with the special tokens there are at most `maxTokens`. */
function splitWithin(
  stages: TokenizerStages,
  text: string,
  pair: string | undefined,
  maxTokens = Infinity,
): readonly number[][] {
  const room = roomFor(stages.framesOf(pair !== undefined), maxTokens);
  const first = splitStart(stages, text, maxTokens);
  if (pair === undefined) return [first.slice(0, room)];
  const second = splitStart(stages, pair, maxTokens);
  const [keptFirst, keptSecond] = longestFirst(first.length, second.length, room);
  return [first.slice(0, keptFirst), second.slice(0, keptSecond)];
}

/** Characters looked at first for one token; English has about 5 to a token. */
const CHARACTERS_PER_TOKEN = 16;

/**
 * The first `most` tokens of a text. A megabyte of text is not split to its end (10 s for one of long words) where 128 tokens
 * are wanted.
 */
function splitStart(stages: TokenizerStages, text: string, most: number): number[] {
  const step = CHARACTERS_PER_TOKEN * most;
  if (!stages.isCutAtBlanks || text.length <= step) return stages.split(text).slice(0, most);
  const tokens: number[] = [];
  for (let start = 0; start < text.length && tokens.length < most; ) {
    const blank = text.slice(start + step).search(/[ \t\n\r]/);
    const end = blank === -1 ? text.length : start + step + blank;
    for (const token of stages.split(text.slice(start, end))) tokens.push(token);
    start = end;
  }
  return tokens.slice(0, most);
}

/**
 * How much of each of two texts stays: the longer one is cut down to the shorter, then both evenly, and an odd token goes
 * to the one that was longer, of equals to the second. As in Hugging Face's tokenizers, src/utils/truncation.rs; only of two
 * texts that are both longer than `maxTokens` the odd token may go to the other, as neither is counted to its end.
 */
function longestFirst(first: number, second: number, room: number): [first: number, second: number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  const half = Math.floor(room / 2);
  const [ofShorter, ofLonger] = shorter <= half ? [shorter, room - shorter] : [half, room - half];
  return first <= second ? [ofShorter, ofLonger] : [ofLonger, ofShorter];
}

/**
 * Encodings side by side, padded to the longest, or to `padTo` tokens: so may a bucket of a compiled graph ask. Throws a
 * ConfigError where one is longer than `padTo`.
 */
export function padBatch(encodings: readonly Encoding[], padId: number, padTo?: number): TokenBatch {
  const rows = encodings.length;
  const longest = encodings.reduce((most, { ids }) => Math.max(most, ids.length), 0);
  const tokens = padTo ?? longest;
  if (longest > tokens) throw new ConfigError('padTo', { expected: `at least ${longest}`, got: String(tokens) });
  const ids = new BigInt64Array(rows * tokens).fill(BigInt(padId));
  const mask = new BigInt64Array(rows * tokens);
  const types = new BigInt64Array(rows * tokens);
  for (const [row, encoding] of encodings.entries()) {
    const start = row * tokens;
    setLow(ids, encoding.ids, start);
    setLow(types, encoding.types, start);
    mask.fill(1n, start, start + encoding.ids.length);
  }
  return { rows, tokens, ids, mask, types };
}

/** Writes integers below 2³¹ as the low words of 64 bits (every machine that the runtime is for is little-endian), without a BigInt of each. */
function setLow(into: BigInt64Array, values: readonly number[], start: number): void {
  const words = new Int32Array(into.buffer);
  for (const [at, value] of values.entries()) words[2 * (start + at)] = value;
}
