/** Encodings against Hugging Face's Rust tokenizers (numbers committed in tokenizer.parity.json), padding, and bad input. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointError, ConfigError } from '../base/index.ts';
import parity from './tokenizer.parity.json' with { type: 'json' };
import { type Encoding, loadTokenizer, padBatch, tokenizerOf } from './tokenizer.ts';
import { learnVocabulary, SPECIAL_TOKENS, wordPieceTokenizer } from './vocabulary.ts';

const tokenizer = tokenizerOf(wordPieceTokenizer(parity.vocabulary));
const folder = await mkdtemp(join(tmpdir(), 'prumux-tokenizer-'));
afterAll(() => rm(folder, { recursive: true }));

const numbers = (text: string): number[] => text.split(' ').map(Number);

describe('encode', () => {
  it.each(parity.cases)('agrees with the Rust tokenizers: $text | $pair | $maxTokens', (reference) => {
    const encoding = tokenizer.encode(reference.text, reference.pair ?? undefined, reference.maxTokens ?? undefined);
    expect(encoding).toEqual({ ids: numbers(reference.ids), types: numbers(reference.types) });
  });

  it('keeps within maxTokens, begins with [CLS], ends with [SEP], and cuts a prefix of each text', () => {
    const [cls, sep] = [parity.vocabulary.indexOf('[CLS]'), parity.vocabulary.indexOf('[SEP]')];
    const text = fc.string({ unit: 'grapheme', maxLength: 40 });
    fc.assert(
      fc.property(text, fc.option(text, { nil: undefined }), fc.integer({ min: 3, max: 30 }), (first, second, most) => {
        const whole = tokenizer.encode(first, second);
        const cut = tokenizer.encode(first, second, most);
        expect(cut.ids).toHaveLength(Math.min(whole.ids.length, most));
        expect(cut.types).toHaveLength(cut.ids.length);
        expect([cut.ids[0], cut.ids.at(-1)]).toEqual([cls, sep]);
        for (const segment of [0, 1]) {
          const kept = cut.ids.filter((_, place) => cut.types[place] === segment).slice(0, -1);
          expect(whole.ids.filter((_, place) => whole.types[place] === segment).slice(0, kept.length)).toEqual(kept);
        }
      }),
    );
  });

  it('gives the same word by word, from what it remembers, as of the whole text', () => {
    const json = wordPieceTokenizer(parity.vocabulary) as { added_tokens: { content: string }[] };
    // A token that takes the blank before it is what nothing may be cut at blanks for.
    const added = json.added_tokens.map((token) => ({ ...token, lstrip: token.content === '[MASK]' }));
    const whole = tokenizerOf({ ...json, added_tokens: added });
    const words = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 5 }),
      fc.constantFrom('low', 'newest', '[SEP]', 'Café'),
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 12 }), (some) => {
        const text = some.join(' ').replaceAll('[MASK]', '');
        const expected = whole.encode(text).ids;
        expect(tokenizer.encode(text).ids).toEqual(expected);
        expect(tokenizer.encode(text).ids).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('gives the same for a long text whether it is cut early or late', () => {
    const words = fc.constantFrom('low', 'newest', "weren't", '東京', '12,345', 'xyz'.repeat(60), '[SEP]', 'Café');
    const text = fc.array(words, { minLength: 0, maxLength: 120 }).map((list) => list.join(' '));
    fc.assert(
      fc.property(text, text, fc.integer({ min: 4, max: 12 }), (first, second, most) => {
        const single = tokenizer.encode(first);
        expect(tokenizer.encode(first, undefined, most).ids).toEqual(
          single.ids.length <= most ? single.ids : [...single.ids.slice(0, most - 1), single.ids.at(-1)],
        );
        const pair = tokenizer.encode(first, second, most);
        const [firstLength, secondLength] = [first, second].map((text) => tokenizer.encode(text).ids.length - 2);
        const kept = pair.types.filter((type) => type === 1).length - 1;
        expect(kept).toBe(keptOfSecond(Math.min(firstLength ?? 0, most), Math.min(secondLength ?? 0, most), most - 3));
      }),
    );
  });

  it('takes a megabyte in less than a second where few tokens are wanted', () => {
    const words = `${'x'.repeat(99)} `.repeat(10_000);
    const before = performance.now();
    expect(tokenizer.encode(words, undefined, 128).ids).toHaveLength(128);
    expect(performance.now() - before).toBeLessThan(1000);
  });

  it('takes lines and tabs for blanks', () => {
    expect(tokenizer.encode('low\tlower\r\nlow')).toEqual(tokenizer.encode('low lower low'));
  });

  it('lowers a Greek sigma as the Rust tokenizers do, at the end of a word as elsewhere', () => {
    const greek = tokenizerOf(wordPieceTokenizer([...SPECIAL_TOKENS, 'λογοσ', 'λογος']));
    expect(greek.encode('ΛΟΓΟΣ').ids).toEqual([2, 5, 3]);
    expect(greek.encode('λογος').ids).toEqual([2, 6, 3]);
  });

  it('does not mind half of a surrogate pair', () => {
    expect(tokenizer.encode('low \ud800 low')).toEqual(tokenizer.encode('low  low'));
  });

  it('refuses a length without room for the special tokens', () => {
    expect(() => tokenizer.encode('low', 'low', 2)).toThrow(ConfigError);
    expect(() => tokenizer.encode('low', undefined, 1)).toThrow('maxTokens: expected at least 2');
  });
});

/** Longest first, one token at a time, from the longer (of equals the second): the definition, slow and plain. */
function keptOfSecond(first: number, second: number, room: number): number {
  const firstIsLonger = first > second;
  let [a, b] = [first, second];
  while (a + b > room) {
    if (a > b || (a === b && !firstIsLonger)) a--;
    else b--;
  }
  return b;
}

