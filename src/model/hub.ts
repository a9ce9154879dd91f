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
import { precisionOf } from './config.ts';
import { ONNX_FILES } from './folder.ts';
import { readJsonObject } from './json-file.ts';
import { ADDED_TOKENS } from './tokenizer.ts';

const TOKENIZER_SOURCES = ['tokenizer.json', 'tokenizer_config.json', 'vocab.txt', ADDED_TOKENS];

/** What of a repository or folder a model is read from; weights in other formats stay where they are. */
export const MODEL_SOURCES = ['config.json', ...TOKENIZER_SOURCES, 'model.safetensors'];

/** What is wanted of a repository. */
interface Wanted {
  readonly what: string;
  readonly files: readonly string[];
  /** Of each list one must be there. */
  readonly needed: readonly (readonly string[])[];
  /** What to do where one is not. */
  readonly hint: string;
}

const MODEL: Wanted = {
  what: 'model',
  files: MODEL_SOURCES,
  needed: [['model.safetensors'], ['config.json']],
  hint: 'Weights in other formats, or in several files, must be made one model.safetensors first.',
};

const TOKENIZER: Wanted = {
  what: 'tokenizer',
  files: ['config.json', ...TOKENIZER_SOURCES],
  needed: [['tokenizer.json', 'vocab.txt']],
  hint: 'Tokenizers of other kinds than WordPiece are not supported.',
};

/** What a folder of ours has besides, that it is served by: its record, and where it is meant to run in int8, that model. */
async function ownFiles(snapshot: string): Promise<Pick<Wanted, 'files' | 'needed' | 'hint'>> {
  const path = join(snapshot, 'config.json');
  const config = await readJsonObject(path);
  const hint = 'Its config.json says that it runs in int8: the repository must have all of the folder.';
  if (!('prumux' in config)) return { files: [], needed: [], hint };
  const quantized = precisionOf(config, path) === 'int8' ? [`onnx/${ONNX_FILES.int8}`] : [];
  return { files: ['run.json', ...quantized], needed: quantized.map((file) => [file]), hint };
}

function missingOf({ needed }: Wanted, isThere: (file: string) => boolean): readonly string[] | undefined {
  return needed.find((choice) => !choice.some(isThere));
}

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
export function resolveModel(idOrFolder: string, places: HubPlaces = {}): Promise<string> {
  return resolve(idOrFolder, MODEL, places);
}

/** The folder of a tokenizer, found as that of a model is; from the Hub only what it is read from comes, and no weights need be there. */
export function resolveTokenizer(idOrFolder: string, places: HubPlaces = {}): Promise<string> {
  return resolve(idOrFolder, TOKENIZER, places);
}

async function resolve(idOrFolder: string, wanted: Wanted, places: HubPlaces): Promise<string> {
  await recoverFolder(idOrFolder);
  if (existsSync(idOrFolder)) {
    if (statSync(idOrFolder).isDirectory()) return idOrFolder;
    throw new CheckpointError(idOrFolder, { expected: 'a model folder', got: 'a file' });
  }
  if (!HUB_ID.test(idOrFolder)) {
    throw new CheckpointError(idOrFolder, {
      expected: placesOf(wanted),
      got: 'no such folder',
    });
  }
  const cacheDir = places.cacheDir ?? getHFHubCachePath();
  const hubUrl = places.hubUrl ?? process.env.HF_ENDPOINT;
  try {
    return await fetchSnapshot(idOrFolder, wanted, cacheDir, hubUrl);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    const cached = isRefusal(cause) ? undefined : await cachedSnapshot(idOrFolder, wanted, cacheDir);
    if (cached !== undefined) return cached;
    throw notFound(idOrFolder, wanted, cause);
  }
}

/** Whether the Hub was reached and will not give the model; where it only cannot, the cache may serve. */
function isRefusal(cause: unknown): boolean {
  return cause instanceof HubApiError && [400, 401, 403, 404].includes(cause.statusCode);
}

const placesOf = ({ what }: Wanted): string => `a model folder or the id of a ${what} on the Hub`;

function notFound(id: string, wanted: Wanted, cause: unknown): CheckpointError {
  const isClosed = cause instanceof HubApiError && [401, 403].includes(cause.statusCode);
  const answer =
    cause instanceof HubApiError
      ? `the Hub answered ${cause.statusCode} (${cause.message.replace(/\. URL: .*$/s, '')})`
      : `the Hub could not be reached (${reasonOf(cause)}) and its cache does not have it`;
  return new CheckpointError(id, {
    expected: placesOf(wanted),
    got: `no such folder, and ${answer}`,
    hint: isClosed
      ? 'The Hub says this of models that do not exist, too; for private and gated ones set HF_TOKEN.'
      : 'Give the path of a folder, or fetch the model where there is a network.',
    cause,
  });
}

/** `fetch` says only "fetch failed"; the reason is in the cause. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
}

async function fetchSnapshot(
  name: string,
  wanted: Wanted,
  cacheDir: string,
  hubUrl: string | undefined,
): Promise<string> {
  const accessToken = process.env.HF_TOKEN;
  const access = { ...(hubUrl && { hubUrl }), ...(accessToken && { accessToken }) };
  const { sha } = await modelInfo({ ...access, name, additionalFields: ['sha'] });
  const repository = { ...access, repo: name, revision: sha };
  const paths: string[] = [];
  for await (const { path } of listFiles({ ...repository, recursive: true })) paths.push(path);
  const take = async (these: Wanted): Promise<void> => {
    requireFiles(name, these, paths);
    for (const path of paths.filter((each) => these.files.includes(each))) {
      await silently(() => downloadFileToCacheDir({ ...repository, path, cacheDir }));
    }
  };
  await take(wanted);
  const snapshot = snapshotPath(name, cacheDir, sha);
  if (wanted === MODEL) await take({ ...wanted, ...(await ownFiles(snapshot)) });
  const reference = referencePath(name, cacheDir);
  // Without the weights it must not stand for a model that is whole, where there is no network.
  if (wanted === TOKENIZER && existsSync(reference)) return snapshot;
  await mkdir(dirname(reference), { recursive: true });
  await writeFile(reference, sha);
  return snapshot;
}

function requireFiles(name: string, wanted: Wanted, paths: readonly string[]): void {
  const missing = missingOf(wanted, (file) => paths.includes(file));
  if (missing === undefined) return;
  throw new CheckpointError(name, {
    expected: `${missing.join(' or ')} in the repository`,
    got: paths.length === 0 ? 'no file' : `only ${paths.slice(0, 12).join(', ')}`,
    hint: wanted.hint,
  });
}

/** The snapshot that the cache calls the newest, if it is there. */
async function cachedSnapshot(name: string, wanted: Wanted, cacheDir: string): Promise<string | undefined> {
  const reference = referencePath(name, cacheDir);
  if (!existsSync(reference)) return undefined;
  const snapshot = snapshotPath(name, cacheDir, (await readFile(reference, 'utf8')).trim());
  return missingOf(wanted, (file) => existsSync(join(snapshot, file))) === undefined ? snapshot : undefined;
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

/** How many downloads are under way that must not be heard, and what is put back after the last one. */
let silenced = 0;
let { debug } = console;

/** The library reports downloads by `console.debug`, which is standard output: there only results belong. */
async function silently<T>(work: () => Promise<T>): Promise<T> {
  if (silenced++ === 0) {
    ({ debug } = console);
    console.debug = () => {};
  }
  try {
    return await work();
  } finally {
    if (--silenced === 0) console.debug = debug;
  }
}
