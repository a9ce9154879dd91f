/** The end of `prumux auto`: the chosen model goes into the output folder, with the record of the run and its report. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AutoRecord, Exploration } from '../auto/index.ts';
import { exportClassifier } from '../infer/index.ts';
import { type Delivery, readModelFolder, writeFileAtomically, writeModelFolder } from '../model/index.ts';
import { reportPage } from '../report/index.ts';
import { machineOf, readRunFile } from '../train/index.ts';
import { detailsOf, type Laboratory } from './trials.ts';

async function recordOf(
  exploration: Exploration,
  { options, data, examples }: Laboratory,
  commandLine: string,
): Promise<AutoRecord> {
  const models: AutoRecord['models'] = {};
  for (const trial of [exploration.dense, ...exploration.trials]) models[trial.name] = await detailsOf(trial);
  return {
    exploration,
    models,
    examples,
    seed: options.seed,
    data,
    machine: machineOf(options.placement),
    commands: [commandLine],
  };
}

/** What a folder holds, to be written elsewhere; what a dense model from elsewhere lacks is made. */
async function contentOf(folder: string): Promise<Delivery> {
  const files = await readModelFolder(folder);
  const [onnx, card] = [join(folder, 'onnx', 'model.onnx'), join(folder, 'README.md')];
  return {
    ...files,
    onnx: existsSync(onnx) ? await readFile(onnx) : exportClassifier(files.config, files.parameters).bytes,
    card: existsSync(card) ? await readFile(card, 'utf8') : '# Text classifier\n',
    evidence: existsSync(join(folder, 'run.json')) ? await readRunFile(folder) : {},
  };
}

export async function deliverChoice(
  output: string,
  exploration: Exploration,
  laboratory: Laboratory,
  commandLine: string,
): Promise<void> {
  const auto = await recordOf(exploration, laboratory, commandLine);
  const content = await contentOf(exploration.chosen.folder);
  await writeModelFolder(output, { ...content, evidence: { ...content.evidence, auto } });
  await writeReport(output, auto);
}

/** Writes the page into a folder; gives its path. */
export async function writeReport(folder: string, record: AutoRecord): Promise<string> {
  const path = join(folder, 'report.html');
  await writeFileAtomically(path, reportPage(record));
  return path;
}