describe('padBatch', () => {
  it('lays encodings side by side', () => {
    const rows: Encoding[] = [
      { ids: [2, 7, 3], types: [0, 0, 0] },
      { ids: [2, 7, 3, 8, 3], types: [0, 0, 0, 1, 1] },
    ];
    expect(padBatch(rows, 9)).toEqual({
      rows: 2,
      tokens: 5,
      ids: BigInt64Array.from([2n, 7n, 3n, 9n, 9n, 2n, 7n, 3n, 8n, 3n]),
      mask: BigInt64Array.from([1n, 1n, 1n, 0n, 0n, 1n, 1n, 1n, 1n, 1n]),
      types: BigInt64Array.from([0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 1n, 1n]),
    });
  });

  it('keeps every token where it was, masks the rest, and is as long as asked', () => {
    const ids = fc.array(fc.integer({ min: 0, max: 99 }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(ids, { maxLength: 5 }), fc.option(fc.integer({ min: 8, max: 12 })), (rows, padTo) => {
        const encodings = rows.map((row) => ({ ids: row, types: row.map((id) => id % 2) }));
        const batch = padBatch(encodings, 5, padTo ?? undefined);
        expect(batch.tokens).toBe(padTo ?? Math.max(0, ...rows.map((row) => row.length)));
        for (const [index, row] of rows.entries()) {
          const [start, end] = [index * batch.tokens, (index + 1) * batch.tokens];
          const padding = batch.tokens - row.length;
          expect([...batch.ids.subarray(start, end)].map(Number)).toEqual([...row, ...Array(padding).fill(5)]);
          expect(batch.mask.subarray(start, end).reduce((sum, value) => sum + value, 0n)).toBe(BigInt(row.length));
          expect([...batch.mask.subarray(start, start + row.length)].every((value) => value === 1n)).toBe(true);
        }
      }),
    );
  });

  it('refuses encodings longer than asked for', () => {
    expect(() => padBatch([{ ids: [1, 2, 3], types: [0, 0, 0] }], 0, 2)).toThrow('padTo: expected at least 3, got 2');
  });
});

