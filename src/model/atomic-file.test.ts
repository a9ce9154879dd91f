/** What stays when writing fails: on a full disk (a real one where this machine allows), without permission, half-way, killed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { CheckpointError, ConfigError } from '../base/index.ts';
import { OWNER, recoverFolder, replaceFolder, writeFileAtomically } from './atomic-file.ts';

const root = await mkdtemp(join(tmpdir(), 'prumux-atomic-'));
const place = join(root, 'place');
beforeEach(async () => {
  await rm(place, { recursive: true, force: true });
  await mkdir(place);
});
afterAll(() => rm(root, { recursive: true }));

/** What this process puts beside a path is named by: the name of a staging folder tells. */
async function ownMark(): Promise<string> {
  let name = '';
  await replaceFolder(join(root, 'any'), async (staging) => {
    name = staging;
  });
  return name.slice(join(root, 'any.partial-').length);
}

/** Mounts a disk of 64 KiB, or says why it cannot. */
function smallDisk(at: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', at], { stdio: 'pipe' });
    return true;
  } catch (error) {
    process.stderr.write(`skipped: a really full disk, as no file system can be mounted here (${error})\n`);
    return false;
  }
}

describe('writeFileAtomically', () => {
  it('writes text, bytes, and bytes in pieces', async () => {
    const path = join(place, 'file');
    await writeFileAtomically(path, 'größer');
    expect(await readFile(path, 'utf8')).toBe('größer');
    await writeFileAtomically(path, Uint8Array.of(1, 2));
    expect([...(await readFile(path))]).toEqual([1, 2]);
    await writeFileAtomically(path, [Uint8Array.of(1), Uint8Array.of(), Uint8Array.of(2, 3)]);
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    expect(await readdir(place)).toEqual(['file']);
  });

  it.runIf(existsSync('/dev/full'))(
    'says that the disk is full and leaves the earlier file (the partial is /dev/full)',
    async () => {
      const path = join(place, 'file');
      await writeFile(path, 'earlier');
      await symlink('/dev/full', `${path}.partial-${await ownMark()}`);
      const error = await writeFileAtomically(path, 'later').catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error).toMatchObject({ where: path, got: 'disk full (ENOSPC)' });
      expect(await readFile(path, 'utf8')).toBe('earlier');
      expect(await readdir(place)).toEqual(['file']);
    },
  );
  if (!existsSync('/dev/full')) process.stderr.write('skipped: a full disk, as there is no /dev/full\n');

  it('leaves the earlier file and no rest on a file system that is really full', async () => {
    if (!smallDisk(place)) return;
    try {
      const path = join(place, 'file');
      await writeFileAtomically(path, 'earlier');
      await expect(writeFileAtomically(path, new Uint8Array(100_000))).rejects.toThrow('disk full (ENOSPC)');
      expect(await readFile(path, 'utf8')).toBe('earlier');
      expect(await readdir(place)).toEqual(['file']);
    } finally {
      execFileSync('umount', [place]);
    }
  });

  it('says what is wrong with the path', async () => {
    await expect(writeFileAtomically(join(place, 'none', 'file'), '')).rejects.toThrow(
      'the folder does not exist (ENOENT)',
    );
    await writeFile(join(place, 'file'), '');
    await expect(writeFileAtomically(join(place, 'file', 'x'), '')).rejects.toThrow('a file, not a folder (ENOTDIR)');
    await mkdir(join(place, 'folder'));
    await expect(writeFileAtomically(join(place, 'folder'), '')).rejects.toThrow('a folder is in its place (EISDIR)');
    expect((await readdir(place)).sort()).toEqual(['file', 'folder']);
  });
});

