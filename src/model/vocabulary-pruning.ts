/**
 * Dropping words that a model never saw: their rows of the word-embedding table, and their tokens in `tokenizer.json`. WordPiece takes the longest
 * token that fits at each place, and a dropped token never was that in the texts it was counted on, so those keep their tokens. Other texts may fall
 * back to shorter pieces. Words that were `[UNK]` in either may come to be spelled, where a character has no token of its own but is part of a longer one: of
 * a, ab, ##b and ##bc, `abc` is ab and then nothing; without ab it is a ##bc.
 */
import { z } from 'zod';
import { ConfigError, type FloatTensor, float32, sizeOf } from '../base/index.ts';
import { WORD_TABLE } from './checkpoint.ts';
import type { ModelFiles } from './folder.ts';
import { WORD_HEAD_BIAS } from './masked-language.ts';
import { tokenizerOf } from './tokenizer.ts';

/** The parts of a `tokenizer.json` that hold ids; what else it holds is kept. */
const wordPieceJson = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.number(), content: z.string() })).default([]),
  model: z.looseObject({
    type: z.literal('WordPiece'),
    unk_token: z.string(),
    continuing_subword_prefix: z.string().default('##'),
    vocab: z.record(z.string(), z.number()),
  }),
  post_processor: z.discriminatedUnion('type', [
    z.looseObject({
      type: z.literal('TemplateProcessing'),
      special_tokens: z.record(z.string(), z.looseObject({ ids: z.array(z.number()) })),
    }),
    z.looseObject({
      type: z.literal('BertProcessing'),
      sep: z.tuple([z.string(), z.number()]),
      cls: z.tuple([z.string(), z.number()]),
    }),
  ]),
  padding: z.looseObject({ pad_id: z.number() }).nullish(),
});

type WordPieceJson = z.infer<typeof wordPieceJson>;
type PostProcessor = WordPieceJson['post_processor'];

function parse(json: object): WordPieceJson {
  const parsed = wordPieceJson.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ConfigError('tokenizer.json', {
    expected: 'a WordPiece tokenizer with special tokens as BERT has them, to prune its vocabulary',
    got: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'something else'}`,
    hint: 'Leave the vocabulary as it is.',
  });
}

/**
 * Tokens that stay, whatever was seen: special ones; single characters and their continuations, so that what could be spelled still can; and
 * those with a character that has no such token.
 */
function indispensable({ model, added_tokens }: WordPieceJson): (token: string) => boolean {
  const { vocab, unk_token, continuing_subword_prefix: inside } = model;
  const special = new Set([unk_token, ...added_tokens.map(({ content }) => content)]);
  const spelled = (token: string): string[] => {
    const isInside = token.startsWith(inside) && token !== inside;
    const characters = [...(isInside ? token.slice(inside.length) : token)];
    return characters.map((character, at) => (at === 0 && !isInside ? character : `${inside}${character}`));
  };
  return (token) => {
    const pieces = spelled(token);
    return special.has(token) || pieces.length === 1 || pieces.some((piece) => !Object.hasOwn(vocab, piece));
  };
}

/** Old ids in the order of the new ones. */
function keptIds(json: WordPieceJson, used: ReadonlySet<number>): number[] {
  const stays = indispensable(json);
  const ofVocabulary = Object.entries(json.model.vocab).filter(([token, id]) => used.has(id) || stays(token));
  const ids = new Set([...ofVocabulary.map(([, id]) => id), ...json.added_tokens.map(({ id }) => id)]);
  return [...ids].sort((a, b) => a - b);
}

function renumberedPostProcessor(processor: PostProcessor, renumber: (id: number) => number): PostProcessor {
  if (processor.type === 'BertProcessing') {
    const { sep, cls } = processor;
    return { ...processor, sep: [sep[0], renumber(sep[1])], cls: [cls[0], renumber(cls[1])] };
  }
  const tokens = Object.entries(processor.special_tokens).map(([name, token]) => [
    name,
    { ...token, ids: token.ids.map(renumber) },
  ]);
  return { ...processor, special_tokens: Object.fromEntries(tokens) };
}

/** The `tokenizer.json` with those tokens only, renumbered in their order. */
function withTokens(json: WordPieceJson, kept: readonly number[]): object {
  const places = new Map(kept.map((id, place) => [id, place]));
  const renumber = (id: number): number => {
    const place = places.get(id);
    if (place !== undefined) return place;
    throw new ConfigError('tokenizer.json', {
      expected: 'special tokens among its tokens',
      got: `an unknown id ${id}`,
    });
  };
  const vocab = Object.entries(json.model.vocab)
    .filter(([, id]) => places.has(id))
    .map(([token, id]) => [token, renumber(id)]);
  return {
    ...json,
    added_tokens: json.added_tokens.map((token) => ({ ...token, id: renumber(token.id) })),
    model: { ...json.model, vocab: Object.fromEntries(vocab) },
    post_processor: renumberedPostProcessor(json.post_processor, renumber),
    ...(json.padding && { padding: { ...json.padding, pad_id: renumber(json.padding.pad_id) } }),
  };
}

/** Parameters with a row for every word. */
const WORD_TABLES = new Set([WORD_TABLE, WORD_HEAD_BIAS]);

/** Those rows of a table: [V, ...] -> [kept, ...] */
function rowsOf({ shape, data }: FloatTensor, kept: readonly number[]): FloatTensor {
  const inner = shape.slice(1);
  const size = sizeOf(inner);
  const rows = new Float32Array(kept.length * size);
  kept.forEach((id, place) => {
    rows.set(data.subarray(id * size, (id + 1) * size), place * size);
  });
  return float32(rows, [kept.length, ...inner]);
}

/**
 * The model with the tokens of `used` ids, and those that any text may need. Throws ConfigError for a tokenizer that is not BERT's kind.
 */
export function pruneVocabulary({ config, parameters, tokenizer }: ModelFiles, used: ReadonlySet<number>): ModelFiles {
  const json = parse(tokenizer.json);
  const kept = keptIds(json, used);
  return {
    config: { ...config, encoder: { ...config.encoder, vocabularySize: kept.length } },
    parameters: new Map(
      Array.from(parameters, ([name, tensor]) => [name, WORD_TABLES.has(name) ? rowsOf(tensor, kept) : tensor]),
    ),
    tokenizer: tokenizerOf(withTokens(json, kept)),
  };
}
