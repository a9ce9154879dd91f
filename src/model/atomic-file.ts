/**
 * Writing without loss: files and folders are made beside their place and renamed into it, so that a full disk or a killed
 * process leaves what was there before.
 */
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CheckpointError, messageOf, PrumuxError } from '../base/index.ts';

/** What the usual failures mean; the code alone tells few people. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'disk full',
  EDQUOT: 'disk quota used up',
  EFBIG: 'file too large for this file system',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'read-only file system',
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'a folder is in its place',
  EMFILE: 'too many open files',
};

/**
 * Writes a file, of one piece or several, and renames it into place when it is safely on disk. Throws a CheckpointError that
 * says why it could not; the earlier file, if any, is then as it was.
 */
export async function writeFileAtomically(
  path: string,
  data: string | Uint8Array | readonly Uint8Array[],
): Promise<void> {
  const pieces = typeof data === 'string' ? [Buffer.from(data)] : data instanceof Uint8Array ? [data] : data;
  const partial = partialOf(path);
  try {
    await writeSynced(partial, pieces);
    await rename(partial, path);
  } catch (cause) {
    await discard(partial);
    throw writingError(path, cause);
  }
}

/**
 * Builds a folder by `write(staging)` beside its place and then swaps it in. When `write` fails, the earlier folder is as it
 * was. Of an earlier folder the entries named in `owned` give way, or all where it is left out; others move to the new one.
 */
export async function replaceFolder(
  folder: string,
  write: (staging: string) => Promise<void>,
  owned?: readonly string[],
): Promise<void> {
  const place = resolve(folder);
  const staging = partialOf(place);
  try {
    await rm(staging, { recursive: true, force: true });
    await mkdir(dirname(place), { recursive: true });
    await mkdir(staging);
    await write(staging);
    await swapIn(staging, place, owned);
  } catch (cause) {
    await discard(staging);
    throw cause instanceof PrumuxError ? cause : writingError(folder, cause);
  }
}

/** Clears up after a failure, which must be reported even when the clearing fails too. */
function discard(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true }).catch(() => undefined);
}

function partialOf(path: string): string {
  return `${path}.partial-${process.pid}`;
}

async function writeSynced(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const piece of pieces) await file.writeFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function swapIn(staging: string, place: string, owned: readonly string[] | undefined): Promise<void> {
  if (!existsSync(place)) return rename(staging, place);
  const old = `${place}.old-${process.pid}`;
  const entries = await readdir(place);
  await rename(place, old);
  try {
    await rename(staging, place);
  } catch (cause) {
    await rename(old, place);
    throw cause;
  }
  const carried = owned === undefined ? [] : entries.filter((entry) => !owned.includes(entry));
  for (const entry of carried) await rename(join(old, entry), join(place, entry));
  await rm(old, { recursive: true, force: true });
}

function writingError(path: string, cause: unknown): CheckpointError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const reason = REASONS[code];
  const got = reason === undefined ? messageOf(cause) : `${reason} (${code})`;
  return new CheckpointError(path, {
    expected: 'to write it',
    got,
    hint: 'What was there before is untouched.',
    cause,
  });
}
