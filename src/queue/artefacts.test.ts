/** What machines share: the same content under the same checksum, a change noticed, and no way out of the folder. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CheckpointError, ConfigError } from '../base/index.ts';
import { Artefacts, placeSchema } from './artefacts.ts';

let folder: string;
let artefacts: Artefacts;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prumux-artefacts-'));
  artefacts = new Artefacts(join(folder, 'shared'));
  await writeFile(join(folder, 'rows.tsv'), 'abc');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('copies a file once, under the SHA-256 that sha256sum gives', async () => {
  const path = join(folder, 'rows.tsv');
  const [first, second] = [await artefacts.publish([path]), await artefacts.publish([path])];
  expect(second).toEqual(first);
  expect(first.files).toEqual({ 'rows.tsv': 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' }); // FIPS 180-2, "abc"
  expect(await readdir(join(folder, 'shared', 'inputs'))).toEqual([first.id]);
  expect(await readFile(join(await artefacts.locate(first), 'rows.tsv'), 'utf8')).toBe('abc');
});

it('keeps two that copy the same at the same time', async () => {
  const path = join(folder, 'rows.tsv');
  const [one, other] = await Promise.all([artefacts.publish([path]), artefacts.publish([path])]);
  expect(one).toEqual(other);
  expect(await readdir(join(folder, 'shared', 'inputs'))).toEqual([one.id]);
});

it('copies for each of them into a folder of its own', async () => {
  const path = join(folder, 'rows.tsv');
  const inputs = join(folder, 'shared', 'inputs');
  const seen = new Set<string>();
  let isDone = false;
  const watch = async (): Promise<void> => {
    while (!isDone) for (const name of await readdir(inputs).catch(() => [])) seen.add(name);
  };
  await writeFile(path, Buffer.alloc(64 * 1024 * 1024, 'a'));
  const watching = watch();
  await Promise.all([artefacts.publish([path]), artefacts.publish([path])]);
  isDone = true;
  await watching;
  expect([...seen].filter((name) => name.includes('.partial-'))).toHaveLength(2);
});

it('refuses what has changed, and says what is missing', async () => {
  const artefact = await artefacts.publish([join(folder, 'rows.tsv')]);
  const path = join(await artefacts.locate(artefact), 'rows.tsv');
  await writeFile(path, 'abd');
  await expect(artefacts.locate(artefact)).rejects.toThrow(/rows.tsv: expected SHA-256 ba7816bf.*got a52d159f/); // sha256sum of "abd"
  await rm(path);
  await expect(artefacts.locate(artefact)).rejects.toThrow(CheckpointError);
  await expect(artefacts.locate(artefact)).rejects.toThrow(/--artefacts must be the same folder/);
});

it('names folders in it, and no others', () => {
  expect(artefacts.placeOf(join(artefacts.root, 'trials', 'a'))).toBe('trials/a');
  expect(artefacts.folderAt('trials/a')).toBe(join(artefacts.root, 'trials', 'a'));
  for (const outside of [folder, join(folder, 'elsewhere')])
    expect(() => artefacts.placeOf(outside)).toThrow(ConfigError);
  for (const place of ['..', 'a/../../b', '/etc', '', 'a//b', 'a\\b', './a']) {
    expect(placeSchema.safeParse(place).success, place).toBe(false);
  }
});
