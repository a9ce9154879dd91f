/**
 * Models by name: a folder as it is, or an id of the Hugging Face Hub, fetched into the cache that Hugging Face's own tools
 * share. Without a network a model that is in the cache is found there.
 */
import { existsSync, statSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { downloadFileToCacheDir, getHFHubCachePath, HubApiError, listFiles, modelInfo } from '@huggingface/hub';
import { CheckpointError, messageOf } from '../base/index.ts';
import { recoverFolder } from './atomic-file.ts';

/** What of a repository or folder a model is read from; weights in other formats stay where they are. */
export const MODEL_SOURCES = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.txt',
  'model.safetensors',
];

/** `name` or `owner/name`. */
const HUB_ID = /^\w[\w.-]*(\/\w[\w.-]*)?$/;

/** Where the Hub is and where its files are kept; left out: huggingface.co (or `HF_ENDPOINT`) and the usual cache. */
export interface HubPlaces {
  readonly hubUrl?: string;
  readonly cacheDir?: string;
}

/**
 * The folder of a model: the argument itself if it is a folder, otherwise the snapshot of that id from the Hub or its cache.
 * Throws a CheckpointError that says what was looked for and why it is not there.
 */
export async function resolveModel(idOrFolder: string, places: HubPlaces = {}): Promise<string> {
  await recoverFolder(idOrFolder);
  if (existsSync(idOrFolder)) {
    if (statSync(idOrFolder).isDirectory()) return idOrFolder;
    throw new CheckpointError(idOrFolder, { expected: 'a model folder', got: 'a file' });
  }
  if (!HUB_ID.test(idOrFolder)) {
    throw new CheckpointError(idOrFolder, {
      expected: 'a model folder or the id of a model on the Hub',
      got: 'no such folder',
    });
  }
  const cacheDir = places.cacheDir ?? getHFHubCachePath();
  const hubUrl = places.hubUrl ?? process.env.HF_ENDPOINT;
  try {
    return await fetchSnapshot(idOrFolder, cacheDir, hubUrl);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    const cached = isRefusal(cause) ? undefined : await cachedSnapshot(idOrFolder, cacheDir);
    if (cached !== undefined) return cached;
    throw notFound(idOrFolder, cause);
  }
}

/** Whether the Hub was reached and will not give the model; where it only cannot, the cache may serve. */
function isRefusal(cause: unknown): boolean {
  return cause instanceof HubApiError && [400, 401, 403, 404].includes(cause.statusCode);
}

function notFound(id: string, cause: unknown): CheckpointError {
  const answer =
    cause instanceof HubApiError
      ? `the Hub answered ${cause.statusCode} (${cause.message})`
      : `the Hub could not be reached (${reasonOf(cause)}) and its cache does not have it`;
  return new CheckpointError(id, {
    expected: 'a model folder or the id of a model on the Hub',
    got: `no such folder, and ${answer}`,
    hint: 'Give the path of a folder, or fetch the model where there is a network.',
    cause,
  });
}

/** `fetch` says only "fetch failed"; the reason is in the cause. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
}

async function fetchSnapshot(name: string, cacheDir: string, hubUrl: string | undefined): Promise<string> {
  const accessToken = process.env.HF_TOKEN;
  const access = { ...(hubUrl && { hubUrl }), ...(accessToken && { accessToken }) };
  const { sha } = await modelInfo({ ...access, name, additionalFields: ['sha'] });
  const repository = { ...access, repo: name, revision: sha };
  const paths: string[] = [];
  for await (const { path } of listFiles(repository)) paths.push(path);
  requireWeights(name, paths);
  for (const path of paths.filter((each) => MODEL_SOURCES.includes(each))) {
    await silently(() => downloadFileToCacheDir({ ...repository, path, cacheDir }));
  }
  const reference = referencePath(name, cacheDir);
  await mkdir(dirname(reference), { recursive: true });
  await writeFile(reference, sha);
  return snapshotPath(name, cacheDir, sha);
}

function requireWeights(name: string, paths: readonly string[]): void {
  if (paths.includes('model.safetensors')) return;
  throw new CheckpointError(name, {
    expected: 'model.safetensors in the repository',
    got: paths.length === 0 ? 'no file' : `only ${paths.slice(0, 12).join(', ')}`,
    hint: 'Weights in other formats, or in several files, must be made one model.safetensors first.',
  });
}

/** The snapshot that the cache calls the newest, if it is there. */
async function cachedSnapshot(name: string, cacheDir: string): Promise<string | undefined> {
  const reference = referencePath(name, cacheDir);
  if (!existsSync(reference)) return undefined;
  const snapshot = snapshotPath(name, cacheDir, (await readFile(reference, 'utf8')).trim());
  return ['config.json', 'model.safetensors'].every((file) => existsSync(join(snapshot, file))) ? snapshot : undefined;
}

function repositoryPath(name: string, cacheDir: string): string {
  return join(cacheDir, `models--${name.replace('/', '--')}`);
}

function referencePath(name: string, cacheDir: string): string {
  return join(repositoryPath(name, cacheDir), 'refs', 'main');
}

function snapshotPath(name: string, cacheDir: string, sha: string): string {
  return join(repositoryPath(name, cacheDir), 'snapshots', sha);
}

/** The library reports downloads by `console.debug`, which is standard output: there only results belong. */
async function silently<T>(work: () => Promise<T>): Promise<T> {
  const { debug } = console;
  console.debug = () => {};
  try {
    return await work();
  } finally {
    console.debug = debug;
  }
}