describe('replaceFolder', () => {
  const folder = join(place, 'model');
  const content = () => readFile(join(folder, 'weights'), 'utf8');
  const write = (text: string) => (staging: string) => writeFile(join(staging, 'weights'), text);

  it('makes the folder and those above it, and swaps a new one in', async () => {
    const deep = join(place, 'a', 'b');
    await replaceFolder(deep, write('first'));
    expect(await readdir(deep)).toEqual(['weights']);
    await replaceFolder(folder, write('first'));
    await writeFile(join(folder, 'stale'), '');
    await replaceFolder(`${folder}/`, write('second'));
    expect(await content()).toBe('second');
    expect(await readdir(folder)).toEqual(['weights']);
    expect((await readdir(place)).sort()).toEqual(['a', 'model']);
  });

  it('takes along what it does not own', async () => {
    await replaceFolder(folder, write('first'));
    await mkdir(join(folder, 'checkpoints'));
    await writeFile(join(folder, 'checkpoints', 'last'), 'step 7');
    await writeFile(join(folder, 'stale'), '');
    await replaceFolder(folder, write('second'), ['weights', 'stale']);
    expect((await readdir(folder)).sort()).toEqual(['checkpoints', 'weights']);
    expect(await readFile(join(folder, 'checkpoints', 'last'), 'utf8')).toBe('step 7');
  });

  it('leaves the earlier folder, and no rest, when writing fails half-way', async () => {
    await replaceFolder(folder, write('first'));
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    const failing = async (staging: string): Promise<void> => {
      await writeFile(join(staging, 'weights'), 'half');
      throw full;
    };
    await expect(replaceFolder(folder, failing)).rejects.toMatchObject({ where: folder, got: 'disk full (ENOSPC)' });
    expect(await content()).toBe('first');
    expect(await readdir(place)).toEqual(['model']);
  });

  it('leaves a symbolic link to the folder as it is, and replaces what it leads to', async () => {
    await replaceFolder(folder, write('first'));
    const link = join(place, 'current');
    await symlink('model', link);
    await replaceFolder(link, write('second'));
    expect(await content()).toBe('second');
    expect(await readlink(link)).toBe('model');
    expect((await readdir(place)).sort()).toEqual(['current', 'model']);
  });

  it('follows a link from where its folder really is', async () => {
    await mkdir(join(place, 'data', 'releases', 'v3'), { recursive: true });
    await mkdir(join(place, 'data', 'models'));
    await symlink('data/models', join(place, 'models'));
    await symlink('../releases/v3', join(place, 'models', 'current'));
    await replaceFolder(join(place, 'models', 'current'), write('third'));
    expect(await readFile(join(place, 'data', 'releases', 'v3', 'weights'), 'utf8')).toBe('third');
    expect((await readdir(place)).sort()).toEqual(['data', 'models']);
  });

  it('says where the rest is, if it cannot be moved, and that what is new is in place; the next write minds it no more', async ({
    skip,
  }) => {
    await replaceFolder(folder, write('first'));
    await mkdir(join(folder, 'logs'));
    if (!smallDisk(join(folder, 'logs'))) skip('no file system can be mounted here'); // and none can be moved
    try {
      await expect(replaceFolder(folder, write('second'), ['weights'])).rejects.toThrow(
        /The new files are in place; what could not be moved is in .*model\.emptied-by-/,
      );
      expect(await content()).toBe('second');
      await replaceFolder(folder, write('third'), ['weights']);
      expect(await content()).toBe('third');
    } finally {
      const left = (await readdir(place)).filter((name) => name !== 'model');
      for (const name of left) execFileSync('umount', [join(place, name, 'logs')]);
    }
  });

  it("passes this project's own errors on as they are", async () => {
    const error = new ConfigError('here', { expected: 'a', got: 'b' });
    await expect(replaceFolder(folder, () => Promise.reject(error))).rejects.toBe(error);
  });
});

