/**
 * Plain text as rows of tokens, in constant memory whatever its size. Files are cut into blocks of about the bytes of a row; a row begins
 * in its block and takes as much text as it has room for. Some blocks are held out: no row that is trained on reads into them.
 */
import { DataError, random } from '../base/index.ts';
import type { Encoding, Tokenizer } from '../model/index.ts';
import { blockOrder } from './block-order.ts';
import type { TextFile } from './text-file.ts';

/** About what English has. */
const BYTES_PER_TOKEN = 5;
/** Of each so many blocks the last two are held out: rows begin in the first of them and have room in the second. */
const HELD_OUT_PERIOD = 100;
const HELD_OUT_RUN = 2;

const MORE_TEXT = 'Give more text, or shorter rows.';

/** A piece of a file in which a row begins. */
export interface Block {
  readonly file: TextFile;
  readonly start: number;
  readonly end: number;
  /** How far its row may read. */
  readonly limit: number;
}

interface NumberedFile {
  readonly file: TextFile;
  /** Number of its first block, and of its blocks. */
  readonly first: number;
  readonly count: number;
}

/** The blocks of all files, numbered through. */
export class TextCorpus {
  readonly blockBytes: number;
  readonly trainingBlocks: number;
  readonly heldOutBlocks: number;
  private readonly files: readonly NumberedFile[];
  private readonly period: number;

  /** Throws a DataError where there is too little text to hold some out. */
  constructor(files: readonly TextFile[], tokens: number) {
    this.blockBytes = BYTES_PER_TOKEN * tokens;
    this.files = numbered(files, this.blockBytes);
    const blocks = this.files.reduce((sum, { count }) => sum + count, 0);
    if (blocks <= HELD_OUT_RUN) {
      const expected = `text for at least ${HELD_OUT_RUN + 1} rows of ${tokens} tokens (${(HELD_OUT_RUN + 1) * this.blockBytes} bytes)`;
      throw new DataError({ file: this.name }, { expected, got: `${this.bytes} bytes`, hint: MORE_TEXT });
    }
    this.period = Math.min(HELD_OUT_PERIOD, blocks);
    this.heldOutBlocks = Math.floor(blocks / this.period);
    this.trainingBlocks = blocks - HELD_OUT_RUN * this.heldOutBlocks;
  }

  /** How errors name it. */
  get name(): string {
    return this.files.map(({ file }) => file.path).join(', ');
  }

  get bytes(): number {
    return this.files.reduce((sum, { file }) => sum + file.bytes, 0);
  }

  /** Of how much text so many rows are held out, if all of its blocks have some. */
  bytesToHoldOut(rows: number): number {
    return rows * HELD_OUT_PERIOD * this.blockBytes;
  }

  /** A block of those to train on, so many bytes on from where it is. */
  trainingBlock(place: number, shift = 0): Block {
    const runs = Math.min(Math.floor(place / (this.period - HELD_OUT_RUN)), this.heldOutBlocks);
    const number = place + HELD_OUT_RUN * runs;
    const heldOut = (Math.floor(number / this.period) + 1) * this.period - HELD_OUT_RUN;
    const block = this.block(number, Math.max(heldOut, number + 1));
    const shifted = (edge: number): number => Math.min(edge + shift, block.limit);
    return { ...block, start: shifted(block.start), end: shifted(block.end) };
  }

  /** A block of those to measure on. */
  heldOutBlock(place: number): Block {
    const number = (place + 1) * this.period - HELD_OUT_RUN;
    return this.block(number, number + HELD_OUT_RUN);
  }

  /** The block of a number, for a row that ends before the block `next` begins. */
  private block(number: number, next: number): Block {
    const { file, first, count } = this.files.findLast((each) => each.first <= number) as NumberedFile;
    const edge = (at: number): number => (at - first >= count ? file.bytes : (at - first) * this.blockBytes);
    return { file, start: edge(number), end: edge(number + 1), limit: edge(next) };
  }
}

function numbered(files: readonly TextFile[], blockBytes: number): NumberedFile[] {
  let first = 0;
  return files.map((file) => {
    const count = Math.max(1, Math.round(file.bytes / blockBytes));
    first += count;
    return { file, first: first - count, count };
  });
}

const LINE_FEED = 0x0a;
/** Line ends, NULs and other control characters included. */
const isBlank = (byte: number): boolean => byte <= 0x20;
/** Within a character of UTF-8, not at its beginning. */
const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/**
 * Where the row of a block begins: at the first line that begins in the first half of the block, else behind the next white space, else
 * (in a long word) at the next character. Undefined where only blanks follow.
 */
function rowStart({ file, start, end }: Block): number | undefined {
  const from = Math.max(0, start - 1);
  const bytes = file.read(from, end);
  let at = 0;
  if (start > 0) {
    const line = bytes.subarray(0, Math.ceil((end - start) / 2)).indexOf(LINE_FEED);
    const blank = line >= 0 ? line : bytes.findIndex(isBlank);
    at = blank >= 0 ? blank + 1 : bytes.findIndex((byte, place) => place > 0 && !isContinuation(byte));
  }
  if (at < 0) return start;
  while (at < bytes.length && isBlank(bytes[at] as number)) at++;
  return at < bytes.length ? from + at : undefined;
}

/** A stretch of text; whole where nothing of it is left that its row may read. */
interface Passage {
  readonly text: string;
  readonly isWhole: boolean;
}

