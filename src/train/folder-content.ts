/** What a model folder holds, read to be written elsewhere, or again with more in it. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportClassifier } from '../infer/index.ts';
import {
  type Delivery,
  ownExportIn,
  precisionIn,
  pruningPath,
  readModelFolder,
  readSafetensors,
} from '../model/index.ts';
import { readRunFile } from './finished-run.ts';

/** The content of a classifier's folder; what a model from elsewhere lacks is made. */
export async function contentOf(folder: string): Promise<Delivery> {
  const files = await readModelFolder(folder);
  const [onnx, quantized] = [await ownExportIn(folder, 'fp32'), await ownExportIn(folder, 'int8')];
  const [card, pruning] = [join(folder, 'README.md'), pruningPath(folder)];
  return {
    ...files,
    onnx: onnx === undefined ? exportClassifier(files.config, files.parameters).bytes : await readFile(onnx),
    ...(quantized !== undefined && { quantized: await readFile(quantized) }),
    precision: await precisionIn(folder),
    ...(existsSync(pruning) && { pruning: await readSafetensors(pruning) }),
    card: existsSync(card) ? await readFile(card, 'utf8') : '# Text classifier\n',
    evidence: existsSync(join(folder, 'run.json')) ? await readRunFile(folder) : {},
  };
}

/** What others may go on pruning from stays with the trial: a model that is delivered has none of it, and does not say so. */
export function withoutPruning({ pruning, ...content }: Delivery): Delivery {
  const { pruning: _, ...evidence } = content.evidence as Readonly<Record<string, unknown>>;
  return { ...content, evidence };
}