describe('what a killed process leaves', () => {
  const folder = join(place, 'model');
  /** The number of a process that has ended, and of one that runs. */
  const [ended, running] = [spawnSync(process.execPath, ['--version']).pid, process.ppid];
  /** How a process of that number, on this machine or another, names what it puts beside a path. */
  const host = OWNER.slice(0, OWNER.lastIndexOf(`-${process.pid}-`));
  const markOf = (pid: number, of: string = host): string => `${of}-${pid}-0123abcd`;

  async function makeFolder(path: string, content: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(path);
    for (const [name, text] of Object.entries(content)) await writeFile(join(path, name), text);
  }
  const contentOf = async (path: string): Promise<Record<string, string>> => {
    const names = (await readdir(path)).sort();
    const texts = await Promise.all(names.map((name) => readFile(join(path, name), 'utf8')));
    return Object.fromEntries(names.map((name, at) => [name, texts[at] ?? '']));
  };
  const writeSecond = (staging: string) => writeFile(join(staging, 'weights'), 'second');

  it.each([ended, process.pid])('between the two renames of a swap is put back: process %i', async (pid) => {
    await makeFolder(`${folder}.replaced-by-${markOf(pid)}`, { weights: 'first' });
    await recoverFolder(`${folder}/`);
    expect(await contentOf(folder)).toEqual({ weights: 'first' });
    expect(await readdir(place)).toEqual(['model']);
  });

  it('is put back by the next write, which then takes along what it does not own', async () => {
    await makeFolder(`${folder}.replaced-by-${markOf(ended)}`, { weights: 'first', report: 'kept' });
    await replaceFolder(folder, writeSecond, ['weights']);
    expect(await contentOf(folder)).toEqual({ report: 'kept', weights: 'second' });
    expect(await readdir(place)).toEqual(['model']);
  });

  it('after the swap is cleared by the next write, which takes along what it does not own', async () => {
    await makeFolder(folder, { weights: 'newer', log: 'newer' });
    await makeFolder(`${folder}.replaced-by-${markOf(ended)}`, { weights: 'first', report: 'kept', log: 'older' });
    await replaceFolder(folder, writeSecond, ['weights']);
    expect(await contentOf(folder)).toEqual({ log: 'newer', report: 'kept', weights: 'second' });
    expect(await readdir(place)).toEqual(['model']);
  });

  it('is left alone where the folder is there, where two could be meant, and where the process may still be at it', async () => {
    const replacedBy = (pid: number): string => `${folder}.replaced-by-${markOf(pid)}`;
    await makeFolder(replacedBy(running), { weights: 'of a living process' });
    await makeFolder(`${folder}.replaced-by-me`, { weights: 'of no process' });
    await recoverFolder(folder);
    expect(existsSync(folder)).toBe(false);
    await makeFolder(replacedBy(ended), { weights: 'one' });
    await makeFolder(replacedBy(process.pid), { weights: 'another' });
    await recoverFolder(folder);
    expect(existsSync(folder)).toBe(false);
    await rename(replacedBy(process.pid), folder);
    await recoverFolder(folder);
    expect(await contentOf(folder)).toEqual({ weights: 'another' });
    expect(existsSync(replacedBy(ended))).toBe(true);
  });

  it('half written is removed by the next write, but for what a living process writes', async () => {
    const file = join(place, 'file');
    for (const pid of [ended, running]) {
      await writeFile(`${file}.partial-${markOf(pid)}`, 'half');
      await makeFolder(`${folder}.partial-${markOf(pid)}`, { weights: 'half' });
    }
    await writeFileAtomically(file, 'whole');
    await replaceFolder(folder, writeSecond);
    const left = ['file', `file.partial-${markOf(running)}`, 'model', `model.partial-${markOf(running)}`];
    expect((await readdir(place)).sort()).toEqual(left);
  });

  it.each([ended, running, process.pid])(
    'on another machine is left for a day, and between the renames for minutes, whatever runs on this one: process %i',
    async (pid) => {
      const file = join(place, 'file');
      const left = [
        `file.partial-${markOf(pid, 'elsewhere')}`,
        `model.replaced-by-${markOf(pid, 'elsewhere')}`,
      ] as const;
      await writeFile(join(place, left[0]), 'half');
      await makeFolder(folder, { weights: 'first' });
      await utimes(folder, 0, 0); // an old model, but given way only now
      await rename(folder, join(place, left[1]));
      const [start, hour] = [Date.now(), 3_600_000];
      const seenAfter = async (hours: number): Promise<string[]> => {
        vi.useFakeTimers({ toFake: ['Date'], now: start + hours * hour });
        await writeFileAtomically(file, 'whole');
        await recoverFolder(folder);
        vi.useRealTimers();
        return (await readdir(place)).sort();
      };
      expect(await seenAfter(0.1)).toEqual(['file', ...left]);
      expect(await seenAfter(23)).toEqual(['file', left[0], 'model']);
      expect(await seenAfter(25)).toEqual(['file', 'model']);
    },
  );

  it('is told from what others write by the machine, the process, and a number that is drawn', async () => {
    const mark = await ownMark();
    expect(mark.slice(0, -8)).toBe(`${host}-${process.pid}-`);
    expect(host.split('.').slice(0, hostname().split('.').length).join('.')).toBe(encodeURIComponent(hostname()));
    vi.resetModules();
    const another = await import('./atomic-file.ts');
    await another.replaceFolder(folder, async (staging) => {
      expect(staging).toMatch(new RegExp(`^${folder}\\.partial-${host}-${process.pid}-[0-9a-f]{8}$`));
      expect(staging).not.toContain(mark);
    });
  });

  it('after the swap is not put back when the new folder is deleted, and goes with the next write', async () => {
    await makeFolder(folder, { weights: 'first', report: 'old' });
    const files = await vi.importActual<typeof import('node:fs/promises')>('node:fs/promises');
    const rmUnlessKilled: typeof rm = (path, options) =>
      /-by-/.test(String(path)) ? Promise.reject(new Error('killed')) : files.rm(path, options);
    vi.resetModules();
    vi.doMock('node:fs/promises', () => ({ ...files, rm: rmUnlessKilled }));
    const killed = await import('./atomic-file.ts');
    await expect(killed.replaceFolder(folder, writeSecond)).rejects.toThrow('killed');
    vi.doUnmock('node:fs/promises');
    expect(await contentOf(folder)).toEqual({ weights: 'second' });
    expect(await readdir(place)).toHaveLength(2);
    await rm(folder, { recursive: true });
    await recoverFolder(folder);
    expect(existsSync(folder)).toBe(false);
    await replaceFolder(folder, writeSecond, ['weights']);
    expect(await contentOf(folder)).toEqual({ weights: 'second' });
    expect(await readdir(place)).toEqual(['model']);
  });
});
