/**
 * The model folder: Hugging Face's layout, read with an eye on what may be missing, and written so that an earlier folder
 * is replaced at once or not at all.
 */
import { existsSync, statSync } from 'node:fs';
import { mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { CheckpointError, messageOf, type ParameterTree, type Precision } from '../base/index.ts';
import { placeOf, recoverFolder, replaceFolder, writeFileAtomically } from './atomic-file.ts';
import { headsOf, loadEncoder } from './checkpoint.ts';
import { fromHuggingFace, type ModelConfig, namelessLabels, precisionOf, toHuggingFace } from './config.ts';
import { readJsonObject, writeJson } from './json-file.ts';
import { floatTensors, readSafetensors, type Safetensors, writeSafetensors } from './safetensors.ts';
import { loadTokenizer, type Tokenizer } from './tokenizer.ts';

/** What a model folder holds that is needed to go on with the model. */
export interface ModelFiles {
  readonly config: ModelConfig;
  readonly parameters: ParameterTree;
  readonly tokenizer: Tokenizer;
}

/** All that a finished run leaves in a model folder. */
export interface Delivery extends ModelFiles {
  /** The exported model, for `onnx/model.onnx`. */
  readonly onnx?: Uint8Array;
  /** The same in int8, for `onnx/model_quantized.onnx`. */
  readonly quantized?: Uint8Array;
  /** Which of them the folder is meant to run; fp32 if left out. */
  readonly precision?: Precision;
  /** What the model was sliced from, for `pruning.safetensors`. */
  readonly pruning?: Safetensors;
  /** The model card, Markdown, for `README.md`. */
  readonly card: string;
  /** Recipe, seed, versions, figures: for `run.json`. */
  readonly evidence: object;
}

/** The files of a model. */
const MODEL_FILES = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.txt',
  'model.safetensors',
  'onnx',
  'README.md',
  'run.json',
];

const PRUNING = 'pruning.safetensors';

/** What a delivery replaces in an earlier model folder; a report or checkpoints beside them stay. */
const OWNED = [...MODEL_FILES, PRUNING];

/** As transformers.js looks for them. */
export const ONNX_FILES: Readonly<Record<Precision, string>> = { fp32: 'model.onnx', int8: 'model_quantized.onnx' };

/** Where the exported model of a precision is in a model folder. */
export function onnxPath(folder: string, precision: Precision): string {
  return join(folder, 'onnx', ONNX_FILES[precision]);
}

/**
 * The exported model of a precision in a model folder, if it has one that was made of its weights: what lies beside those of a model made elsewhere may be of
 * others, or of another task.
 */
export async function ownExportIn(folder: string, precision: Precision): Promise<string | undefined> {
  const path = onnxPath(folder, precision);
  const isOwn = 'prumux' in (await readJsonObject(join(folder, 'config.json')));
  return isOwn && existsSync(path) ? path : undefined;
}

/** Where a model folder has what the model was sliced from. */
export function pruningPath(folder: string): string {
  return join(folder, PRUNING);
}

/** The model in a folder. Throws a CheckpointError that names the file that is missing or damaged. */
export async function readModelFolder(folder: string): Promise<ModelFiles> {
  await recoverFolder(folder);
  if (!existsSync(folder)) throw new CheckpointError(folder, { expected: 'a model folder', got: 'no such folder' });
  if (!statSync(folder).isDirectory()) throw new CheckpointError(folder, { expected: 'a model folder', got: 'a file' });
  await requireFiles(folder);
  const configPath = join(folder, 'config.json');
  const told = fromHuggingFace(await readJsonObject(configPath), configPath);
  const tokenizer = await loadTokenizer(folder);
  const { vocabularySize } = told.encoder;
  if (tokenizer.vocabularySize > vocabularySize) {
    const got = `${tokenizer.vocabularySize} tokens in its tokenizer`;
    throw new CheckpointError(folder, { expected: `at most the ${vocabularySize} of vocab_size in config.json`, got });
  }
  const parameters = await readParameters(join(folder, 'model.safetensors'), told);
  return { config: withLabels(told, parameters), parameters, tokenizer };
}

/** Hugging Face leaves out of `config.json` what is usual: of two classes without names it says nothing, but the head has them. */
function withLabels(config: ModelConfig, parameters: ParameterTree): ModelConfig {
  const [classes = 0] = parameters.get('classifier.weight')?.shape ?? [];
  return config.labels.length > 0 ? config : { ...config, labels: namelessLabels(classes) };
}

/** The precision that a model folder is meant to run in. Throws a CheckpointError or ConfigError where it has no `config.json` that says one. */
export async function precisionIn(folder: string): Promise<Precision> {
  const path = join(folder, 'config.json');
  return precisionOf(await readJsonObject(path), path);
}

/** Bytes of the files of a model folder; others beside them do not count. */
export async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of MODEL_FILES) {
    const path = join(folder, name);
    if (!existsSync(path)) continue;
    const files = statSync(path).isDirectory() ? (await readdir(path)).map((file) => join(path, file)) : [path];
    for (const file of files) bytes += (await stat(file)).size;
  }
  return bytes;
}

/** The encoder under its `bert.` names, whatever the checkpoint calls it, and the heads. */
async function readParameters(path: string, { encoder, featureSize }: ModelConfig): Promise<ParameterTree> {
  const tensors = floatTensors((await readSafetensors(path)).tensors);
  return new Map([...loadEncoder(tensors, encoder, path, featureSize), ...headsOf(tensors)]);
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw new CheckpointError(folder, { expected: 'a readable folder', got: messageOf(cause), cause });
  }
}

