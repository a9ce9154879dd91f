/** The end of `prumux auto`: the chosen model goes into the output folder, with the record of the run and its report. */
import { join } from 'node:path';
import type { AutoRecord, Exploration } from '../auto/index.ts';
import { writeFileAtomically, writeModelFolder } from '../model/index.ts';
import { reportPage } from '../report/index.ts';
import { contentOf, machineOf } from '../train/index.ts';
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