/** At most so many bytes of text from a place, up to the last white space in them; lines are joined by spaces. */
function passageFrom({ file, limit }: Block, start: number, bytes: number): Passage {
  const end = Math.min(start + bytes, limit);
  const isWhole = end === limit;
  const text = decode(file, file.read(start, end), start, end).replace(/[\s\0]+/g, ' ');
  const cut = isWhole ? -1 : text.lastIndexOf(' ');
  return { text: cut > 0 ? text.slice(0, cut) : text, isWhole };
}

/** A character that is cut by the end of the window is left out; at the end of the file it is an error. */
function decode(file: TextFile, bytes: Uint8Array, start: number, end: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: end < file.bytes });
  } catch (cause) {
    const got = `bytes that are not, at byte ${start + firstBadByte(bytes)}`;
    throw new DataError({ file: file.path }, { expected: 'UTF-8', got, hint: 'Save the file as UTF-8.', cause });
  }
}

/** The byte at which a decoder that is fed one by one gives up; the end where it waits for more. */
function firstBadByte(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  return bytes.findIndex((_, at) => {
    try {
      decoder.decode(bytes.subarray(at, at + 1), { stream: true });
      return at === bytes.length - 1;
    } catch {
      return true;
    }
  });
}

/** Bytes per token that are read at first, and when these do not fill the row. */
const WINDOWS = [8, 64] as const;

/** The row of a block, with at most so many tokens; undefined where the block has no text. */
export function rowOf(block: Block, tokenizer: Tokenizer, tokens: number): Encoding | undefined {
  const start = rowStart(block);
  if (start === undefined) return undefined;
  const special = tokenizer.encode('').ids.length;
  let row: Encoding | undefined;
  for (const window of WINDOWS) {
    const { text, isWhole } = passageFrom(block, start, window * tokens);
    row = tokenizer.encode(text, undefined, tokens);
    if (isWhole || row.ids.length === tokens) break;
  }
  return row !== undefined && row.ids.length > special ? row : undefined;
}

/**
 * How many blocks without text may follow each other before there is taken to be none, which is then said after seconds. A file of 10 GB may have a
 * megabyte of text: one block in ten thousand.
 */
const MOST_TRIES = 200_000;

/** The rows of a corpus: those of one epoch after the other in orders that follow from the seed, and those that are held out. */
export class TextRows {
  private readonly corpus: TextCorpus;
  private readonly tokenizer: Tokenizer;
  private readonly tokens: number;

  constructor(corpus: TextCorpus, tokenizer: Tokenizer, tokens: number) {
    this.corpus = corpus;
    this.tokenizer = tokenizer;
    this.tokens = tokens;
  }

  get perEpoch(): number {
    return this.corpus.trainingBlocks;
  }

  /**
   * The row of that number, counted from 0 over all epochs. In place of a block without text comes another of its epoch. A row has room for a part of its block
   * only where tokens are short (of Chinese, three fifths); so that all is read in the end, blocks are elsewhere in every epoch after the first.
   */
  trainingRow(number: number, seed: number): Encoding {
    const epoch = Math.floor(number / this.perEpoch);
    const order = blockOrder(this.perEpoch, seed, epoch);
    const shift = epoch === 0 ? 0 : random(seed, 'block-shift', epoch).integer(this.corpus.blockBytes);
    const tries = Math.min(MOST_TRIES, this.perEpoch);
    for (let attempt = 0; attempt < tries; attempt++) {
      const place = (number + attempt * order.stride) % this.perEpoch;
      const at = order.at(place);
      // A short file, or what is left of one, may end before the shifted block begins.
      const row = this.rowOf(this.corpus.trainingBlock(at, shift)) ?? this.rowOf(this.corpus.trainingBlock(at));
      if (row !== undefined) return row;
    }
    throw this.noText(`${tries} blocks without any`);
  }

  /** Up to `most` held-out rows, always the same ones. Throws a DataError where there are fewer than `least`. */
  heldOutRows(most: number, least = 1): readonly Encoding[] {
    const { heldOutBlocks } = this.corpus;
    const order = blockOrder(heldOutBlocks, 0, 0);
    const rows: Encoding[] = [];
    for (let place = 0; place < Math.min(heldOutBlocks, MOST_TRIES) && rows.length < most; place++) {
      const row = this.rowOf(this.corpus.heldOutBlock(order.at(place)));
      if (row !== undefined) rows.push(row);
    }
    if (rows.length === 0) throw this.noText('none in the blocks that are held out to measure on');
    if (rows.length < least) throw this.tooFewHeldOut(rows.length, least);
    return rows;
  }

  private rowOf(block: Block): Encoding | undefined {
    return rowOf(block, this.tokenizer, this.tokens);
  }

  private tooFewHeldOut(rows: number, least: number): DataError {
    const { name, bytes } = this.corpus;
    const enough = this.corpus.bytesToHoldOut(least);
    const expected = `text that leaves ${least} rows of ${this.tokens} tokens to measure on, one for each place in a pass (${enough} bytes)`;
    return new DataError({ file: name }, { expected, got: `${rows} in ${bytes} bytes`, hint: MORE_TEXT });
  }

  private noText(got: string): DataError {
    return new DataError({ file: this.corpus.name }, { expected: 'text', got });
  }
}

/** Texts to learn a vocabulary or word vectors from: about so many bytes of the training blocks, from evenly spread places. */
export function* sampleTexts(corpus: TextCorpus, bytes: number): Generator<string> {
  const { trainingBlocks, blockBytes } = corpus;
  const count = Math.min(trainingBlocks, Math.ceil(bytes / blockBytes));
  for (let sample = 0; sample < count; sample++) {
    const block = corpus.trainingBlock(Math.floor((sample * trainingBlocks) / count));
    const start = rowStart(block);
    if (start !== undefined) yield passageFrom(block, start, blockBytes).text;
  }
}