async function requireFiles(folder: string): Promise<void> {
  const present = await entriesOf(folder);
  const missing = ['config.json', 'model.safetensors'].filter((file) => !present.includes(file));
  if (!present.includes('tokenizer.json') && !present.includes('vocab.txt')) missing.push('tokenizer.json');
  if (missing.length === 0) return;
  const isOtherFormat =
    missing.includes('model.safetensors') && present.some((file) => /\.(bin|h5|msgpack|ckpt)$/.test(file));
  throw new CheckpointError(folder, {
    expected: `${missing.join(', ')} in the model folder`,
    got: present.length === 0 ? 'an empty folder' : `only ${present.slice(0, 12).join(', ')}`,
    ...(isOtherFormat && { hint: 'Weights in other formats must be converted to one model.safetensors first.' }),
  });
}

/**
 * Writes a model folder, in place of an earlier one if there is one; other things in it, as a report or checkpoints, stay.
 * Throws a CheckpointError, the earlier folder untouched, where it cannot be written.
 */
export async function writeModelFolder(folder: string, delivery: Delivery): Promise<void> {
  await checkDestination(folder);
  await replaceFolder(folder, (staging) => writeFiles(staging, delivery), OWNED);
}

/**
 * Refuses, by a CheckpointError, a place where a model would overwrite something else, as the README of a project. To be
 * asked before the work, too: then nothing is lost.
 */
export async function checkDestination(folder: string): Promise<void> {
  await recoverFolder(folder);
  refuseFile(folder);
  if (!existsSync(folder)) return;
  refuseMountPoint(folder);
  await refuseOwnPlace(folder);
  const overwritten = (await entriesOf(folder)).filter((entry) => OWNED.includes(entry));
  if (overwritten.length === 0 || (await isModelConfig(join(folder, 'config.json')))) return;
  const got = `one with other files of the names ${overwritten.join(', ')}`;
  throw new CheckpointError(folder, { expected: 'a new folder or an earlier model folder', got });
}

/** Whether two paths lead to one folder, which is there. */
export async function isSameFolder(one: string, other: string): Promise<boolean> {
  return existsSync(one) && existsSync(other) && (await realpath(one)) === (await realpath(other));
}

/** Other programs have a `config.json`, too. */
async function isModelConfig(path: string): Promise<boolean> {
  const config = await readJsonObject(path).catch(() => ({}));
  return 'prumux' in config || Reflect.get(config, 'model_type') === 'bert';
}

/** No folder can be made in the place of a file, or in a file. */
function refuseFile(folder: string): void {
  let place = resolve(folder);
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  if (existsSync(place) && !statSync(place).isDirectory())
    throw new CheckpointError(place, { expected: 'a folder', got: 'a file' });
}

/** A folder that is replaced is another one from then on: a process in it, and the shell that it was started from, would be nowhere. */
async function refuseOwnPlace(folder: string): Promise<void> {
  if (!(await isSameFolder(folder, process.cwd()))) return;
  throw new CheckpointError(folder, {
    expected: 'another folder than the one that you are in',
    got: 'that',
    hint: 'Go to the one above it, and name it from there.',
  });
}

/** A volume itself cannot be replaced at once, only a folder in it. */
function refuseMountPoint(folder: string): void {
  const place = placeOf(folder);
  if (statSync(place).dev === statSync(dirname(place)).dev) return;
  throw new CheckpointError(folder, {
    expected: 'a folder that can be replaced',
    got: 'the root of a volume',
    hint: `Choose a folder in it, as ${join(folder, 'model')}.`,
  });
}

async function writeFiles(folder: string, delivery: Delivery): Promise<void> {
  const { config, parameters, tokenizer, onnx, quantized, precision, pruning } = delivery;
  await writeJson(join(folder, 'config.json'), { ...toHuggingFace(config, precision), pad_token_id: tokenizer.padId });
  await writeFileAtomically(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer.json));
  await writeJson(
    join(folder, 'tokenizer_config.json'),
    tokenizerConfig(tokenizer, config.maxTokens ?? config.encoder.maxPositions),
  );
  await writeSafetensors(join(folder, 'model.safetensors'), parameters, { format: 'pt' });
  if (onnx !== undefined || quantized !== undefined) await mkdir(join(folder, 'onnx'));
  if (onnx !== undefined) await writeFileAtomically(onnxPath(folder, 'fp32'), onnx);
  if (quantized !== undefined) await writeFileAtomically(onnxPath(folder, 'int8'), quantized);
  if (pruning !== undefined) await writeSafetensors(pruningPath(folder), pruning.tensors, pruning.metadata);
  await writeFileAtomically(join(folder, 'README.md'), delivery.card);
  await writeJson(join(folder, 'run.json'), delivery.evidence);
}

const bertNormalizer = z.looseObject({
  normalizer: z.looseObject({
    type: z.literal('BertNormalizer'),
    strip_accents: z.boolean().nullish(),
    handle_chinese_chars: z.boolean().nullish(),
  }),
});

/** What transformers would otherwise put in the place of what `tokenizer.json` says. */
function normalizerFlags(json: object): object {
  const { data } = bertNormalizer.safeParse(json);
  if (data === undefined) return {};
  const { strip_accents = null, handle_chinese_chars } = data.normalizer;
  return { strip_accents, tokenize_chinese_chars: handle_chinese_chars ?? true };
}

/** What transformers.js and others want beside `tokenizer.json`. */
function tokenizerConfig(tokenizer: Tokenizer, maxTokens: number): object {
  return {
    tokenizer_class: 'BertTokenizer',
    do_lower_case: tokenizer.isLowerCase,
    ...normalizerFlags(tokenizer.json),
    model_max_length: maxTokens,
    pad_token: '[PAD]',
    unk_token: '[UNK]',
    cls_token: '[CLS]',
    sep_token: '[SEP]',
    mask_token: '[MASK]',
  };
}