describe('loadTokenizer', () => {
  it('takes vocab.txt for an uncased BERT vocabulary', async () => {
    await writeFile(join(folder, 'vocab.txt'), `${parity.vocabulary.join('\n')}\n`);
    const loaded = await loadTokenizer(folder);
    expect(loaded.json).toEqual(tokenizer.json);
    expect(loaded).toMatchObject({ vocabularySize: 140, padId: 0, unknownId: 1, maskId: 4, isLowerCase: true });
  });

  it('takes what tokenizer_config.json says of how its texts are normalised', async () => {
    await writeFile(join(folder, 'vocab.txt'), `${parity.vocabulary.join('\n')}\n`);
    const path = join(folder, 'tokenizer_config.json');
    await writeFile(path, JSON.stringify({ do_lower_case: false, tokenize_chinese_chars: false }));
    const loaded = await loadTokenizer(folder);
    expect(loaded.isLowerCase).toBe(false);
    expect(loaded.json).toMatchObject({
      normalizer: { lowercase: false, strip_accents: null, handle_chinese_chars: false },
    });
    const json = join(folder, 'tokenizer.json');
    await writeFile(json, JSON.stringify(wordPieceTokenizer(parity.vocabulary)));
    expect((await loadTokenizer(folder)).json).toEqual(loaded.json); // as transformers has it
    await writeFile(path, JSON.stringify({ do_lower_case: false, tokenizer_class: 'PreTrainedTokenizerFast' }));
    expect((await loadTokenizer(folder)).isLowerCase).toBe(true);
    await rm(json);
    await writeFile(path, JSON.stringify({ do_lower_case: 'no' }));
    await expect(loadTokenizer(folder)).rejects.toThrow(/\(do_lower_case\): expected true, false or null, got "no"/);
    await rm(path);
  });

  it.each([
    ['tokenizer_config.json', { tokenizer_class: 'BertJapaneseTokenizer' }, 'BertJapaneseTokenizer'],
    ['config.json', { tokenizer_class: 'BertJapaneseTokenizer' }, 'BertJapaneseTokenizer'],
    ['tokenizer_config.json', { word_tokenizer_type: 'mecab' }, 'words by mecab'],
    ['tokenizer_config.json', { subword_tokenizer_type: 'character' }, 'pieces by character'],
  ])('does not take vocab.txt for what it is not: %s of %j', async (file, content, got) => {
    await writeFile(join(folder, 'vocab.txt'), `${parity.vocabulary.join('\n')}\n`);
    await writeFile(join(folder, file), JSON.stringify(content));
    await expect(loadTokenizer(folder)).rejects.toThrow(`or one in a tokenizer.json, got ${got}.`);
    await rm(join(folder, file));
  });

  it('finds tokens that were added to vocab.txt, whichever file has them', async () => {
    await writeFile(join(folder, 'vocab.txt'), `${parity.vocabulary.join('\n')}\n`);
    const id = parity.vocabulary.length;
    for (const [file, content] of [
      ['added_tokens.json', { '<e1>': id }],
      ['tokenizer_config.json', { added_tokens_decoder: { 0: { content: '[PAD]' }, [id]: { content: '<e1>' } } }],
    ] as const) {
      await writeFile(join(folder, file), JSON.stringify(content));
      const { ids } = (await loadTokenizer(folder)).encode('low <e1>low');
      expect(ids).toEqual([...tokenizer.encode('low').ids.slice(0, -1), id, ...tokenizer.encode('low').ids.slice(1)]);
      await rm(join(folder, file));
    }
  });

  it('finds added tokens in what the normalizer makes of a text, unless they say otherwise, as transformers does', async () => {
    await writeFile(join(folder, 'vocab.txt'), `${parity.vocabulary.join('\n')}\n`);
    const id = parity.vocabulary.length;
    const added = { [id]: { content: '<e1>' }, [id + 1]: { content: '<E2>', normalized: false } };
    await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ added_tokens_decoder: added }));
    const { ids } = (await loadTokenizer(folder)).encode('<E1> <E2> <e2>');
    expect(ids.slice(1, 3)).toEqual([id, id + 1]);
    expect(ids.slice(3)).not.toContain(id + 1);
    await rm(join(folder, 'tokenizer_config.json'));
  });

  it('says which vocab.txt is none of BERT', async () => {
    await writeFile(join(folder, 'vocab.txt'), 'a\nb\n');
    await expect(loadTokenizer(folder)).rejects.toThrow(/vocab\.txt: expected \[PAD\], .* among the tokens, got no/);
  });

  it.each([
    ['is no JSON', '{"model"'],
    ['is no object', '[]'],
    ['has no model', '{}'],
    ['has another model', JSON.stringify({ ...wordPieceTokenizer(parity.vocabulary), model: { type: 'Telepathy' } })],
    [
      'has no special tokens',
      JSON.stringify({ ...learnVocabulary([], 9), added_tokens: [], model: { type: 'WordPiece', vocab: { a: 0 } } }),
    ],
    ['adds none', JSON.stringify({ ...learnVocabulary([], 9), post_processor: null })],
  ])('says which file %s', async (_, content) => {
    const path = join(folder, 'tokenizer.json');
    await writeFile(path, content);
    const error = await loadTokenizer(folder).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error).toMatchObject({ where: path });
    await rm(path);
  });

  it('says what a folder without a tokenizer lacks', async () => {
    await expect(loadTokenizer(join(folder, 'none'))).rejects.toThrow(
      'expected tokenizer.json or vocab.txt, got neither',
    );
  });

  const bert = join(process.env.PRUMUX_DATA ?? join(import.meta.dirname, '../../../shared/data'), 'bert-uncased');
  it.runIf(existsSync(bert))("loads BERT's own vocabulary, from either file alike", async () => {
    const loaded = await loadTokenizer(bert);
    expect(loaded.vocabularySize).toBe(30522);
    // Ids from the Rust tokenizers 0.23.2 with the same tokenizer.json.
    expect(loaded.encode('Hello, World!').ids).toEqual([101, 7592, 1010, 2088, 999, 102]);
    expect(loaded.encode('unaffable').ids).toEqual([101, 14477, 20961, 3468, 102]);
  });
  if (!existsSync(bert)) process.stderr.write(`skipped: BERT's own vocabulary, as ${bert} is not there\n`);
});

