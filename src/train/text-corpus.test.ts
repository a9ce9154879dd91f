/** Text as rows: blocks and orders by what a partition and a permutation are, rows by the text they were cut from, reading by counted bytes. */
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { DataError } from '../base/index.ts';
import type { Tokenizer } from '../model/index.ts';
import { blockOrder } from './block-order.ts';
import { maskingOf } from './masking.ts';
import { heldOutBatches } from './text-batches.ts';
import { type Block, rowOf, sampleTexts, TextCorpus, TextRows } from './text-corpus.ts';
import { identityOf, openTextFile, type TextFile } from './text-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'prumux-corpus-'));
afterAll(() => rmSync(folder, { recursive: true }));

const [CLS, SEP] = [1, 2];

/** Words at blanks; the words that it met are its vocabulary. */
function blankTokenizer(): Tokenizer & { wordsOf(ids: readonly number[]): string[] } {
  const words: string[] = [];
  const idOf = (word: string): number => {
    if (!words.includes(word)) words.push(word);
    return SEP + 1 + words.indexOf(word);
  };
  return {
    ...{ vocabularySize: 1000, padId: 0, unknownId: 998, maskId: 999, isLowerCase: false, json: {} },
    encode(text, _, maxTokens = Number.POSITIVE_INFINITY) {
      const found = text.split(' ').filter((word) => word !== '');
      const ids = [CLS, ...found.slice(0, maxTokens - 2).map(idOf), SEP];
      return { ids, types: ids.map(() => 0) };
    },
    encodeWords(words, maxTokens) {
      return { ...this.encode(words.join(' '), undefined, maxTokens), starts: words.map((_, at) => at + 1) };
    },
    wordsOf: (ids) => ids.filter((id) => id > SEP).map((id) => words[id - SEP - 1] ?? ''),
  };
}

/** A file in memory that counts what is read of it. */
function memoryFile(
  content: string | Uint8Array,
  path = 'memory.txt',
): TextFile & { readonly count: { bytes: number } } {
  const all = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  const count = { bytes: 0 };
  return {
    path,
    bytes: all.length,
    count,
    read(from, to) {
      count.bytes += Math.max(0, Math.min(to, all.length) - from);
      return all.subarray(from, to);
    },
  };
}

const blocksOf = (corpus: TextCorpus): { training: Block[]; heldOut: Block[] } => ({
  training: Array.from({ length: corpus.trainingBlocks }, (_, place) => corpus.trainingBlock(place)),
  heldOut: Array.from({ length: corpus.heldOutBlocks }, (_, place) => corpus.heldOutBlock(place)),
});

describe('blockOrder', () => {
  it('is a permutation, and its stride meets every place', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(), fc.nat(50), fc.nat(), (count, seed, epoch, start) => {
        const order = blockOrder(count, seed, epoch);
        const places = Array.from({ length: count }, (_, place) => place);
        expect(new Set(places.map(order.at)).size).toBe(count);
        expect(new Set(places.map((at) => (start + at * order.stride) % count)).size).toBe(count);
      }),
    );
  });

  it('is exact for more blocks than a product of two fits into a number', () => {
    const count = 2 ** 31 - 1;
    const order = blockOrder(count, 1, 0);
    const [zero, one, last] = [order.at(0), order.at(1), order.at(count - 1)];
    expect(one).toBe((zero + order.stride) % count);
    expect((last + order.stride) % count).toBe(zero); // a (n - 1) + b + a = b (mod n)
  });

  it('differs from epoch to epoch', () => {
    const first = Array.from({ length: 50 }, (_, place) => blockOrder(50, 1, 0).at(place));
    expect(Array.from({ length: 50 }, (_, place) => blockOrder(50, 1, 1).at(place))).not.toEqual(first);
  });
});

