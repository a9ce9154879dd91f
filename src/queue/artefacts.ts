/**
 * The folder that machines share: what trials start from is there under its checksum, so that each is copied once and nobody trains on
 * another file than was meant; and trials leave their models and checkpoints there.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { CheckpointError, ConfigError, messageOf } from '../base/index.ts';

/** A name of a file or folder, without a way out of where it is. */
const entryName = z.string().regex(/^(?!\.{1,2}$)[^/\\\0]+$/);

/** Some files under one checksum. */
export const artefactSchema = z.strictObject({
  /** SHA-256 of the checksums of the files, in hexadecimal. */
  id: z.hash('sha256'),
  /** SHA-256 by name. */
  files: z.record(entryName, z.hash('sha256')),
});

export type Artefact = Readonly<z.infer<typeof artefactSchema>>;

/** A folder in the shared one, as `trials/0123abcd/n2-s0.6`. */
export const placeSchema = z
  .string()
  .refine((place) => place.split('/').every((name) => entryName.safeParse(name).success));

export const SHARED_HINT = '--artefacts must be the same folder on all machines.';

async function checksumOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

export class Artefacts {
  readonly root: string;

  constructor(root: string) {
    this.root = resolve(root);
  }

  /** Copies files of different names there, unless they are there already. */
  async publish(paths: readonly string[]): Promise<Artefact> {
    const sums: [string, string][] = [];
    for (const path of paths) sums.push([basename(path), await checksumOf(path)]);
    const files = Object.fromEntries(sums);
    const artefact: Artefact = { id: createHash('sha256').update(JSON.stringify(files)).digest('hex'), files };
    const folder = this.folderOf(artefact);
    if (!existsSync(folder)) await this.copy(paths, folder);
    return artefact;
  }

  /** The folder of an artefact's files. Throws CheckpointError where one is missing or has changed. */
  async locate(artefact: Artefact): Promise<string> {
    const folder = this.folderOf(artefact);
    for (const [name, expected] of Object.entries(artefact.files)) {
      const path = join(folder, name);
      if (!existsSync(path)) {
        throw new CheckpointError(path, {
          expected: 'a file that a trial starts from',
          got: 'no such file',
          hint: SHARED_HINT,
        });
      }
      const got = await checksumOf(path);
      if (got === expected) continue;
      const hint = 'It was changed or damaged; remove its folder, and auto puts it there again.';
      throw new CheckpointError(path, { expected: `SHA-256 ${expected}`, got, hint });
    }
    return folder;
  }

  /** How a folder in the shared one is called on other machines. */
  placeOf(folder: string): string {
    const place = relative(this.root, resolve(folder)).split(sep).join('/');
    if (placeSchema.safeParse(place).success) return place;
    throw new ConfigError('artefacts', { expected: `a folder in ${this.root}`, got: folder });
  }

  folderAt(place: string): string {
    return join(this.root, ...place.split('/'));
  }

  private folderOf({ id }: Artefact): string {
    return join(this.root, 'inputs', id);
  }

  /** By a folder of its own beside it, which appears under its name when it is whole; whoever comes second gives way. */
  private async copy(paths: readonly string[], folder: string): Promise<void> {
    const staging = `${folder}.partial-${randomUUID()}`;
    try {
      await mkdir(staging, { recursive: true });
      for (const path of paths) await copyFile(path, join(staging, basename(path)));
      await rename(staging, folder);
    } catch (cause) {
      await rm(staging, { recursive: true, force: true });
      if (existsSync(folder)) return;
      throw new CheckpointError(folder, { expected: 'to put files there', got: messageOf(cause), cause });
    }
  }
}
