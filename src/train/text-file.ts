/** Plain text files that are read in pieces, however large: nothing is held but what was asked for, no file stays open. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { DataError, messageOf } from '../base/index.ts';

export interface TextFile {
  readonly path: string;
  readonly bytes: number;
  /** The bytes of a range; fewer where the file has become shorter. */
  read(from: number, to: number): Uint8Array;
}

/** Throws a DataError for a file that is missing, empty or no file. */
export function openTextFile(path: string): TextFile {
  const bytes = sizeOf(path);
  return { path, bytes, read: (from, to) => readRange(path, from, Math.min(to, bytes)) };
}

function sizeOf(path: string): number {
  const status = reading(path, () => statSync(path, { throwIfNoEntry: false }));
  const facts = { expected: 'a text file' };
  if (status === undefined) throw new DataError({ file: path }, { ...facts, got: 'no such file' });
  if (!status.isFile()) throw new DataError({ file: path }, { ...facts, got: 'something that is no file' });
  if (status.size === 0) throw new DataError({ file: path }, { ...facts, got: 'an empty one' });
  return status.size;
}

function readRange(path: string, from: number, to: number): Uint8Array {
  const piece = new Uint8Array(Math.max(0, to - from));
  return reading(path, () => {
    const descriptor = openSync(path, 'r');
    try {
      return piece.subarray(0, readSync(descriptor, piece, 0, piece.length, from));
    } finally {
      closeSync(descriptor);
    }
  });
}

/** What the system refuses is an error of the file. */
function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new DataError({ file: path }, { expected: 'a readable text file', got: messageOf(cause), cause });
  }
}

/** What tells one text file from another, without reading 10 GB. */
export interface TextIdentity {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 of the size and of pieces at even distances. */
  readonly checksum: string;
}

const PIECES = 64;
const PIECE_BYTES = 4096;

export function identityOf({ path, bytes, read }: TextFile): TextIdentity {
  const hash = createHash('sha256').update(String(bytes));
  for (let piece = 0; piece < PIECES; piece++) {
    const from = Math.floor((piece * Math.max(0, bytes - PIECE_BYTES)) / (PIECES - 1));
    hash.update(read(from, from + PIECE_BYTES));
  }
  return { name: basename(path), bytes, checksum: hash.digest('hex') };
}