describe('TextCorpus', () => {
  const files = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 5 });

  it('cuts files into blocks without gaps; no training row may read what is held out', () => {
    fc.assert(
      fc.property(files, fc.integer({ min: 4, max: 20 }), (sizes, tokens) => {
        fc.pre(sizes.reduce((sum, size) => sum + size, 0) > 20 * tokens);
        const opened = sizes.map((size, at) => memoryFile(new Uint8Array(size), `${at}`));
        const corpus = new TextCorpus(opened, tokens);
        const { training, heldOut } = blocksOf(corpus);
        for (const file of opened) {
          const held = heldOut.map((block) => ({ ...block, end: block.limit }));
          const ranges = [...training, ...held].filter((block) => block.file === file);
          ranges.sort((one, other) => one.start - other.start);
          // The first block may be the second of a run that is held out at the end of the file before.
          expect(ranges[0]?.start ?? 0).toBeLessThanOrEqual(corpus.blockBytes);
          expect(ranges.at(-1)?.end ?? file.bytes).toBe(file.bytes);
          ranges.slice(1).forEach(({ start }, at) => {
            expect(start).toBe(ranges[at]?.end);
          });
        }
        for (const { file, start, limit } of training) {
          const overlapping = heldOut.filter((held) => held.file === file && held.start < limit && held.limit > start);
          expect(overlapping).toEqual([]);
        }
      }),
      // 399 blocks: one short of the fourth run that is held out.
      { examples: [[[2670, 2610, 5430, 7770, 5310], 12]] },
    );
  });

  it('refuses too little text, and says how much is needed', () => {
    expect(() => new TextCorpus([memoryFile('a few words')], 128)).toThrow(
      'memory.txt: expected text for at least 3 rows of 128 tokens (1920 bytes), got 11 bytes.',
    );
  });
});

/** 200 lines of 40 bytes, the bytes of a block of 8 tokens: `line7 a b c …`. */
const LINES = 200;
const numberedLines = Array.from({ length: LINES }, (_, line) => `line${line} ${'x '.repeat(20)}`.slice(0, 39)).join(
  '\n',
);

