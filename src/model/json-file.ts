/**
 * JSON files of a model folder.
 */
import { readFile } from 'node:fs/promises';
import { CheckpointError, messageOf, parseJsonText } from '../base/index.ts';
import { writeFileAtomically } from './atomic-file.ts';

/** The object that a JSON file of a model folder holds; otherwise a CheckpointError that names the file. */
export async function readJsonObject(path: string): Promise<object> {
  let json: unknown;
  try {
    json = parseJsonText(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new CheckpointError(path, { expected: 'a readable JSON file', got: messageOf(cause), cause });
  }
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json;
  throw new CheckpointError(path, { expected: 'a JSON object', got: Array.isArray(json) ? 'an array' : String(json) });
}

/** Writes the file for people to read, by way of a file beside it; a CheckpointError where that fails. */
export function writeJson(path: string, content: object): Promise<void> {
  return writeFileAtomically(path, `${JSON.stringify(content, null, 2)}\n`);
}
