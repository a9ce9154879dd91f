/** The end of `prumux auto`: the chosen model goes into the output folder, with the record of the run and its report. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AutoRecord, Exploration, FinalFigures } from '../auto/index.ts';
import { exportClassifier } from '../infer/index.ts';
import { type Delivery, readModelFolder, writeFileAtomically, writeModelFolder } from '../model/index.ts';
import { reportPage } from '../report/index.ts';
import { machineOf, readRunFile } from '../train/index.ts';
import { detailsOf, type Laboratory } from './trials.ts';

/** What `auto` found, and what it knows of the choice. */
export interface Finding {
  readonly exploration: Exploration;
  readonly final: FinalFigures | undefined;
  readonly commandLine: string;
}

async function recordOf({ exploration, final, commandLine }: Finding, laboratory: Laboratory): Promise<AutoRecord> {
  const { options, data, rows, notes } = laboratory;
  const models: AutoRecord['models'] = {};
  for (const trial of [exploration.dense, ...exploration.trials]) {
    if (trial.precision === 'fp32') models[trial.name] = await detailsOf(trial);
  }
  return {
    ...{ exploration, models, data },
    examples: rows.choosing.length,
    rows: `${rows.choosing.length} of the evaluation rows chose; ${rows.final.length} were kept for the final figures`,
    ...(final && { final }),
    seconds: notes.seconds(),
    seed: options.seed,
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

export async function deliverChoice(output: string, finding: Finding, laboratory: Laboratory): Promise<AutoRecord> {
  const auto = await recordOf(finding, laboratory);
  const content = await contentOf(finding.exploration.chosen.folder);
  await writeModelFolder(output, { ...content, evidence: { ...content.evidence, auto } });
  await writeReport(output, auto);
  return auto;
}

/** Writes the page into a folder; gives its path. */
export async function writeReport(folder: string, record: AutoRecord): Promise<string> {
  const path = join(folder, 'report.html');
  await writeFileAtomically(path, reportPage(record));
  return path;
}