describe('rows', () => {
  const tokenizer = blankTokenizer();
  const rows = new TextRows(new TextCorpus([memoryFile(`${numberedLines}\n`)], 8), tokenizer, 8);
  const firstWord = ({ ids }: { readonly ids: readonly number[] }): string => tokenizer.wordsOf(ids)[0] ?? '';

  it('visit every training block once in an epoch, otherwise in the next, and never one that is held out', () => {
    const epoch = (number: number): string[] =>
      Array.from({ length: rows.perEpoch }, (_, at) => firstWord(rows.trainingRow(number * rows.perEpoch + at, 5)));
    const [first, second] = [epoch(0), epoch(1)];
    const heldOut = rows.heldOutRows(10).map(firstWord);
    expect(new Set(first).size).toBe(rows.perEpoch);
    expect(second).not.toEqual(first);
    expect(heldOut.toSorted()).toEqual(['line198', 'line98']);
    for (const words of [first, second]) {
      expect(words.filter((word) => [...heldOut, 'line99', 'line199'].includes(word))).toEqual([]);
    }
    expect(rows.perEpoch).toBe(LINES - 4);
  });

  it('meet all of the text in the end, though rows have no room for all of their blocks', () => {
    const text = Array.from({ length: 900 }, (_, at) => `w${100 + at}`).join(' '); // 8 words in a block of 40 bytes, 6 in its row
    const words = blankTokenizer();
    const short = new TextRows(new TextCorpus([memoryFile(text)], 8), words, 8);
    const met = (epochs: number): number => {
      const count = epochs * short.perEpoch;
      return new Set(Array.from({ length: count }, (_, at) => words.wordsOf(short.trainingRow(at, 5).ids)).flat()).size;
    };
    expect(met(1)).toBeLessThan(0.8 * 900);
    expect(met(20)).toBeGreaterThan(0.97 * 900); // all but what is held out, and the words that its edges cut
  });

  it('are read from short files in every epoch', () => {
    const words = blankTokenizer();
    const files = Array.from({ length: 12 }, (_, at) => memoryFile(`short${at} words`, `${at}.txt`));
    const short = new TextRows(new TextCorpus(files, 8), words, 8);
    for (const epoch of [0, 1, 2, 3]) {
      const rows = Array.from({ length: short.perEpoch }, (_, at) => short.trainingRow(epoch * short.perEpoch + at, 5));
      const last = rows.map(({ ids }) => words.wordsOf(ids).at(-1));
      expect(new Set(last)).toEqual(new Set(['words']));
      if (epoch === 0) expect(new Set(rows.map(({ ids }) => words.wordsOf(ids)[0])).size).toBe(short.perEpoch);
    }
  });

  it('are measured on in whole groups of different ones, or the text is refused', () => {
    const masking = { ...maskingOf(tokenizer), specialIds: new Set([CLS, SEP]) };
    const options = { tokens: 8, masking };
    const [{ original, rows: count }, ...others] = heldOutBatches(rows, { ...options, instances: 2 });
    expect([count, others]).toEqual([2, []]);
    const [first, second] = [original.data.slice(0, 8), original.data.slice(8)];
    expect(first).not.toEqual(second);
    expect(() => heldOutBatches(rows, { ...options, instances: 3 })).toThrow(
      'memory.txt: expected text that leaves 3 rows of 8 tokens to measure on, one for each place in a pass (12000 bytes), ' +
        'got 2 in 8000 bytes. Give more text',
    );
  });

  it('follow from their number alone', () => {
    const again = new TextRows(new TextCorpus([memoryFile(`${numberedLines}\n`)], 8), tokenizer, 8);
    for (const number of [777, 3, 195, 196]) expect(again.trainingRow(number, 5)).toEqual(rows.trainingRow(number, 5));
  });

  it('are full where there is text enough: [CLS], words, [SEP]', () => {
    const { ids } = rows.trainingRow(0, 5);
    expect(ids).toHaveLength(8);
    expect([ids[0], ids.at(-1)]).toEqual([CLS, SEP]);
  });

  const rowAt = (text: string, start: number, end: number): string[] => {
    const block = { file: memoryFile(text), start, end, limit: new TextEncoder().encode(text).length };
    return tokenizer.wordsOf(rowOf(block, tokenizer, 5)?.ids ?? []);
  };

  it.each([
    ['a line that begins with the block', 'aa bb\ncc dd ee ff', 6, 14, ['cc', 'dd', 'ee']],
    ['the first line in the first half', 'aa bb cc\ndd ee ff gg', 4, 20, ['dd', 'ee', 'ff']],
    ['the next white space where the line begins later', 'aa bb cc dd\nee ff gg', 4, 14, ['cc', 'dd', 'ee']],
    ['the next character within a long word', 'ααααα bb cc', 3, 9, ['ααα', 'bb', 'cc']],
    ['the text behind NULs and blanks', 'aa\0\0\0 \n\0 bb cc dd', 2, 14, ['bb', 'cc', 'dd']],
    ['nothing where only blanks follow', 'aa \0\0\0\0\0 bb', 2, 7, []],
  ])('begin at %s', (_, text, start, end, words) => {
    expect(rowAt(text, start, end)).toEqual(words);
  });

  it('never break a character, wherever blocks and windows end', () => {
    const texts = fc.string({ unit: 'grapheme', minLength: 200, maxLength: 600 });
    fc.assert(
      fc.property(texts, (text) => {
        const file = memoryFile(text);
        fc.pre(file.bytes > 100);
        const { training, heldOut } = blocksOf(new TextCorpus([file], 4));
        for (const block of [...training, ...heldOut]) {
          const words = tokenizer.wordsOf(rowOf(block, tokenizer, 4)?.ids ?? []);
          // Control characters are blanks to a row; the rest is the file's own.
          for (const word of words.slice(0, -1)) expect(text).toContain(word);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('say where a file is not UTF-8', () => {
    const bytes = new TextEncoder().encode(numberedLines);
    bytes[400] = 0xff;
    const broken = new TextRows(new TextCorpus([memoryFile(bytes, 'broken.txt')], 8), tokenizer, 8);
    const readAll = () => Array.from({ length: broken.perEpoch }, (_, row) => broken.trainingRow(row, 1));
    expect(readAll).toThrow('broken.txt: expected UTF-8, got bytes that are not, at byte 400.');
  });
});

describe('large files', () => {
  /** So many bytes of NULs, by default 10 GB, with short texts at even distances. */
  function sparseFile(name: string, texts: number, size = 10 * 2 ** 30): TextFile {
    const path = join(folder, name);
    const descriptor = openSync(path, 'w');
    for (let at = 0; at < texts; at++)
      writeSync(descriptor, `some text ${at} of few words\n`, Math.floor((at * size) / texts));
    ftruncateSync(descriptor, size);
    closeSync(descriptor);
    return openTextFile(path);
  }

  /** The same file, with every byte counted that is read. */
  function counted(file: TextFile): TextFile & { readonly count: { bytes: number; most: number } } {
    const count = { bytes: 0, most: 0 };
    return {
      ...file,
      count,
      read(from, to) {
        count.bytes += to - from;
        count.most = Math.max(count.most, to - from);
        return file.read(from, to);
      },
    };
  }

  it('of 10 GB, nearly all of it NULs, are read a block at a time, wherever the run is taken up', () => {
    const tokens = 128;
    const file = counted(sparseFile('sparse.txt', 50_000));
    const rows = new TextRows(new TextCorpus([file], tokens), blankTokenizer(), tokens);
    for (const number of [0, 1, rows.perEpoch - 1, 1e9])
      expect(rows.trainingRow(number, 3).ids.length).toBeGreaterThan(2);
    expect(file.count.most).toBeLessThanOrEqual(64 * tokens);
    expect(file.count.bytes).toBeLessThan(200e6);
  });

  it('without any text are an error, soon', () => {
    const file = counted(sparseFile('nul.txt', 0, 2 ** 20));
    const rows = new TextRows(new TextCorpus([file], 128), blankTokenizer(), 128);
    expect(() => rows.trainingRow(0, 1)).toThrow('nul.txt: expected text, got 1606 blocks without any');
    expect(() => rows.heldOutRows(8)).toThrow('expected text, got none in the blocks that are held out');
    expect(file.count.bytes).toBeLessThan(2 ** 24);
  });

  it('of one line and one word are read in bounded pieces', () => {
    const file = memoryFile('a'.repeat(5e6));
    const rows = new TextRows(new TextCorpus([file], 16), blankTokenizer(), 16);
    expect(rows.trainingRow(0, 1).ids).toHaveLength(3);
    expect(file.count.bytes).toBeLessThan(16 * (8 + 64) + 200);
  });

  it('give a vocabulary a sample from everywhere', () => {
    const words =
      [...sampleTexts(new TextCorpus([memoryFile(numberedLines)], 8), 800)].join(' ').match(/line\d+/g) ?? [];
    const lines = words.map((word) => Number(word.slice(4)));
    expect(lines.length).toBeGreaterThanOrEqual(19);
    expect(Math.max(...lines)).toBeGreaterThan(0.9 * LINES);
  });
});

describe('text files', () => {
  it('that are missing, empty or folders are typed errors', () => {
    writeFileSync(join(folder, 'empty.txt'), '');
    mkdirSync(join(folder, 'folder'));
    const opening = (name: string) => () => openTextFile(join(folder, name));
    expect(opening('none.txt')).toThrow(DataError);
    expect(opening('none.txt')).toThrow('expected a text file, got no such file');
    expect(opening('empty.txt')).toThrow('expected a text file, got an empty one');
    expect(opening('folder')).toThrow('expected a text file, got something that is no file');
    // What the system will not even look at, as where a permission is missing.
    expect(opening('n'.repeat(300))).toThrow(DataError);
  });

  it('are told apart by size and content, not by name', () => {
    const identity = (text: string) => identityOf(memoryFile(text)).checksum;
    expect(identityOf(memoryFile('abc', 'other.txt')).checksum).toBe(identity('abc'));
    expect(identity('abd')).not.toBe(identity('abc'));
    expect(identity('abc ')).not.toBe(identity('abc'));
  });
});
