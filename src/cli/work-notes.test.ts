/** What work takes, by a clock that only the test moves. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RunFolder } from '../train/index.ts';
import { WorkNotes } from './work-notes.ts';

let folder = '';
/** In milliseconds. */
let now = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'notes-'));
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const open = (): WorkNotes => new WorkNotes(new RunFolder(folder, 'test'));
const pass = (seconds: number): void => {
  now += 1000 * seconds;
};

it('counts pieces of work that are done at once by their own times, and what is no work once', async () => {
  const notes = open();
  pass(1);
  const ends: (() => void)[] = [];
  const until = (): Promise<string> => new Promise((resolve) => ends.push(() => resolve('done')));
  const started = (count: number): Promise<void> =>
    vi.waitFor(() => expect(ends).toHaveLength(count), { timeout: 10_000 });
  const first = notes.kept('train', 'first', until);
  await started(1);
  pass(2);
  const second = notes.kept('train', 'second', until);
  await started(2);
  pass(3);
  ends[0]?.();
  await first;
  pass(4);
  ends[1]?.();
  expect(await second).toMatchObject({ result: 'done', seconds: 7 });
  pass(5);
  expect(notes.seconds()).toMatchObject({ train: 5 + 7, measure: 0, other: 1 + 5 });
  expect(notes.elapsed()).toBe(1 + 2 + 3 + 4 + 5);
});

it('adds what earlier runs took, and does their work no second time', async () => {
  await open().kept('measure', 'rates', async () => pass(30));
  const later = open();
  pass(2);
  await later.kept('measure', 'rates', () => Promise.reject(new Error('again')));
  expect(later.seconds()).toMatchObject({ measure: 30, other: 2 });
  expect(later.elapsed()).toBeCloseTo(32, 3);
});

it('counts what is asked for again once', async () => {
  const notes = open();
  for (let time = 0; time < 3; time++) await notes.kept('assess', 'scores', async () => pass(30));
  expect(notes.seconds()).toMatchObject({ assess: 30, other: 0 });
  expect(notes.elapsed()).toBe(30);
});

it('counts what earlier runs did at once by the clock', async () => {
  const earlier = open();
  const ends: (() => void)[] = [];
  const trained = ['a', 'b'].map((name) =>
    earlier.kept('train', name, () => new Promise<void>((end) => ends.push(end))),
  );
  await vi.waitFor(() => expect(ends).toHaveLength(2), { timeout: 10_000 });
  pass(50);
  for (const end of ends) end();
  await Promise.all(trained);
  pass(1000); // nobody at work
  const later = open();
  for (const name of ['b', 'a']) await later.kept('train', name, () => Promise.reject(new Error('again')));
  expect(later.seconds()).toMatchObject({ train: 100 });
  expect(later.elapsed()).toBeCloseTo(50, 3);
});

it('counts work that fails as work', async () => {
  const notes = open();
  const failing = async (): Promise<void> => {
    pass(6);
    throw new Error('no data');
  };
  await expect(notes.kept('guess', 'guesses', failing)).rejects.toThrow('no data');
  expect(notes.seconds()).toMatchObject({ guess: 6, other: 0 });
  expect(notes.elapsed()).toBe(6);
});

it('adds what interrupted runs took for work that is asked for again, to its own seconds as well', async () => {
  for (const seconds of [30, 20]) {
    const stopped = open();
    const interrupted = stopped.kept('train', 'trial', async () => {
      pass(seconds);
      throw new Error('interrupted');
    });
    await expect(interrupted).rejects.toThrow('interrupted');
  }
  const last = open();
  expect(last.elapsed()).toBe(0);
  const trained = await last.kept('train', 'trial', async () => {
    pass(10);
    return 'model';
  });
  expect(trained).toMatchObject({ result: 'model', seconds: 60 });
  for (const notes of [last, open()]) {
    expect(await notes.kept('train', 'trial', () => Promise.reject(new Error('again')))).toEqual(trained);
    expect(notes.seconds()).toMatchObject({ train: 60, other: 0 });
    expect(notes.elapsed()).toBeCloseTo(60, 3);
  }
});

it('fails with what the work fails with, also where its time cannot be kept', async () => {
  await writeFile(join(folder, 'file'), '');
  const notes = new WorkNotes(new RunFolder(join(folder, 'file', 'in it'), 'test'));
  await expect(notes.kept('train', 'trial', () => Promise.reject(new Error('no data')))).rejects.toThrow('no data');
});