describe('encodeWords', () => {
  const words = fc.array(
    fc.oneof(
      fc.constantFrom('low', 'newest', "weren't", '東京', '12,345', 'xyz'.repeat(60), 'Café', '\u0301'),
      fc.stringMatching(/^[a-z.]{1,6}$/),
    ),
    { maxLength: 12 },
  );

  it('gives the pieces of each word by itself, from its start to that of the next', () => {
    fc.assert(
      fc.property(words, (some) => {
        const { ids, types, starts } = tokenizer.encodeWords(some);
        const alone = some.map((word) => tokenizer.encode(word).ids.slice(1, -1));
        const pieces = some.map((_, at) => ids.slice(starts[at], starts[at + 1] ?? ids.length - 1));
        expect(pieces).toEqual(alone.map((each) => (each.length > 0 ? each : [tokenizer.unknownId])));
        expect([ids[0], ids.at(-1)]).toEqual(tokenizer.encode('').ids);
        expect(types).toEqual(ids.map(() => 0));
      }),
      { seed: 1 },
    );
  });

  it('cuts to maxTokens; the words whose first piece fell are without a start', () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 2, max: 20 }), (some, most) => {
        const whole = tokenizer.encodeWords(some);
        const { ids, starts } = tokenizer.encodeWords(some, most);
        expect(ids).toEqual(whole.ids.length <= most ? whole.ids : [...whole.ids.slice(0, most - 1), whole.ids.at(-1)]);
        expect(starts).toEqual(whole.starts.filter((start) => start < most - 1));
      }),
      { seed: 1 },
    );
    expect(() => tokenizer.encodeWords(['low'], 1)).toThrow(ConfigError);
  });
});
