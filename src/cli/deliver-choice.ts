/** The end of `prumux auto`: the chosen model goes into the output folder, with the record of the run and its report. */
import { join } from 'node:path';
import type { AutoRecord, Exploration, FinalFigures } from '../auto/index.ts';
import { writeFileAtomically, writeModelFolder } from '../model/index.ts';
import { reportPage } from '../report/index.ts';
import { contentOf, machineOf, quantizeClassifier } from '../train/index.ts';
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

/** The folder holds the fp32 model in any case; where int8 was chosen, that one as well, measured on all evaluation rows. */
export async function deliverChoice(output: string, finding: Finding, laboratory: Laboratory): Promise<AutoRecord> {
  const { chosen } = finding.exploration;
  const auto = await recordOf(finding, laboratory);
  const content = await contentOf(chosen.folder);
  await writeModelFolder(output, { ...content, evidence: { ...content.evidence, auto } });
  if (chosen.precision === 'int8') await quantizeClassifier(output, { ...laboratory.options, output });
  await writeReport(output, auto);
  return auto;
}

/** Writes the page into a folder; gives its path. */
export async function writeReport(folder: string, record: AutoRecord): Promise<string> {
  const path = join(folder, 'report.html');
  await writeFileAtomically(path, reportPage(record));
  return path;
}
