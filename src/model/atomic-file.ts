/**
 * Writing without loss: files and folders are made beside their place and renamed into it, so that a full disk or a killed
 * process leaves what was there before.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
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
  const partial = asideOf(path, 'partial');
  try {
    await removeStale(path, partial);
    await writeSynced(partial, pieces);
    await rename(partial, path);
  } catch (cause) {
    await discard(partial);
    throw writingError(path, cause);
  }
}

/** Where a folder is: a symbolic link stays, and what it leads to is replaced. */
export function placeOf(folder: string): string {
  let place = resolve(folder);
  for (let links = 0; links < MOST_LINKS; links++) {
    if (!isLink(place)) break;
    place = resolve(realpathSync(dirname(place)), readlinkSync(place));
  }
  return place;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false; // nothing is there, or nothing can be
  }
}

/** As many as Linux follows. */
const MOST_LINKS = 40;

/**
 * Puts a folder back that a killed process had moved aside and not replaced yet. Where the folder is there, or it is not clear what
 * to put back, nothing is done. To be asked before a folder is looked for.
 */
export async function recoverFolder(folder: string): Promise<void> {
  const place = placeOf(folder);
  if (existsSync(place)) return;
  const [replaced, ...more] = await leftBehind(place, 'replaced-by');
  if (replaced === undefined || more.length > 0) return;
  await rename(replaced, place).catch((cause: unknown) => {
    throw writingError(folder, cause);
  });
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
  const place = placeOf(folder);
  const staging = asideOf(place, 'partial');
  try {
    await recoverFolder(place);
    await removeStale(place, staging);
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

/** What stands beside a path while a process writes it: what is to come, what gives way, and what has given way and is only to be emptied. */
type Aside = 'partial' | 'replaced-by' | 'emptied-by';

/** Where numbers of processes are counted: on a machine, or in one of its containers, which may all have its name. */
const HOST = encodeURIComponent([hostname(), ...countedIn()].join('.'));

function countedIn(): string[] {
  try {
    return readlinkSync('/proc/self/ns/pid').match(/\d+/) ?? [];
  } catch {
    return []; // no Linux
  }
}

/** Whose a thing beside a path is, in a folder that machines may share. */
export const OWNER = `${HOST}-${process.pid}-${randomUUID().slice(0, 8)}`;

function asideOf(path: string, kind: Aside): string {
  return `${path}.${kind}-${OWNER}`;
}

/** What stands beside a path of processes that were killed; of this one's own, too, as an earlier one may have had its number. */
async function leftBehind(path: string, kind: Aside): Promise<string[]> {
  const prefix = `${basename(path)}.${kind}-`;
  const entries = await readdir(dirname(path)).catch(() => []);
  return entries
    .filter((entry) => entry.startsWith(prefix))
    .map((entry) => ({ aside: join(dirname(path), entry), owner: entry.slice(prefix.length) }))
    .filter(({ aside, owner }) => isLeft(aside, owner, ABANDONED_MS[kind]))
    .map(({ aside }) => aside);
}

/** Processes of other machines cannot be asked after; none takes so long to write a model, or to give the new one its place. */
const ABANDONED_MS = {
  partial: 24 * 60 * 60 * 1000,
  'replaced-by': 10 * 60 * 1000,
  'emptied-by': 24 * 60 * 60 * 1000,
} as const satisfies Record<Aside, number>;

/** Whether nobody is at it any more; what is marked in another way is nothing of ours. */
function isLeft(aside: string, owner: string, abandonedMs: number): boolean {
  const [, host, id] = /^(.+)-([1-9]\d*)-[0-9a-f]{8}$/.exec(owner) ?? [];
  if (host === undefined) return false;
  if (host === HOST) return !isOfOthers(Number(id));
  const changed = lstatSync(aside, { throwIfNoEntry: false })?.ctimeMs; // renaming is a change as well
  return changed !== undefined && Date.now() - changed > abandonedMs;
}

/** Whether a process of that number is running, this one apart. */
function isOfOthers(id: number): boolean {
  if (id === process.pid) return false;
  try {
    return process.kill(id, 0); // asks, sends nothing
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

/** Removes what killed processes have half written, but for what is about to be overwritten. */
async function removeStale(path: string, partial: string): Promise<void> {
  for (const stale of await leftBehind(path, 'partial')) if (stale !== partial) await discard(stale);
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
  const spent = await leftBehind(place, 'emptied-by');
  if (!existsSync(place)) {
    for (const left of spent) await discard(left);
    return rename(staging, place);
  }
  // What cannot be moved out of them now, as a volume, stays there.
  for (const left of [...spent, ...(await leftBehind(place, 'replaced-by'))]) {
    await emptyInto(place, left, owned).catch(() => undefined);
  }
  const [replaced, emptied] = [asideOf(place, 'replaced-by'), asideOf(place, 'emptied-by')];
  await rename(place, replaced);
  try {
    await rename(staging, place);
  } catch (cause) {
    await rename(replaced, place);
    throw cause;
  }
  // From here on nobody is to put it back, should the new folder be deleted; that this cannot be said is no failure.
  const given = await rename(replaced, emptied).then(
    () => emptied,
    () => replaced,
  );
  await emptyInto(place, given, owned).catch((cause: unknown) => {
    throw new CheckpointError(place, {
      expected: 'to move there what else lay in it',
      got: messageOf(cause),
      hint: `The new files are in place; what could not be moved is in ${given}.`,
      cause,
    });
  });
}

/** Moves what is not owned to the folder that replaced it, unless that has its like; the rest goes. Throws where something cannot be moved, when all else has been. */
async function emptyInto(place: string, replaced: string, owned: readonly string[] | undefined): Promise<void> {
  const entries = owned === undefined ? [] : await readdir(replaced);
  let failure: unknown;
  for (const entry of entries) {
    if (owned?.includes(entry) || existsSync(join(place, entry))) continue;
    await rename(join(replaced, entry), join(place, entry)).catch((error: unknown) => {
      failure ??= error;
    });
  }
  if (failure !== undefined) throw failure;
  await rm(replaced, { recursive: true, force: true });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function writingError(path: string, cause: unknown): CheckpointError {
  const code = codeOf(cause);
  const reason = REASONS[code];
  const got = reason === undefined ? messageOf(cause) : `${reason} (${code})`;
  return new CheckpointError(path, {
    expected: 'to write it',
    got,
    hint: 'What was there before is untouched.',
    cause,
  });
}
